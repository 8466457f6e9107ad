"""What is compiled: waiting, and everything that waits.

Its rooms, from the bottom up; each imports only from those before it:

kernel      what waiting is: parties, waiters, the queue of a primitive, timeouts, the probe
tasks       which task calls, a task's waiter, what it awaits
graph       who waits for whom, and what of that is certain
primitives  one file for each primitive
record      the ring of events and what writes it (imports kernel and tasks only)
explain     places, stories, the order of locks: loaded when something was found or is watched
"""
