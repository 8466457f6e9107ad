# For order.py alone: what a party holds, as plain memory; the hands of who called last; and the table of pairs that have
# been seen.
#
# The table answers one question: was `then` taken while `first` was held, with no other lock around it? A word of it is
# such a pair, two numbers that are never given out twice; 0 is none. A word says all, so it is read and written without a
# guard: what it says stays true as long as the sink lives, and a pair that another has pushed out is looked for elsewhere.

cdef extern from *:
    """
    #ifdef _MSC_VER
      #include <windows.h>
      #define INTERLOCK_HANDS_OF_THREAD __declspec(thread)
      #define interlock_load_word(p) (*(volatile unsigned long long *) (p))
      #define interlock_store_word(p, n) (*(volatile unsigned long long *) (p) = (n))
    #else
      #define INTERLOCK_HANDS_OF_THREAD __thread
      #define interlock_load_word(p) __atomic_load_n((p), __ATOMIC_RELAXED)
      #define interlock_store_word(p, n) __atomic_store_n((p), (n), __ATOMIC_RELAXED)
    #endif

    typedef struct {
        PyObject *origin;           /* owned, as `code` and `order`, which may be NULL */
        PyObject *code;
        PyObject *order;
        unsigned long long holder;
        int offset;
    } interlock_hold;

    /* `hands` is borrowed: the party keeps them while it calls, or else the sink, and whoever asks has that. Neither
       number is ever given to another. */
    static INTERLOCK_HANDS_OF_THREAD struct {
        unsigned long long party;
        unsigned int turn;
        void *hands;
    } interlock_last_hands;

    #define interlock_hands_known(id, number) \\
        (interlock_last_hands.party == (id) && interlock_last_hands.turn == (number) ? interlock_last_hands.hands : NULL)
    static inline void interlock_know_hands(unsigned long long id, unsigned int turn, void *hands) {
        interlock_last_hands.party = id;
        interlock_last_hands.turn = turn;
        interlock_last_hands.hands = hands;
    }

    #define INTERLOCK_PAIRS 4096    /* 32 KB; a power of 2 */
    static inline unsigned long long *interlock_pair_place(unsigned long long *seen, unsigned long long pair) {
        return &seen[(pair * 0x9E3779B97F4A7C15ULL) >> 52];
    }
    #define interlock_pair(first, then) (((unsigned long long) (first) << 32) | (then))
    #define interlock_pair_seen(seen, pair) (interlock_load_word(interlock_pair_place((seen), (pair))) == (pair))
    #define interlock_see_pair(seen, pair) interlock_store_word(interlock_pair_place((seen), (pair)), (pair))

    /* Never given out twice: 0 when there are no more. */
    static unsigned int interlock_last_serial;
    static unsigned int interlock_next_serial(void) {
        unsigned int serial = interlock_last_serial;
    #ifdef _MSC_VER
        return serial == 0xFFFFFFFF ? 0 : (unsigned int) InterlockedIncrement((volatile LONG *) &interlock_last_serial);
    #else
        do {
            if (serial == 0xFFFFFFFF) {
                return 0;
            }
        } while (!__atomic_compare_exchange_n(&interlock_last_serial, &serial, serial + 1, 0, __ATOMIC_RELAXED,
                                              __ATOMIC_RELAXED));
        return serial + 1;
    #endif
    }

    static void interlock_fill_hold(interlock_hold *hold, PyObject *origin, PyObject *order) {
        PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
        hold->origin = Py_NewRef(origin);
        hold->order = order == Py_None ? NULL : Py_NewRef(order);
        hold->code = NULL;
        hold->offset = 0;
        if (frame != NULL) {
            hold->code = (PyObject *) PyFrame_GetCode(frame);
            hold->offset = PyFrame_GetLasti(frame);
            Py_DECREF(frame);
        }
    }
    static void interlock_drop_hold(interlock_hold *hold) {
        Py_XDECREF(hold->order);
        Py_XDECREF(hold->code);
        Py_DECREF(hold->origin);
    }
    """
    int INTERLOCK_PAIRS
    ctypedef struct interlock_hold:
        void *origin
        void *code
        void *order
        unsigned long long holder
        int offset
    void *interlock_hands_known(unsigned long long id, unsigned int turn) noexcept
    void interlock_know_hands(unsigned long long id, unsigned int turn, void *hands) noexcept
    unsigned long long interlock_pair(unsigned int first, unsigned int then) noexcept
    unsigned int interlock_next_serial() noexcept
    bint interlock_pair_seen(unsigned long long *seen, unsigned long long pair) noexcept
    void interlock_see_pair(unsigned long long *seen, unsigned long long pair) noexcept
    void interlock_fill_hold(interlock_hold *hold, object origin, object order) noexcept
    void interlock_drop_hold(interlock_hold *hold) noexcept
