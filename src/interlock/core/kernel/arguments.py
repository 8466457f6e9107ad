"""What a primitive is given beside timeouts: its name, and counts."""

import cython
from cython.cimports.cpython.number import PyNumber_Index


def refuse_positional(made, args: tuple):
    """For `Lock("orders")`."""
    kind = type(made).__name__
    raise TypeError(f"{kind}() takes its name as name=, and nothing else: {kind}(name={args[0]!r})")


def refuse_name(what: str, given):
    """For `Semaphore("orders")`, where the first argument is something else."""
    raise TypeError(f"{what}, not {given!r}: a name is given as name={given!r}")


def checked_name(name) -> str:
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a str or None, not {type(name).__name__}")
    return name


def whole(number) -> cython.long:
    """A count, from whatever is a whole number. Half a permit is an error and not none."""
    if isinstance(number, float):
        truncated: object = int(number)  # ValueError for NaN, OverflowError for infinity
        if truncated != number:
            if number < 0:
                return -1
            raise TypeError(f"a whole number is needed, not {number}")
        return truncated
    return PyNumber_Index(number)
