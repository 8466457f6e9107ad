"""A job that must not overlap with itself: whoever comes while it runs gives up, and a crash leaves nothing behind.

In a crontab, without any Python:    * * * * *  interlock hold nightly --timeout 0 -- ./nightly.sh
"""

import os

from interlock import machine

NAME = f"nightly-{os.getpid()}"  # "nightly", where it is one job for all


def job(name: str, running: machine.Event, go_on: machine.Event) -> int:
    """Run it, unless it runs already. Returns an exit code."""
    lock = machine.Lock(NAME)
    if not lock.acquire(blocking=False):
        print(f"{name}: it runs already, in process {lock.owner.pid if lock.owner else '?'}", flush=True)
        return 75
    print(f"{name}: running", flush=True)
    running.set()
    go_on.wait()
    lock.release()
    return 0


running, go_on = machine.Event(), machine.Event()
first = os.fork()
if first == 0:
    os._exit(job("first", running, go_on))
running.wait()
second = os.fork()
if second == 0:
    os._exit(job("second", running, go_on))
print("second ended with", os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]))
go_on.set()
print("first ended with", os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))
