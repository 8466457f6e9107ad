"""Schedules per second: two workers with five locked increments each, beside those peers that are installed.

python -m benchmarks.explore

frontrun, where it is installed, runs what is started by its own command only: so all of it is.
"""

import importlib
import importlib.util
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable

import interlock
from interlock.explore.explorer import Explorer

SCHEDULES = 1_000
ROUNDS = 3


def increments() -> None:
    lock = threading.Lock()
    box = [0]

    def work() -> None:
        for _ in range(5):
            with lock:
                box[0] += 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box[0] == 10


def ours(at: str) -> float:
    """Schedules per second."""
    explorer = Explorer(increments, at=at, strategy="walk")
    with explorer:
        began = time.perf_counter()
        found = explorer.search(SCHEDULES, None)
        return found.schedules / (time.perf_counter() - began)


class _State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n = 0

    def work(self) -> None:
        for _ in range(5):
            with self.lock:
                self.n += 1


def frontrun() -> float | None:
    """frontrun's random exploration, at bytecodes."""
    if importlib.util.find_spec("frontrun") is None:
        return None
    peer = importlib.import_module("frontrun")
    tries = 50
    began = time.perf_counter()
    peer.explore(
        _State, _State.work, lambda state: state.n == 10, count=2, strategy="random", max_attempts=tries
    )  # fmt: skip
    return tries / (time.perf_counter() - began)


def main() -> None:
    if importlib.util.find_spec("frontrun") is not None and "FRONTRUN_ACTIVE" not in os.environ:
        os.execv(sys.executable, [sys.executable, "-m", "frontrun.cli", sys.executable, "-m", "benchmarks.explore"])
    rows: dict[str, Callable[[], float | None]] = {
        "interlock sync": lambda: ours("sync"),
        "interlock lines": lambda: ours("lines"),
        "interlock bytecodes": lambda: ours("bytecodes"),
        "frontrun": frontrun,
    }
    figures: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, measure in rows.items():
            figure = measure()
            if figure is not None:
                figures[name].append(figure)
    print(f"interlock {interlock.__version__}: schedules per second, median of {ROUNDS}")
    for name, found in figures.items():
        print(f"  {name:<22} {statistics.median(found):>10,.0f}" if found else f"  {name:<22} not installed")


if __name__ == "__main__":
    main()
