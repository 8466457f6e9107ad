"""What goes on like the programs that hang, and what services are made of: nothing is said of it."""

import sys
from pathlib import Path

import pytest

STUCK = Path(__file__).parents[2] / "watch" / "stuck"
sys.path[:0] = [str(STUCK), str(STUCK.parent)]
from rows import ROWS  # noqa: E402
from services import SERVICES  # noqa: E402
from test_stuck import SAID, drive  # noqa: E402

PROGRAMS = SERVICES | {f"not stuck: {name}": row.twin for name, row in ROWS.items() if row.twin is not None}


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_said_of_a_program_that_goes_on(tmp_path: Path, name: str) -> None:
    ended = drive(tmp_path, PROGRAMS[name])
    assert ended.returncode == 0, ended.stderr
    for words in SAID:
        assert words not in ended.stderr
