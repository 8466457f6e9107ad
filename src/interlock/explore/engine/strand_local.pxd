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
    /* What the calling thread has in a `threading.local` beside the dictionary of its state, from 3.13 on. */
    #if PY_VERSION_HEX >= 0x030d0000
      static void interlock_clear_locals(void) {
          PyThreadState *thread = PyThreadState_Get();
          Py_CLEAR(thread->threading_local_key);
          Py_CLEAR(thread->threading_local_sentinel);
      }
    #else
      #define interlock_clear_locals() ((void) 0)
    #endif
    """
    void interlock_clear_locals() noexcept
    void *interlock_strand() noexcept nogil
    void interlock_set_strand(void *strand) noexcept nogil
