from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter

cdef int refuse_orphan(Primitive primitive, Waiter waiter, Party owner) except -1
