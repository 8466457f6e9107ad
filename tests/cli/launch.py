"""Run a program twice: by python alone, and by `interlock run`."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import interlock

INTERLOCK = ("-m", "interlock")
ROOT = str(Path(interlock.__file__).parents[1])
# Without what would change how python runs or how its output looks. No .pyc files: they would hide from the second
# run what the compiler said in the first.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "NO_COLOR"
} | {"PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1"}
PATIENCE = 60.0  # seconds; only a process that will never end uses them up


class Ending:
    """How a process ended: ``status``, ``out`` and ``err``, as text without what differs from run to run."""

    def __init__(self, status: int, out: bytes | None, err: bytes | None) -> None:
        self.status = status
        self.out = _steady(out or b"")
        self.err = _steady(err or b"")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ending) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


def _steady(data: bytes) -> str:
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", data.decode("utf-8", "backslashreplace"))


def start(
    *arguments: str | Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> "subprocess.Popen[bytes]":
    """Start this interpreter. To be used as a context manager."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
    )


def ending(process: "subprocess.Popen[bytes]", stdin: bytes = b"") -> Ending:
    """Wait for the end of `process`."""
    try:
        out, err = process.communicate(stdin, timeout=PATIENCE)
    except BaseException:
        process.kill()
        raise
    return Ending(process.returncode, out, err)


def python(
    *arguments: str | Path,
    cwd: Path,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> Ending:
    """Run this interpreter."""
    with start(*arguments, cwd=cwd, environment=environment, stdout=stdout, stderr=stderr) as process:
        return ending(process, stdin)


def report_of(told: Ending, before: str = "") -> str:
    """The report at the end of stderr, after what the program itself wrote there."""
    assert told.err.startswith(before), f"{told}\n=== should begin with: {before}"
    report = told.err[len(before) :]
    assert report.startswith("\ninterlock: "), told
    assert report.count("interlock: ") == 1, told
    return report


def assert_same(
    cwd: Path,
    *command: str,
    flags: Sequence[str] = (),
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    reports: bool = True,
) -> None:
    """`command` ends under `interlock run` as it does under python, but for the report, if it ``reports``."""
    run = (*flags, *INTERLOCK, "run")
    with (
        start(*flags, *command, cwd=cwd, environment=environment) as alone_process,
        start(*run, "--quiet", *command, cwd=cwd, environment=environment) as quiet_process,
        start(*run, *command, cwd=cwd, environment=environment) as told_process,
    ):
        alone, quiet, told = (ending(each, stdin) for each in (alone_process, quiet_process, told_process))
    # What python itself does for `-m` shows in its tracebacks; under interlock nothing below the program does.
    alone.err = re.sub(r'[ |]*File "<frozen runpy>", line \d+, in \w+\n', "", alone.err)
    assert quiet == alone, f"{quiet}\n=== by python alone: {alone}"
    assert (told.status, told.out) == (alone.status, alone.out), f"{told}\n=== by python alone: {alone}"
    if reports:
        report_of(told, alone.err)
    else:
        assert told.err == alone.err, f"{told}\n=== by python alone: {alone}"
