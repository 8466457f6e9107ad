from interlock.core.task_waiter cimport TaskWaiter
from interlock.core.condition_queue cimport ConditionQueue
from interlock.core.mutex cimport Mutex


cdef bint taken(Mutex mutex, TaskWaiter waiter) noexcept
cdef bint wake_up(ConditionQueue condition, Mutex mutex, TaskWaiter waiter) noexcept
cdef object drop(ConditionQueue condition, Mutex mutex, TaskWaiter waiter)
