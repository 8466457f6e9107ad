from interlock.core.condition_queue cimport ConditionQueue


cdef bint wait_foreign(ConditionQueue condition, long long deadline) except -1
cdef bint acquired_in_c(ConditionQueue condition) except -1
cdef bint surely_not_taken(ConditionQueue condition, object owned, bint in_c) except -1
cdef bint by_handler(object error) except -1
cdef bint owned_for_async(ConditionQueue condition) except -1
