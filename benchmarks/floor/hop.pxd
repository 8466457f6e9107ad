from libc.stdint cimport uint32_t

cdef extern from * nogil:
    """
    #include <linux/futex.h>
    #include <stdint.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static void hop_give(uint32_t *word) {
        __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }

    static int hop_try(uint32_t *word) {
        return __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) != 0;
    }

    static void hop_sleep(uint32_t *word) {
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    """
    void hop_give(uint32_t *word)
    bint hop_try(uint32_t *word)
    void hop_sleep(uint32_t *word)

cdef class Hop:
    cdef object memory
    cdef unsigned char[::1] view
    cdef uint32_t *word
