from interlock.core.kernel.probe cimport Observed
from interlock.core.kernel.waiter cimport Waiter

cdef void begin_wait(Waiter waiter, Observed at, long long deadline) noexcept
cdef void end_wait(Waiter waiter) noexcept
cdef object set_on_wait(object function)
cdef void tell_wait() noexcept
