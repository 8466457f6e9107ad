"""What the deadlock check costs a party that is about to block, by the length of the chain it walks.

    python benchmarks/check.py [--fast] [--json]

The first of a chain of threads holds a lock, each next one waits for the one before it, and the last, which is
measured, looks whether its own wait would close a circle: what it does before each untimed wait. The walk alone is
timed, by asking again and again; that it finds nothing is the case that counts.
"""

import argparse
import json
import platform
import sys
import threading
import time

import interlock
from interlock.core.waitgraph import Check

LENGTHS = (1, 2, 4, 8, 16, 64)
GOAL = (4, 1_000)  # a chain of 4 in a microsecond


def measure(length: int, rounds: int, number: int) -> float:
    """Nanoseconds of one check, in the best round."""
    locks = [interlock.RLock() for _ in range(length)]
    end = threading.Event()

    def hold(mine: int) -> None:
        with locks[mine]:
            held.set()
            if mine == 0:
                end.wait()
            else:
                with locks[mine - 1]:
                    pass

    threads = []
    for mine in range(length):
        held = threading.Event()
        threads.append(threading.Thread(target=hold, args=(mine,)))
        threads[-1].start()
        held.wait()
        while mine > 0 and not locks[mine - 1].waiters:
            pass
    check = Check(locks[-1])
    try:
        best = float("inf")
        for _ in range(rounds):
            began = time.perf_counter_ns()
            check.ask(number)
            best = min(best, (time.perf_counter_ns() - began) / number)
    finally:
        check.withdraw()
        end.set()
        for thread in threads:
            thread.join()
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description="What the deadlock check costs.")
    parser.add_argument("--fast", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    rounds, number = (5, 2_000) if options.fast else (30, 10_000)
    rows = [{"length": length, "ns": measure(length, rounds, number)} for length in LENGTHS]
    if options.json:
        print(json.dumps({"python": platform.python_version(), "checks": rows}, indent=2))
        return 0
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    print("chain   one check")
    for row in rows:
        goal = f"  <= {GOAL[1]} ns {'holds' if row['ns'] <= GOAL[1] else 'MISSED'}" if row["length"] == GOAL[0] else ""
        print(f"{row['length']:5}  {row['ns']:7.0f} ns{goal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
