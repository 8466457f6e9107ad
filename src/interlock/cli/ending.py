"""Say at the end of the process what its primitives did, and write down what was recorded.

What that takes beyond a few numbers is imported here and now, when the program is over: as though the program had never
been, which must not be able to put a module of its own in the way.
"""

import os
import sys

from interlock.cli.report import report
from interlock.core.kernel.probe import Tally, stop_counting
from interlock.watch.words import count, in_ascii


class Outputs:
    """The files that the user wants.

    ``record`` and ``timeline``: their names, or None. ``path``: where python looks for modules. ``interrupted``: the
    program was ended by Ctrl-C. Exits where one of the files cannot be written: better now than when the program has
    run.
    """

    def __init__(self, record: str | None, timeline: str | None, path: list[str]) -> None:
        self.path = path
        self.record = record and _opened(record)
        self.timeline = timeline and _opened(timeline)
        self.wanted = record is not None or timeline is not None
        self.title = ""
        self.interrupted = False
        self._token: object = None

    def start(self, title: str) -> None:
        """Begin to record."""
        from interlock.core.record.recorder import start_recording

        self.title = title
        self._token = start_recording()

    def write(self, directory: str) -> list[str]:
        """Stop recording and write the files. Returns what to say about it, in lines. Raises OSError."""
        from interlock.core.record.recorder import stop_recording

        taken = stop_recording(self._token)
        from interlock.watch.names import Names
        from interlock.watch.recording import Recording, fill

        recording = Recording(self.title)
        fill(recording, taken, Names(directory))
        events = count(len(recording), "event") + (f", {recording.dropped:,} dropped" if recording.dropped else "")
        lines = []
        if self.record is not None:
            recording.save(self.record)
            lines.append(f"Recorded {events} in {self.record}: interlock report {self.record}")
        if self.timeline is not None:
            from interlock.cli.reading import write_timeline
            from interlock.watch.summary import Summary

            write_timeline(Summary(recording), self.timeline)
            lines.append(f"Timeline of {events} in {self.timeline}: open it in a browser")
        return lines


def _opened(file: str) -> str:
    """The file's full name, since the program may change its directory. It is there and empty now."""
    try:
        file = os.path.abspath(file)
        with open(file, "wb"):
            return file
    except OSError as error:
        print(f"interlock: cannot write {file}: {error.strerror}", file=sys.stderr)
        sys.exit(2)


def tell(process: int, directory: str, outputs: Outputs, quiet: bool) -> None:
    """Print the report and write the files, in the process that was started and nowhere else: a forked child comes
    here, too.

    ``process``: the id of that process. ``directory``: to which paths are relative. ``quiet``: print nothing.
    """
    if os.getpid() != process:
        return
    sys.path[:] = outputs.path
    said = []
    try:
        if outputs.wanted:
            try:
                said = outputs.write(directory)
            except Exception as error:
                # Whatever it is, the program's own end is to be as it would have been.
                quiet = False
                said = [f"interlock: could not write what was recorded: {error}"]
        if quiet:
            return
        tallies = stop_counting()
        _flush_output()
        # The real one, also where the program has put something else into `sys.stderr`.
        stderr = sys.__stderr__
        if stderr is not None:
            stderr.flush()
            text = _text(tallies, directory, stderr.isatty() and _may_colour())
            text += "".join(f"\n{line}" for line in said) + "\n" if said else ""
            _write(stderr.fileno(), _encode(text, stderr.encoding))
    except (OSError, ValueError):
        return  # closed, or nobody reads it: nowhere to say anything
    except KeyboardInterrupt:
        return  # somebody does not want to wait for it
    finally:
        if outputs.wanted and outputs.interrupted:
            _remember_interrupt()


def _remember_interrupt() -> None:
    """The interpreter kills itself by SIGINT where the last string that it evaluated was interrupted; what we have
    imported has evaluated others since."""
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return


def _text(tallies: list[Tally], directory: str, colour: bool) -> str:
    try:
        from interlock.watch.names import Names, called

        names = Names(directory)
        return report(tallies, directory, colour=colour, called=lambda tally: called(tally, names))
    except Exception:
        # The program has a module of its own where we need python's: the lines that made the primitives will do.
        return report(tallies, directory, colour=colour)


def write_to_stderr(text: str) -> None:
    """Print at once, past the program's buffers and whatever it has put into `sys.stderr`. Never raises."""
    try:
        stderr = sys.__stderr__
        if stderr is not None:
            _write(stderr.fileno(), _encode(text, stderr.encoding))
    except (OSError, ValueError):
        return  # closed, or nobody reads it


def _flush_output() -> None:
    """What the program printed comes first; python flushes it after us."""
    try:
        sys.stdout.flush()
    except Exception:
        return  # python tries again, and says it


def _may_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return in_ascii(text).encode(encoding, "backslashreplace")


def _write(descriptor: int, data: bytes) -> None:
    # Past the buffers: what could not be written would stay there, fail again when python flushes them for the last
    # time, and change the exit code.
    while data:
        data = data[os.write(descriptor, data) :]
