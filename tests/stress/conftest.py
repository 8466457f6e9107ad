"""The tests in this folder take as long as STRESS_SECONDS says, and are given up later than others accordingly."""

import faulthandler
from pathlib import Path

import pytest
from promises.own_process import LIMIT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(LIMIT + 30))


@pytest.fixture(autouse=True)
def no_earlier_end() -> None:
    """What pytest has set up would end the run after a fixed time; the processes that work here have their own."""
    faulthandler.cancel_dump_traceback_later()
