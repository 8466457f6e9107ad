"""What a recording says about the programs in `examples/see/`: the line that is at fault."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.watch.recording import Recording

SEE = Path(__file__).resolve().parents[2] / "examples" / "see"
PROGRAMS = sorted(path.name for path in SEE.glob("*.py"))


def line_of(program: str, text: str) -> int:
    """The one line of a program that has `text` in it."""
    lines = (SEE / program).read_text(encoding="utf-8").splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if text in line]
    return number


def interlock(*arguments: str | Path) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "interlock", *map(str, arguments)], cwd=SEE, capture_output=True, text=True, timeout=100
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def recorded(program: str, tmp_path: Path) -> dict[str, Any]:
    """The summary of a run, as data."""
    file = tmp_path / "it.rec"
    interlock("run", "--quiet", "--record", file, program)
    summary: dict[str, Any] = json.loads(interlock("report", "--json", file))
    assert summary["dropped"] == 0
    return summary


def test_pool_funnel(tmp_path: Path) -> None:
    summary = recorded("pool_funnel.py", tmp_path)
    worst = summary["findings"][0]
    assert (worst["kind"], worst["name"]) == ("Lock", "Totals._lock")
    assert worst["place"] == f"pool_funnel.py:{line_of('pool_funnel.py', 'threading.Lock()')}"
    guilty = f"pool_funnel.py:{line_of('pool_funnel.py', 'with self._lock')} in Totals.add"
    assert worst["cause"] == summary["blamed"][0]["place"] == guilty
    assert worst["share"] > 0.5
    assert len(worst["parties"]) > 2
    assert all(re.match("counter_", party) for party in worst["parties"])
    lock = next(row for row in summary["primitives"] if row["name"] == "Totals._lock")
    assert lock["acquired"] == 48
    # One after the other, 2 ms each: a machine that is busy makes it longer and never shorter.
    assert lock["hold_total"] >= 48 * 2_000_000
    assert lock["hold_total"] > summary["duration"] / 3


def test_slow_consumer(tmp_path: Path) -> None:
    summary = recorded("slow_consumer.py", tmp_path)
    worst = summary["findings"][0]
    assert (worst["kind"], worst["name"]) == ("Queue", "orders")
    assert worst["cause"] == f"slow_consumer.py:{line_of('slow_consumer.py', 'orders.get()')} in cook"
    assert worst["share"] > 0.9
    assert {"ann", "ben", "cy"} <= set(worst["parties"])
    assert worst["sentence"].startswith("put into and get from Queue orders (slow_consumer.py:")
    assert worst["sentence"].endswith("in cook to get.")


def test_narrow_semaphore(tmp_path: Path) -> None:
    summary = recorded("narrow_semaphore.py", tmp_path)
    worst = summary["findings"][0]
    assert (worst["kind"], worst["name"]) == ("Semaphore", "Service._connections")
    guilty = line_of("narrow_semaphore.py", "async with self._connections")
    assert worst["cause"] == f"narrow_semaphore.py:{guilty} in Service.ask"
    assert worst["share"] > 0.9
    assert len(worst["parties"]) == 12
    assert {party["kind"] for party in summary["parties"] if party["name"] in worst["parties"]} == {"task"}
    semaphore = next(row for row in summary["primitives"] if row["name"] == "Service._connections")
    assert (semaphore["acquired"], semaphore["waited"]) == (60, 58)


@pytest.mark.parametrize("program", PROGRAMS)
def test_pages_and_traces_can_be_made(program: str, tmp_path: Path) -> None:
    page, trace = tmp_path / "it.html", tmp_path / "it.json"
    interlock("run", "--quiet", "--timeline", page, "--record", tmp_path / "it.rec", program)
    assert page.read_text(encoding="utf-8").startswith("<!")
    interlock_report = subprocess.run(
        [sys.executable, "-m", "interlock", "report", "--perfetto", trace, tmp_path / "it.rec"], capture_output=True
    )
    assert interlock_report.returncode == 0
    assert json.loads(trace.read_text())["traceEvents"]
    assert len(Recording.load(tmp_path / "it.rec")) > 100


def test_every_program_is_asserted_and_shown() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    shown = (SEE.parents[1] / "docs" / "see.md").read_text(encoding="utf-8")
    index = (SEE.parent / "README.md").read_text(encoding="utf-8")
    for program in PROGRAMS:
        assert f"def test_{program.removesuffix('.py')}(" in here
        assert f"examples/see/{program}" in shown
        assert f"| [see/{program}](see/{program}) |" in index
