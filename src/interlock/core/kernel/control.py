"""Control: how the schedule explorer decides who goes on (`interlock.explore`).

`controlling` is a C flag beside `probing`. Off, which is how it starts, it costs an operation one branch that is never
taken. On, a thread that the controller has taken charge of comes here before each operation (`point`), after each one
that others may wait for (`after`), to block (`park`) and for the time (`now`); all other threads pass through as if it
were off. There is one controller at a time, and the flag is changed while none of its threads runs.

A point is outside every critical section, and nothing has been done by then: what it raises leaves the object as if
the call had not been made.
"""

import cython
from cython.cimports.interlock.core.kernel.native import interlock_now

controlling = False
_controllers: list = []  # all there ever were: a late caller may still be inside one


class Controller:
    """Decides who goes on. See the `.pxd`."""

    def mine(self) -> cython.bint:
        return False

    def point(self, operation: Operation, what: object) -> cython.int:
        return 0

    def after(self, what: object) -> cython.void:
        pass

    def park(self, waiter: object, deadline: cython.longlong) -> cython.int:
        return 2

    def unparked(self, waiter: object) -> cython.void:
        pass

    def now(self) -> cython.longlong:
        return interlock_now()

    def refused(self, words: str) -> cython.int:
        return 0

    def unwinding(self) -> cython.bint:
        return False


def set_controller(controller: Controller | None):
    """Begin, or with None end, control. Told to the probe as well: see there."""
    global controlling
    if controller is not None and (not _controllers or _controllers[-1] is not controller):
        _controllers.append(controller)
    controlling = controller is not None


def active() -> Controller:
    return _controllers[-1]


def point(operation: Operation, what: object) -> cython.int:
    controller: Controller = active()
    return controller.point(operation, what) if controller.mine() else 0


def after(what: object) -> cython.void:
    controller: Controller = active()
    if controller.mine():
        controller.after(what)


def refused(words: str) -> cython.int:
    controller: Controller = active()
    return controller.refused(words) if controller.mine() else 0


def controls() -> cython.bint:
    return controlling and active().mine()


def unwinding() -> cython.bint:
    return controlling and active().mine() and active().unwinding()


def park(waiter: object, deadline: cython.longlong) -> cython.int:
    controller: Controller = active()
    return controller.park(waiter, deadline) if controller.mine() else 2


def unparked(waiter: object) -> cython.void:
    active().unparked(waiter)


def now() -> cython.longlong:
    if controlling and active().mine():
        return active().now()
    return interlock_now()
