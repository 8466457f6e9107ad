from interlock.machine.kernel cimport Shared, u32, u64, Waiting


cdef class Queue(Shared):
    cdef u64 told

    cdef void begin(self, Waiting *w, u32 flags, u64 deadline) noexcept
    cdef object settle(self)
    cdef tuple waiting(self, u32 reading)
    cdef object pack(self, object item, u32 *sort)
    cdef object unpack(self, object data, u32 sort)
    cdef bint drop_in(self, object item, u64 deadline) except -1
    cdef tuple take_out(self, u32 flags, u64 deadline)
    cdef bint finish(self, u64 at) except -1
    cdef object new_asking(self, u32 flags)
