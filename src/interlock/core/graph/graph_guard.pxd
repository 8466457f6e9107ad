# One walk through the wait graph at a time. With the GIL that is so anyway: nothing on the way gives it up. Without it a
# mutex does it, which unlike a critical section stays locked while its holder waits for another. For waitgraph.py alone:
# the mutex exists once in each module that cimports this file.

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
      static PyMutex interlock_graph_mutex;
      #define interlock_graph_lock() PyMutex_Lock(&interlock_graph_mutex)
      #define interlock_graph_unlock() PyMutex_Unlock(&interlock_graph_mutex)
      /* In a forked child: the thread that held it exists only in the parent. */
      #define interlock_graph_renew() memset(&interlock_graph_mutex, 0, sizeof(interlock_graph_mutex))
    #else
      #define interlock_graph_lock() ((void) 0)
      #define interlock_graph_unlock() ((void) 0)
      #define interlock_graph_renew() ((void) 0)
    #endif
    """
    void interlock_graph_lock() noexcept
    void interlock_graph_unlock() noexcept
    void interlock_graph_renew() noexcept
