"""The refusal of a wait that can never end: its error, and what is said of an owner that can't come back."""

import cython
from cython.cimports.interlock.core.kernel.control import controlling, refused
from cython.cimports.interlock.core.kernel.party import Party
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.waiter import Waiter


class DeadlockError(RuntimeError):
    """A call would have waited for ever.

    It is raised by the call that would have waited. The primitive is as if that call had not been made.
    """

    __module__ = "interlock"


def refuse_orphan(primitive: Primitive, waiter: Waiter, owner: Party) -> cython.int:
    return refuse_lost(waiter, told_orphan(primitive, owner))


def refuse_orphans(waiter: Waiter, lost: list) -> cython.int:
    """For a choice. `lost`: the primitive of each alternative, and its owner."""
    told = [told_orphan(primitive, owner) for primitive, owner in lost]
    return refuse_lost(waiter, told[0] if len(told) == 1 else "nothing of it can ever happen: " + "; ".join(told))


def refuse_lost(waiter: Waiter, words: str) -> cython.int:
    waiter.refused = True
    if controlling:
        refused(words)
    raise DeadlockError(words)


def told_orphan(primitive: Primitive, owner: Party) -> str:
    if owner.lost_in_fork:
        fate = (
            "was held when this process was forked, by a thread that did not come along. "
            "Fork before starting threads, or make the lock anew in os.register_at_fork(after_in_child=...)"
        )
    else:
        fate = f"is held by {owner.fate()} without releasing it. Enter the lock with 'with'"
    return f"{primitive!r} {fate}: {owner.call_name()} can never release it"
