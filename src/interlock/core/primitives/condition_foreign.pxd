from interlock.core.kernel.waiter cimport Waiter
from interlock.core.tasks.task_waiter cimport TaskWaiter
from interlock.core.primitives.condition_queue cimport ConditionQueue
from interlock.core.tasks.task cimport TaskParty


cdef bint wait_foreign(ConditionQueue condition, long long deadline) except -1
cdef void join(ConditionQueue condition, Waiter waiter, long long deadline) noexcept
cdef long long told(ConditionQueue condition, Waiter waiter) noexcept
cdef bint was_notified(ConditionQueue condition, Waiter waiter) noexcept
cdef bint over(ConditionQueue condition, bint notified, object error, long long began) except -1
cdef bint acquired_in_c(ConditionQueue condition) except -1
cdef bint surely_not_taken(ConditionQueue condition, object owned, bint in_c) except -1
cdef unsigned long depth_of(object lock) except 0
cdef bint by_handler(object error) except -1
cpdef bint shows_handler(object error) except -1
cdef object shield_for(TaskParty party)
cdef bint was_cancelled(object error, TaskWaiter waiter) except -1
cdef bint surely_not_taken_by_task(ConditionQueue condition, TaskWaiter waiter) except -1
cdef bint owned_for_async(ConditionQueue condition) except -1
