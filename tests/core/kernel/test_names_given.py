"""A name is given as `name=`; who gives it as the first argument is told so."""

import warnings
from typing import Any

import pytest

import interlock
from interlock import aio, substitutes

HAVE_NAMES = [
    *("Barrier", "BoundedSemaphore", "Condition", "Event", "KeyedLock", "Latch", "LifoQueue", "Lock", "PriorityQueue"),
    *("Queue", "RWLock", "Semaphore", "SimpleQueue", "WaitQueue"),
]
ROOMS = (interlock, aio, substitutes)
KINDS = [getattr(room, name) for room in ROOMS for name in HAVE_NAMES if hasattr(room, name)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_name_as_first_argument(kind: Any) -> None:
    # As in `threading`, what is no lock has no `acquire`.
    with pytest.raises(AttributeError if "Condition" in kind.__name__ else TypeError) as raised:
        kind("orders")
    assert "name='orders'" in str(raised.value)


@pytest.mark.parametrize("kind", [interlock.RLock, aio.RLock])
def test_a_reentrant_lock_ignores_it_as_ever(kind: Any) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            kind("orders")
        except TypeError as error:  # from Python 3.15 on
            said = str(error)
        else:
            said = str(told[0].message)
    assert said.endswith("a name is given as name='orders'")
