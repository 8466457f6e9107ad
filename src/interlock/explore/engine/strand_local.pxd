# Which strand the calling thread is. For baton.py alone: the variable exists once in each module that cimports this.

cdef extern from *:
    """
    #ifdef _MSC_VER
      #define INTERLOCK_STRAND_LOCAL __declspec(thread)
    #else
      #define INTERLOCK_STRAND_LOCAL __thread
    #endif
    static INTERLOCK_STRAND_LOCAL void *interlock_this_strand;
    #define interlock_strand() (interlock_this_strand)
    #define interlock_set_strand(strand) (interlock_this_strand = (strand))
    """
    void *interlock_strand() noexcept nogil
    void interlock_set_strand(void *strand) noexcept nogil
