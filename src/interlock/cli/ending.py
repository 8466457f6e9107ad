"""Say at the end of the process what its primitives did, and write down what was recorded.

The end may come in several ways, and each of them comes here once:

    the last line, `sys.exit`, an exception, Ctrl-C     `atexit`
    `os._exit`, from any thread                         in front of it
    a signal that ends a process by default             a handler, which then lets it end the process
    a stall, with ``--on-stall=exit``                   the watcher

SIGKILL and a crash come in no way: what was recorded until shortly before is in the file beside (`watch/live.py`).

What it takes to say more than a few numbers is imported here and now, when the program is over: as though the program
had never been, which must not be able to put a module of its own in the way.
"""

import _thread
import os
import signal
import sys
import threading

from interlock.cli.outside import Outside
from interlock.cli.repeats import Repeats
from interlock.cli.report import report
from interlock.cli.voice import Voice
from interlock.core.kernel.probe import Tally, stop_counting
from interlock.watch.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

    from interlock.watch.live import LiveFile
    from interlock.watch.recording import Ended
    from interlock.watch.still import StillWaiting

# By which people and their tools end a program that has not said what it would do then. Not SIGALRM: a handler runs
# between two lines of Python, and an alarm is set against what does not come back to them.
_ENDING = ("SIGTERM", "SIGHUP")


class Outputs:
    """The files that the user wants.

    ``record`` and ``timeline``: their names, or None. ``events``: how many to keep, None for the usual number.
    ``path``: where python looks for modules. ``internals``: show what the standard library made for itself.
    ``interrupted``: the program was ended by Ctrl-C. Exits where one of the
    files cannot be written: better now than when the program has run.
    """

    def __init__(
        self, record: str | None, timeline: str | None, events: int | None, path: list[str], internals: bool = False
    ) -> None:
        self.internals = internals
        self.path = path
        self.record: str | None = record and _checked(record)
        self.timeline: str | None = timeline and _checked(timeline)
        self.events: int = events or 1_000_000
        self.wanted: bool = record is not None or timeline is not None
        self.title: str = ""
        self.interrupted = False
        self.live: LiveFile | None = None
        self._token: object = None

    def preload(self) -> None:
        """Load what it takes to begin, while python looks for modules where it always does."""
        if self.record is not None:
            before = "zlib" in sys.modules

            if not before:
                del sys.modules["zlib"]  # the program may have one of its own

    def start(self, title: str, directory: str) -> None:
        """Begin to record."""
        from interlock.core.record.recorder import start_recording
        from interlock.watch import awaits, jobs

        self.title = title
        self._token = start_recording(self.events)
        jobs.watch()
        awaits.watch()
        if self.record is not None:
            from interlock.watch.live import LiveFile

            self.live = LiveFile.begin(self.record, title, directory, self.events)

    def give_up(self) -> None:
        """Nothing has run: leave no file behind."""
        if self.live is not None:
            self.live.remove()

    def write(self, directory: str) -> list[str]:
        """Stop recording and write the files. Returns what to say about it, in lines."""
        from interlock.core.record.recorder import stop_recording

        taken = stop_recording(self._token)
        from interlock.watch.names import Names
        from interlock.watch.recording import Recording, fill

        recording = Recording(self.title)
        fill(recording, taken, Names(directory))
        recording.ended = _ended_parties()
        events = count(len(recording), "event") + (f", {recording.dropped:,} dropped" if recording.dropped else "")
        lines = []
        if self.record is not None:
            try:
                recording.save(self.record)
                lines.append(f"Recorded {events} in {self.record}: interlock report {self.record}")
            except OSError as error:
                lines.append(f"interlock: could not write {self.record}: {error.strerror or error}")
            else:
                if self.live is not None:
                    self.live.remove()
        if self.timeline is not None:
            from interlock.cli.reading import write_timeline
            from interlock.watch.summary import Summary

            try:
                write_timeline(Summary(recording, internals=self.internals), self.timeline)
                lines.append(f"Timeline of {events} in {self.timeline}: open it in a browser")
            except OSError as error:
                lines.append(f"interlock: could not write {self.timeline}: {error.strerror or error}")
        return lines


def _checked(file: str) -> str:
    """The file's full name, since the program may change its directory."""
    from interlock.watch.files import check_writable

    try:
        file = os.path.abspath(file)
        check_writable(file)
        return file
    except OSError as error:
        print(f"interlock: cannot write {file}: {error.strerror}", file=sys.stderr)
        sys.exit(2)


class Ending:
    """Tells how it was, once, in the process that was started and nowhere else: a forked child comes here, too.

    ``directory``: to which paths are relative. ``quiet``: write the files and print nothing but what went wrong.
    """

    harmless_to_waits = True  # as the handler of a signal, see core/waitgraph.py

    def __init__(self, voice: Voice, directory: str, outputs: Outputs, outside: Outside, quiet: bool) -> None:
        self.voice = voice
        self.outside = outside
        self.directory = directory
        self.outputs = outputs
        self.quiet = quiet
        self.repeats: Repeats = Repeats()
        self.leave: Callable[[int], NoReturn] | None = None  # python's own `os._exit`, where ours stands before it
        self._guard = _thread.RLock()  # a signal may come while its own thread is here
        self._told = False
        self._telling = False
        self._signal = 0
        self._signals: set[int] = set()
        self._masks: dict[int, set[int]] = {}  # of each thread that is forking, the signals that it held back before

    def meet_signals(self) -> None:
        """Tell before a signal ends the process, where that is what it would do."""
        if not self.quiet or self.outputs.wanted:
            for name in _ENDING:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                    try:
                        signal.signal(number, self)
                    except ValueError:
                        return  # not in the main thread: it ends as it would without us
                    self._signals.add(number)
            if self._signals and hasattr(os, "register_at_fork"):
                os.register_at_fork(
                    before=self._hold_signals, after_in_parent=self._let_signals, after_in_child=self._leave_signals
                )

    def meet_exit(self) -> None:
        """Tell before `os._exit`."""
        leave = self.leave = os._exit

        def _exit(status: int) -> "NoReturn":
            """Exit to the system with specified status, without normal exit processing."""
            # As it flushes nothing of the program's, nor do we: another thread may be in the middle of that.
            self.tell(flush=False)
            leave(status)

        os._exit = _exit

    def __call__(self, number: int, frame: "FrameType | None") -> None:
        """The handler of a signal."""
        if os.getpid() == self.voice.process and not self._signal:
            self._signal = number
            self.tell(flush=False)
            if self._telling:
                return  # this very thread is in the middle of it, and goes on
        self._die(number)

    def _die(self, number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # A child has nothing to tell, and dies at once. Python forgets a signal that comes before the child is set up and
    # that has a handler, so until then the system keeps them.

    def _hold_signals(self) -> None:
        self._masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)

    def _let_signals(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(_thread.get_ident()))

    def _leave_signals(self) -> None:
        for number in self._signals:
            if signal.getsignal(number) is self:
                signal.signal(number, signal.SIG_DFL)
        self._let_signals()

    def tell(self, flush: bool = True) -> None:
        """Print the report and write the files. ``flush``: let what the program printed come first."""
        if os.getpid() != self.voice.process:
            return
        with self._guard:
            if self._told:
                return
            self._told = self._telling = True
            try:
                self._tell(flush)
            except KeyboardInterrupt:
                pass  # somebody does not want to wait for it
            finally:
                self._telling = False
                if self.outputs.wanted and self.outputs.interrupted:
                    _remember_interrupt()
        # Where the signal came while another thread told, its handler goes on in the main thread.
        if self._signal and flush and threading.current_thread() is threading.main_thread():
            self._die(self._signal)

    def _tell(self, flush: bool) -> None:
        sys.path[:] = self.outputs.path
        still = _still_waiting(self.directory)
        said: list[str] = []
        complaints = []
        if self.outputs.wanted:
            try:
                said = self.outputs.write(self.directory)
            except Exception as error:
                # Whatever it is, the program's own end is to be as it would have been.
                said = [f"interlock: could not write what was recorded: {error}"]
            complaints = [line for line in said if line.startswith("interlock: ")]
        for wait in still:
            wait.count()
        tallies = stop_counting()
        if flush:
            _flush_output()
        if self.quiet:
            text = "".join(f"{line}\n" for line in complaints)
        else:
            text = self._text(tallies, still)
            text += "".join(f"\n{line}" for line in said) + "\n" if said else ""
        self.voice.say(text)

    def _text(self, tallies: list[Tally], still: "list[StillWaiting]") -> str:
        settings: dict[str, Any] = {
            "colour": self.voice.may_colour(),
            "still": still,
            "ended": _ended(bool(still)),
            "unseen": [*self.repeats.sentences(self.directory), *_unseen(self.outside)],
        }
        try:
            from interlock.watch.names import Names, called, is_future, is_internal

            names = Names(self.directory)
            settings |= {
                "of_library": lambda tally: is_internal(tally.maker),
                "of_future": lambda tally: is_future(tally.maker),
                "internals": self.outputs.internals,
            }
            return report(tallies, self.directory, called=lambda tally: called(tally, names), **settings)
        except Exception:
            # The program has a module of its own where we need python's: the lines that made the primitives will do.
            plain = {name: settings[name] for name in ("colour", "still", "ended", "unseen")}
            return report(tallies, self.directory, **plain)


def _still_waiting(directory: str) -> "list[StillWaiting]":
    try:
        from interlock.watch.still import still_waiting

        return still_waiting(directory)
    except Exception:
        return []  # likewise


def _ended_parties() -> "list[Ended]":
    try:
        from interlock.watch import ended
        from interlock.watch.dump import past_of
        from interlock.watch.recording import Ended

        ended.look_for_tasks()
        return [
            Ended(each.name, "task" if each.is_task else "thread", each.what, str(each.place or ""), past_of(each))
            for each in ended.parties()
        ]
    except Exception:
        return []  # likewise


def _ended(with_main: bool) -> list[str]:
    """``with_main``: also the main thread, of which python has said so: others wait still."""
    try:
        from interlock.watch import ended

        ended.look_for_tasks()
        parties = [each for each in ended.parties() if with_main or not each.is_main]
        if not parties:
            return []
        from interlock.watch.dump import ENDED, told_of

        return [ENDED, *told_of(parties, 4)]
    except Exception:
        return []  # likewise


def _unseen(outside: Outside) -> list[str]:
    try:
        from interlock.watch.unseen import unseen

        return unseen(outside)
    except Exception:
        return []  # likewise


def _remember_interrupt() -> None:
    """The interpreter kills itself by SIGINT where the last string that it evaluated was interrupted; what we have
    imported has evaluated others since."""
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return


def _flush_output() -> None:
    """What the program printed comes first; python flushes it after us."""
    for stream in sys.stdout, sys.__stderr__:
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:
            continue  # python tries again, and says it
