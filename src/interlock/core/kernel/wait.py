"""A wait as others see it: where it begins and where it ends. `core/graph/waitgraph.py` reads it.

Showing a wait costs the party that blocks two stores. The waits of one party are a chain, the innermost first: a signal
handler may wait in the middle of a wait.
"""

import cython
from cython.cimports.interlock.core.kernel.control import now
from cython.cimports.interlock.core.kernel.party import Party, meet
from cython.cimports.interlock.core.kernel.probe import Observed
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, Waiter

_on_wait: object = None  # told of each wait that begins
watched = cython.declare(cython.bint, False)  # whether anybody is
_judge: object = None
judged = False  # whether there is one


def set_on_wait(function):
    global _on_wait, watched
    _on_wait = function
    watched = function is not None


def begin_wait(waiter: Waiter, at: Observed, deadline: cython.longlong) -> cython.void:
    """Let others see that the party of this waiter, which is in a queue, waits."""
    # A task that calls without awaiting blocks its thread.
    party: Party = waiter.party if waiter.is_task or waiter.party.id == waiter.party.thread else meet()
    waiter.host = party
    waiter.at = at
    waiter.timed = deadline != NEVER
    waiter.shown = waiter.since if waiter.since != 0 else now()
    with cython.critical_section(party):
        waiter.outer = cython.cast(Waiter, party.wait)
        party.wait = waiter
    if watched:
        tell_wait()


def set_judge(function):
    global _judge, judged
    _judge = function
    judged = function is not None


def judge_wait() -> cython.int:
    """A party is about to wait, without a timeout, for what has no owner: a judge may know better, and raise."""
    judge = _judge
    if judge is not None:
        judge()
    return 0


def tell_wait() -> cython.void:
    listener = _on_wait
    if listener is not None:
        listener()


def count_timeout(waiter: Waiter) -> cython.void:
    """The time of this waiter was up. A party that comes back to the same wait again and again is known by that."""
    party: Party = waiter.host
    if party is not None:
        with cython.critical_section(party):
            party.timeouts += 1


def end_wait(waiter: Waiter) -> cython.void:
    party: Party = waiter.host
    if party is None:
        return
    if waiter.timed and waiter.state == CANCELLED:
        count_timeout(waiter)
    with cython.critical_section(party):
        if party.wait is waiter:
            party.wait = waiter.outer
        else:
            # Of a task that somebody drives by hand: its waits need not end in the order of their beginning.
            inner: Waiter = cython.cast(Waiter, party.wait)
            while inner is not None and inner.outer is not waiter:
                inner = inner.outer
            if inner is not None:
                inner.outer = waiter.outer
