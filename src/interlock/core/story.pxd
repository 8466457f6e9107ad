from interlock.core.party cimport Party
from interlock.core.waitgraph cimport Wait

cdef bint holds(Wait wait, Party owner) except -1
