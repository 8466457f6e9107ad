from interlock.core.kernel.party cimport Party
from interlock.core.graph.waitgraph cimport Wait

cdef what_of(Wait wait)
cdef bint holds(Wait wait, Party owner) except -1
