# Which alternative of a select has happened: decided once, by the party that changes the word from UNDECIDED.

cdef extern from *:
    """
    #ifndef Py_GIL_DISABLED
      static inline int interlock_decide(int *word, int expected, int decision) {
          if (*word != expected) {
              return 0;
          }
          *word = decision;
          return 1;
      }
      #define interlock_decided(word) (*(word))
    #elif defined(_MSC_VER)
      #include <windows.h>
      #define interlock_decide(word, expected, decision) \\
          (InterlockedCompareExchange((volatile LONG *) (word), (decision), (expected)) == (expected))
      #define interlock_decided(word) ((int) InterlockedOr((volatile LONG *) (word), 0))
    #else
      static inline int interlock_decide(int *word, int expected, int decision) {
          return __atomic_compare_exchange_n(word, &expected, decision, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      }
      #define interlock_decided(word) (__atomic_load_n((word), __ATOMIC_SEQ_CST))
    #endif
    """
    bint interlock_decide(int *word, int expected, int decision) noexcept
    int interlock_decided(int *word) noexcept
