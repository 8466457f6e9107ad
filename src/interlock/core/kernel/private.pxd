cpdef object listed_thread(unsigned long ident)
cpdef list starting_threads()
cpdef object ident_of(object thread)
cpdef object name_of(object thing)
cpdef bint is_dummy(object thread) except -1
cpdef bint is_being_imported(object module) except -1

cpdef object current_tasks()
cpdef object thread_of_loop(object loop)
cpdef bint has_plain_queue(object loop) except -1
cdef bint is_plain_class(object kind) except -1
cdef bint is_function_of(object function, object module) except -1
cpdef object put_into_queue(object loop, object handle)
cpdef object awaited_by(object task)
cpdef object error_of(object task)
cpdef bint is_to_be_cancelled(object task) except -1
cpdef list callbacks_of(object task)
cpdef object calls_to_come(object loop)

cpdef object task_in_c()
cpdef object run_context()
cpdef object queue_of(object runner)
cpdef bint is_cancelled_in_trio(object task) except -1
cpdef list scopes_of(object task)
