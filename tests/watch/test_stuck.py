"""Cycles and dead givers that are found although others live; and programs that only look so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "stuck"
sys.path.insert(0, str(HERE))
from hidden import HIDDEN, USUAL  # noqa: E402
from legal import HEAD, LEGAL  # noqa: E402
from rows import ROWS  # noqa: E402
from stuck import STUCK  # noqa: E402

SAID = ("nobody who could end", "in a cycle", "nobody is left", "would have to give itself")


PROGRAMS = LEGAL | {f"ended by {name}": HIDDEN[name] for name in USUAL}


def drive(directory: Path, program: str, *options: str) -> "subprocess.CompletedProcess[str]":
    file = directory / "prog.py"
    file.write_text(HEAD + program)
    return subprocess.run(
        [sys.executable, HERE / "driver.py", "prog.py", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_said_of_a_program_that_goes_on(tmp_path: Path, name: str) -> None:
    ended = drive(tmp_path, PROGRAMS[name])
    said = ended.stderr.partition("primitive")[0]
    assert ended.returncode == 0, ended.stderr
    for words in SAID:
        assert words not in said


@pytest.mark.parametrize("name", STUCK)
def test_a_hang_is_found_although_others_live(tmp_path: Path, name: str) -> None:
    program, expected = STUCK[name]
    ended = drive(tmp_path, program)
    assert ended.returncode == 3, ended.stderr
    assert any(words in ended.stderr for words in SAID)
    for words in expected:
        assert words in ended.stderr


@pytest.mark.parametrize("name", ROWS)
def test_each_kind_of_wait_is_told_with_who_could_end_it(tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    ended = drive(tmp_path, row.hang)
    assert ended.returncode == row.code, ended.stderr
    numbered = enumerate((HEAD + row.hang).split("\n"), 1)
    lines = {found[1]: number for number, line in numbered if (found := re.search(r"#([A-Z])$", line))}
    for words in row.said:
        assert words.format(**lines) in ended.stderr
