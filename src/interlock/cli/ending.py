"""Say at the end of the process what its primitives did."""

import os
import sys

from interlock.cli.report import in_ascii, report
from interlock.core.probe import stop_counting


def tell(process: int, directory: str) -> None:
    """Print the report, in the process that was started and nowhere else: a forked child comes here, too.

    ``process``: the id of that process. ``directory``: to which paths are relative.
    """
    if os.getpid() != process:
        return
    tallies = stop_counting()
    try:
        _flush_output()
        # The real one, also where the program has put something else into `sys.stderr`.
        stderr = sys.__stderr__
        if stderr is not None:
            stderr.flush()
            text = report(tallies, directory, colour=stderr.isatty() and _may_colour())
            _write(stderr.fileno(), _encode(text, stderr.encoding))
    except (OSError, ValueError):
        return  # closed, or nobody reads it: nowhere to say anything
    except KeyboardInterrupt:
        return  # somebody does not want to wait for it


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
