"""Every way that is hard to see by which a wait is ended after all: nothing is said of it."""

import sys
from pathlib import Path

import pytest

STUCK = Path(__file__).parents[2] / "watch" / "stuck"
sys.path[:0] = [str(STUCK), str(STUCK.parent)]
from hidden import HIDDEN, USUAL  # noqa: E402
from test_stuck import SAID, drive  # noqa: E402


@pytest.mark.parametrize("name", [name for name in HIDDEN if name not in USUAL])
def test_nothing_is_said_of_a_program_that_goes_on(tmp_path: Path, name: str) -> None:
    ended = drive(tmp_path, HIDDEN[name])
    assert ended.returncode == 0, ended.stderr
    said = ended.stderr.partition("primitive")[0]
    for words in SAID:
        assert words not in said
