"""Say at once what a program under `interlock run` is about to regret, and on Ctrl-\\ who waits for what.

What reads and words all that is imported when there is something to say: see `cli/__init__.py`.
"""

import os
import signal
import sys
from collections.abc import Callable

from interlock.cli.ending import write_to_stderr
from interlock.core.graph.waitgraph import judge_waits
from interlock.watch import ended
from interlock.watch.order import OrderWatch
from interlock.watch.stall import STALLED, Stalls


def _judge() -> None:
    """Imported when a loop of asyncio's runs in the thread that is about to wait."""
    events = sys.modules.get("asyncio.events")
    if events is not None and events._get_running_loop() is not None:
        from interlock.watch.waits.judge import judge

        judge()


class LateDumper:
    """The handler of SIGQUIT: a `Dumper` that is imported when the first one comes."""

    harmless_to_waits = True  # as that one is

    def __call__(self, number: int, frame: object) -> None:
        from interlock.watch.dump import Dumper

        dumper = Dumper(write_to_stderr)
        signal.signal(number, dumper)
        dumper(number, None)


def start_watching(longest: float | None, on_stall: str, tell: Callable[[], None]) -> None:
    """Watch the order of locks, stalls, and the keyboard.

    ``longest``: seconds that a single wait may last. ``on_stall``: "report", or "exit" to end the process. ``tell``:
    prints the report of the run.
    """

    def found(text: str, is_stall: bool) -> None:
        write_to_stderr(f"\n{text}")
        if is_stall and on_stall == "exit":
            tell()
            os._exit(STALLED)

    OrderWatch(lambda text: write_to_stderr(f"interlock: {text}\n"))
    Stalls(longest, found).start()
    ended.watch()
    judge_waits(_judge)
    quit_signal = getattr(signal, "SIGQUIT", None)
    # Where it is ignored, somebody (nohup, a shell's background) did not want it to reach the program.
    if quit_signal is not None and signal.getsignal(quit_signal) == signal.SIG_DFL:
        try:
            signal.signal(quit_signal, LateDumper())
        except ValueError:
            print("interlock: not in the main thread: no dump on Ctrl-\\", file=sys.stderr)
