"""What the tests of the promises are run with."""

from collections.abc import Iterator
from typing import Any

import pytest
from parties import Parties

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def parties(request: pytest.FixtureRequest) -> Iterator[Parties]:
    """Makes parties: `a, b = parties(2)`. They are threads."""
    made = Parties()
    yield made
    # Whoever a failed test leaves blocked would only hide why it failed.
    if not request.node.stash.get(FAILED, False):
        made.end()
