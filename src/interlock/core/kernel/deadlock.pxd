from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter

cdef int refuse_orphan(Primitive primitive, Waiter waiter, Party owner) except -1
cdef int refuse_orphans(Waiter waiter, list lost) except -1
cdef int refuse_lost(Waiter waiter, str words) except -1
cdef str told_orphan(Primitive primitive, Party owner)
