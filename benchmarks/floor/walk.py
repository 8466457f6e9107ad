"""A wait that never begins and asks whether it would end: it times the walk through the wait graph and nothing else."""

import cython
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import Waiter, new_waiter


@cython.final
@cython.cclass
class Check:
    """The caller stands in the queue of ``primitive``, until it withdraws."""

    waiter: Waiter
    primitive: Primitive

    def __init__(self, primitive: Primitive):
        waiter: Waiter = new_waiter(0)
        with cython.critical_section(primitive):
            primitive.push(waiter)
        begin_wait(waiter, primitive, NEVER)
        self.waiter = waiter
        self.primitive = primitive

    def ask(self, times: cython.int) -> None:
        """Look, so many times."""
        for _ in range(times):
            self.primitive.check_block(self.waiter)

    def withdraw(self) -> None:
        """Be over."""
        end_wait(self.waiter)
        self.primitive.withdraw(self.waiter)
