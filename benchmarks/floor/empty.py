"""A class that does nothing, compiled as the core is: the least that a primitive can cost on this interpreter.

Its methods take the arguments that the primitives' take. What the empty `async with` awaits has finished already, as
what ours awaits has.
"""

import cython


@cython.final
@cython.cclass
class Done:
    """Awaited, it returns None at once."""

    def __await__(self) -> object:
        return nothing


@cython.cclass
class Empty:
    def __init__(self, value: object = None, *, name: str | None = None):
        pass

    def __enter__(self) -> bool:
        return True

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        pass

    def __aenter__(self) -> object:
        return DONE

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        return DONE

    def acquire(self, blocking: cython.bint = True, timeout: object = -1) -> bool:
        return True

    def release(self) -> None:
        pass

    def notify(self, n: object = 1) -> None:
        pass

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def wait(self, timeout: object = None) -> bool:
        return True

    def nothing(self, timeout: object = None) -> object:
        """To be awaited."""
        return DONE


DONE = cython.declare(object, Done())
nothing = cython.declare(object, iter(()))
next(nothing, None)
