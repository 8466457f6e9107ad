"""What holds for the tests of the drop-in."""

import asyncio  # noqa: F401
from collections.abc import Iterator

import pytest

from interlock.dropin import ASYNCIO_NAMES, NAMES, install, uninstall


@pytest.fixture(autouse=True)
def names_as_before() -> Iterator[None]:
    """Whatever a test has left behind, the next one finds the standard library's names."""
    install(asyncio=True)  # asyncio has been imported, so its names are known from then on
    uninstall()
    before = [(name, name.stands_for()) for name in [*NAMES, *ASYNCIO_NAMES]]
    yield
    uninstall()
    changed = [name.attribute for name, value in before if name.stands_for() is not value]
    for name, value in before:
        name.set(value)
    assert not changed


@pytest.fixture
def installed() -> Iterator[None]:
    with install():
        yield
