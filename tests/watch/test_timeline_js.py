"""What the timeline page computes, tested by node's own test runner; and that it rounds as the reports do."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from interlock.watch.words import duration, percent

MODEL = Path(__file__).parents[2] / "src" / "interlock" / "watch" / "page" / "model.js"
TESTS = Path(__file__).with_name("timeline_model.test.js")


def test_text_and_page_round_alike() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    chance = random.Random(5)
    times = [0, 1, 5, 40, 994, 995, 999, 9_994, 9_995, 9_996, 99_949, 99_950, 100_500, 999_499, 999_500, 1_005_000]
    times += [n * 500 for n in range(200, 260)] + [3_600_000_000_000, 2_500_000_000]
    times += [round(10 ** chance.uniform(0, 13)) for _ in range(2_000)]
    shares = [round(chance.random(), 4) for _ in range(2_000)] + [0.0, 0.0001, 0.0099, 0.01, 0.29, 0.57, 0.9999, 1.0]
    program = f"""
        const model = require({json.dumps(str(MODEL))});
        const {{ times, shares }} = JSON.parse(require("fs").readFileSync(0));
        console.log(JSON.stringify([times.map(model.formatTime), shares.map(model.formatShare)]));
    """
    data = json.dumps({"times": times, "shares": shares})
    result = subprocess.run([node, "-e", program], input=data, capture_output=True, encoding="utf-8", timeout=60)
    assert result.returncode == 0, result.stderr
    on_page = json.loads(result.stdout)
    assert on_page[0] == [duration(time) for time in times]
    assert on_page[1] == [percent(round(share * 10_000), 10_000) for share in shares]


def test_model_of_the_timeline() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < 18:
        pytest.skip(f"needs node 18 or newer, not {version}: older ones have no test runner")
    result = subprocess.run([node, "--test", str(TESTS)], capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
