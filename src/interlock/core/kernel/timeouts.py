"""Timeouts, as they are given to a call, and the deadlines that are made of them.

A timeout is seconds from now, a deadline a monotonic nanosecond. A thread makes one of the other when its call begins,
a task when it is awaited, which may be long after the call was made: hence the functions that check only.
"""

import threading

import cython
from cython.cimports.cpython.number import PyNumber_Index
from cython.cimports.interlock.core.kernel.control import now

NEVER = 0x7FFFFFFFFFFFFFFF
TIMEOUT_MAX = cython.declare(cython.double, threading.TIMEOUT_MAX)


def seconds_of(timeout) -> cython.double:
    """A timeout in seconds, from a float or a whole number, as `threading` takes it."""
    seconds: cython.double = timeout if isinstance(timeout, float) else PyNumber_Index(timeout)
    if seconds != seconds:
        raise ValueError("timeout must be a number of seconds, not NaN")
    if not -TIMEOUT_MAX - 1 < seconds < TIMEOUT_MAX + 1:
        raise OverflowError(f"timeout value is too large: {timeout} s, the most is {TIMEOUT_MAX} s")
    return seconds


def deadline_in(seconds: cython.double) -> cython.longlong:
    """The monotonic nanosecond at which a wait that begins now ends; 0 where it is not to wait at all."""
    if seconds > TIMEOUT_MAX:
        raise OverflowError(f"timeout value is too large: {seconds} s, the most is {TIMEOUT_MAX} s")
    if seconds <= 0:
        return 0
    moment: cython.longlong = now()
    # TIMEOUT_MAX is as many nanoseconds as fit, counted from now it is too many: 292 years have to do.
    return NEVER if seconds * 1e9 >= NEVER - moment else moment + cython.cast(cython.longlong, seconds * 1e9)


def lock_deadline(blocking: cython.bint, timeout) -> cython.longlong:
    """The deadline for the arguments of a lock's `acquire`, where -1 means to wait for ever."""
    seconds: cython.double = seconds_of(timeout)
    if not blocking:
        if seconds != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if seconds == -1:
        return NEVER
    if seconds < 0:
        raise ValueError(f"timeout value must be a non-negative number or -1 (wait for ever), not {timeout}")
    return deadline_in(seconds)


def lock_seconds(timeout) -> cython.double:
    """The timeout of a lock's asynchronous `acquire`, where None and -1 mean to wait for ever: -1 then."""
    if timeout is None:
        return -1
    seconds: cython.double = seconds_of(timeout)
    if seconds < 0 and seconds != -1:
        raise ValueError(f"timeout value must be a non-negative number or None (wait for ever), not {timeout}")
    return seconds


def wait_seconds(timeout) -> cython.double:
    """A timeout of None (wait for ever: -1) or of seconds, where less than 0 counts as 0."""
    if timeout is None:
        return -1
    seconds: cython.double = seconds_of(timeout)
    return 0 if seconds < 0 else seconds


def deadline_after(timeout) -> cython.longlong:
    """The deadline for a `timeout` of None (wait for ever) or of seconds, where less than 0 counts as 0."""
    if timeout is None:
        return NEVER
    seconds = timeout if isinstance(timeout, float) else PyNumber_Index(timeout)
    return 0 if seconds <= 0 else deadline_in(seconds_of(seconds))
