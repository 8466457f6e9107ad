"""The tests here stand on those of their room: what a test file imports beside itself is found there, too."""

import faulthandler
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / room.name) for room in HERE.iterdir() if room.is_dir()]


@pytest.fixture(autouse=True)
def as_long_as_it_says(request: pytest.FixtureRequest) -> None:
    """faulthandler's limit is one for all tests (pyproject.toml); a test with a limit of its own has it moved."""
    limit = request.node.get_closest_marker("timeout")
    if limit is not None:
        faulthandler.dump_traceback_later(limit.args[0] + 30, exit=True, file=sys.__stderr__)
