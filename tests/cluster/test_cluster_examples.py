"""The examples of interlock.cluster, on each engine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "cluster"


def run(name: str, engine: Any) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), engine.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    # A server that has just started grants nothing for a lease, and says so.
    assert [line for line in done.stderr.splitlines() if "may have lost grants" not in line] == []
    return done.stdout.splitlines()


def test_nightly_once(engine: Any) -> None:
    lines = run("nightly_once.py", engine)
    assert lines.pop() == "late writer with an old token, written: False"
    assert sorted(line.partition(": ")[2] for line in lines) == [
        "did the job, written: True", "done already", "done already"
    ]  # fmt: skip


def test_api_limit(engine: Any) -> None:
    (line,) = run("api_limit.py", engine)
    found = re.fullmatch(r"40 calls, at most (\d) at a time", line)
    assert found is not None
    assert 1 <= int(found[1]) <= 5
