"""The parties that the tests of the core are run with."""

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


@pytest.fixture(params=[pytest.param(Parties, id="threads")])
def parties(request: pytest.FixtureRequest) -> Iterator[Parties]:
    """Makes parties: `a, b = parties(2)`."""
    made = request.param()
    yield made
    # Whoever a failed test leaves blocked would only hide why it failed.
    if request.node.stash.get(FAILED, False):
        made.dismiss()
    else:
        made.end()
