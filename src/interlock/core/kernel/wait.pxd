from interlock.core.kernel.probe cimport Observed
from interlock.core.kernel.waiter cimport Waiter

cdef void begin_wait(Waiter waiter, Observed at, long long deadline) noexcept
cdef void count_timeout(Waiter waiter) noexcept
cdef void end_wait(Waiter waiter) noexcept
cdef object set_on_wait(object function)
cdef void tell_wait() noexcept
cdef bint judged
cdef object set_judge(object function)
cdef int judge_wait() except -1
