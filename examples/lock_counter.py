"""A lock guards a counter that two threads add to.

`count = count + 1` is three steps: read, add, write. If another thread reads between our read and
our write, both write the same number, and one addition is lost. Nothing crashes. On most days
nothing happens at all; the sum is just wrong now and then.

The first part makes that bad moment come every time. The second part holds a lock over all three
steps, so nobody can read in between.
"""

import threading
from collections.abc import Callable

from pace import pause, say

import interlock

ADDITIONS = 5  # by each of the two threads


def run_two(add: Callable[[str], None]) -> None:
    threads = [threading.Thread(target=add, args=(who,), name=who) for who in ("ann", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def without_a_lock() -> int:
    count = 0
    # This stands for the scheduler switching threads at the worst moment:
    # neither thread writes before both have read.
    both_have_read = interlock.Barrier(2, name="both_have_read")

    def add(who: str) -> None:
        nonlocal count
        for _ in range(ADDITIONS):
            seen = count
            both_have_read.wait()
            say(f"{who} read {seen} and writes {seen + 1}")
            count = seen + 1

    run_two(add)
    return count


def with_a_lock() -> int:
    count = 0
    count_lock = interlock.Lock(name="count_lock")

    def add(who: str) -> None:
        nonlocal count
        for _ in range(ADDITIONS):
            # The lock covers the read as well as the write. A lock around the write alone would
            # not help: the number to be written would already be old.
            with count_lock:
                seen = count
                pause(0.05)  # time enough for a switch; the other thread has to stay outside
                say(f"{who} read {seen} and writes {seen + 1}")
                count = seen + 1

    run_two(add)
    return count


def main() -> None:
    say("-- without a lock: both read before either writes")
    total = without_a_lock()
    say(f"without a lock: {2 * ADDITIONS} additions made, counter is {total}")

    say("-- with a lock: read, add and write are one step")
    total = with_a_lock()
    say(f"with a lock: {2 * ADDITIONS} additions made, counter is {total}")


if __name__ == "__main__":
    main()
