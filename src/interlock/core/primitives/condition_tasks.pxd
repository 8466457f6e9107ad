from interlock.core.tasks.task_waiter cimport TaskWaiter
from interlock.core.primitives.condition_queue cimport ConditionQueue
from interlock.core.primitives.mutex cimport Mutex


cdef bint taken(Mutex mutex, TaskWaiter waiter) noexcept
cdef bint wake_up(ConditionQueue condition, Mutex mutex, TaskWaiter waiter) noexcept
cdef object drop(ConditionQueue condition, Mutex mutex, TaskWaiter waiter)
cdef object tell_passed_on(ConditionQueue condition)
