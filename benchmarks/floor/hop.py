"""A word in shared memory that is given and taken with plain futex calls: the least that a hop costs.

It is no primitive. It has no queue and no timeout, and a kill between the store and the wake loses the wake.
"""

import mmap

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.floor_hop import hop_give, hop_sleep, hop_try
from cython.cimports.libc.stdint import uint32_t


@cython.final
@cython.cclass
class Hop:
    """It has the methods of a semaphore and those of an event. At most one waits."""

    def __init__(self, value: object = 0):
        self.memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.view = self.memory
        self.word = cython.cast(cython.pointer(uint32_t), cython.address(self.view[0]))

    def release(self) -> None:
        hop_give(self.word)

    def acquire(self, blocking: cython.bint = True, timeout: object = -1) -> bool:
        while not hop_try(self.word):
            with cython.nogil:
                hop_sleep(self.word)
            PyErr_CheckSignals()
        return True

    def set(self) -> None:
        hop_give(self.word)

    def wait(self, timeout: object = None) -> bool:
        return self.acquire()

    def clear(self) -> None:
        pass  # the wait has done it
