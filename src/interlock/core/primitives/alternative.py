"""One of several things to wait for: what `queue.getting()`, `event.waiting()` and the like make for `select`.

It says what is wanted and holds no place in any queue; it may be used again.
"""

import cython
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares

WORDS = ("", "", "get from ", "put into ", "read under ", "write under ")


class Alternative:
    """An alternative of `select`, made by the object that it is about: ``queue.getting()``, ``event.waiting()``, ..."""

    def __init__(self):
        raise TypeError(
            "an alternative is made by what it is about: queue.getting(), event.waiting(), lock.acquiring()"
        )

    def __repr__(self):
        return f"<to {WORDS[self.kind] or 'wait for '}{self.target!r}>"


def alternative(kind: Kind, target: Primitive, want: cython.long, payload) -> Alternative:
    made: Alternative = Alternative.__new__(Alternative)
    made.kind = kind
    made.target = target
    made.want = want
    made.payload = payload
    return made


def outside_alternative(event: Primitive, outside: object) -> Alternative:
    """To wait for what sets this event; ``outside`` as for `with_outside`."""
    return with_outside(alternative(Kind.WAITING, event, 0, None), outside)


def with_outside(made: Alternative, outside: object) -> Alternative:
    """The same, once ``outside`` has a say: ``outside.result()`` is what it comes to, ``outside.forget()`` ends it."""
    made.outside = outside
    return made


interlock_keep_spares(Alternative)
