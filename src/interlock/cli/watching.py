"""Say at once what a program under `interlock run` is about to regret, and on Ctrl-\\ who waits for what.

What reads and words all that is imported when there is something to say: see `cli/__init__.py`.
"""

import os
import signal
import sys

from interlock.cli.ending import Ending
from interlock.cli.voice import Voice
from interlock.core.graph.waitgraph import judge_waits
from interlock.core.kernel.private import asker_for_running_loop
from interlock.watch import cured, ended
from interlock.watch.order import OrderWatch
from interlock.watch.stall import STALLED, Stalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def _judge() -> None:
    """Imported when a loop of asyncio's runs in the thread that is about to wait."""
    events = sys.modules.get("asyncio.events")
    if events is not None and asker_for_running_loop(events)() is not None:
        from interlock.watch.waits.judge import judge

        judge()


def _end_by_deadlock() -> None:
    """asyncio goes on where a callback has ended by a DeadlockError. Who wants stalls to end the program wants that
    to end it, as it would outside of a loop: asyncio lets this exception through."""
    raise SystemExit(1)


class LateDumper:
    """The handler of SIGQUIT: a `Dumper` that is imported when the first one comes."""

    harmless_to_waits = True  # as that one is

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def __call__(self, number: int, frame: "FrameType | None") -> None:
        from interlock.watch.dump import Dumper

        dumper = Dumper(self._voice.say)
        signal.signal(number, dumper)
        dumper(number, None)


def start_watching(longest: float | None, on_stall: str, voice: Voice, ending: Ending) -> None:
    """Watch the order of locks, stalls, and the keyboard.

    ``longest``: seconds that a single wait may last. ``on_stall``: "report", or "exit" to end the process.
    """
    leave = os._exit if ending.leave is None else ending.leave

    def found(text: str, is_stall: bool) -> None:
        voice.say(f"\n{text}")
        if is_stall and on_stall == "exit":
            ending.tell()
            leave(STALLED)

    def tell(text: str) -> None:
        voice.say(f"interlock: {text}\n")

    OrderWatch(tell)
    cured.start(tell)
    ended.watch(_end_by_deadlock if on_stall == "exit" else None)
    judge_waits(_judge)
    live = ending.outputs.live
    Stalls(longest, found, None if live is None else live.save).start()
    quit_signal = getattr(signal, "SIGQUIT", None)
    # Where it is ignored, somebody (nohup, a shell's background) did not want it to reach the program.
    if quit_signal is not None and signal.getsignal(quit_signal) == signal.SIG_DFL:
        try:
            signal.signal(quit_signal, LateDumper(voice))
        except ValueError:
            print("interlock: not in the main thread: no dump on Ctrl-\\", file=sys.stderr)
