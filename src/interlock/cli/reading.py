"""`interlock report`: read a recording again, and show it or turn it into something else.

Nothing of the user's runs in this process, so what helps to show things may be imported.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TextIO, TypeVar

from interlock.watch.document import document
from interlock.watch.files import Replaced
from interlock.watch.perfetto import trace
from interlock.watch.recording import BadRecording, Recording, is_older_than_left
from interlock.watch.summary import Summary, Table
from interlock.watch.words import in_ascii

if TYPE_CHECKING:
    from rich.table import Table as RichTable

T = TypeVar("T")

_READABLE = 24  # characters of a name or a line, of those that are so long
_GAP = 2  # characters between two columns


class ReportRequest:
    """What the user asked for: ``file`` (a recording), ``json`` (the summary as JSON), ``internals`` (with
    what the standard library made for itself), ``perfetto`` and ``timeline``
    (files to make of it, or None)."""

    def __init__(self) -> None:
        self.file = ""
        self.json = False
        self.internals = False
        self.perfetto: str | None = None
        self.timeline: str | None = None


def show_report(request: ReportRequest) -> None:
    """Do what was asked for. Exits with 1 and one line on stderr where a file cannot be read or written."""
    progress = Progress(sys.stderr)
    try:
        recording = Recording.load(request.file)
        if not recording.unfinished and is_older_than_left(request.file):
            print(
                f"interlock: {request.file}: a later run has not written it, or not yet: this is the run before it",
                file=sys.stderr,
            )
        summary = Summary(recording, progress, request.internals)
        progress.clear()
        if request.perfetto is not None:
            write_perfetto(summary, request.perfetto)
            print(f"Wrote {request.perfetto}: open it in ui.perfetto.dev", file=sys.stderr)
        if request.timeline is not None:
            write_timeline(summary, request.timeline)
            print(f"Wrote {request.timeline}: open it in a browser", file=sys.stderr)
        if request.json:
            print(json.dumps(summary.data(), indent=2))
        elif request.perfetto is None and request.timeline is None:
            show(summary, sys.stdout)
        sys.stdout.flush()
        if recording.damage:
            _fail(f"{request.file}: {recording.damage}")
    except BadRecording as error:
        _fail(str(error))
    except BrokenPipeError:
        # Nobody reads on: python would say so once more when it flushes for the last time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _fail(f"{name}{error.strerror or error}")


def write_perfetto(summary: Summary, file: str) -> None:
    with Replaced(file) as out:
        for part in json.JSONEncoder(separators=(",", ":")).iterencode(trace(summary)):
            out.write(part.encode("ascii"))


def write_timeline(summary: Summary, file: str) -> None:
    # Not before it is wanted: the page is a good part of the package.
    from interlock.watch.timeline import render

    text = render(document(summary))
    with Replaced(file) as out:
        out.write(text.encode("utf-8"))


def show(summary: Summary, out: TextIO) -> None:
    """Print a summary: as `rich` draws it on a terminal, where that is installed, and as plain text elsewhere."""
    if out.isatty() and _show_rich(summary, out):
        return
    text = summary.text()
    try:
        text.encode(out.encoding)
    except UnicodeEncodeError:
        text = in_ascii(text).encode(out.encoding, "backslashreplace").decode(out.encoding)
    out.write(text)


def _show_rich(summary: Summary, out: TextIO) -> bool:
    try:
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text
    except ImportError:
        return False
    console = Console(file=out, highlight=False)
    console.print(Text(summary.heading(), style="bold"))
    for line in summary.incomplete():
        console.print(Text(line, style="bold"))
    console.print()
    for number, finding in enumerate(summary.findings, 1):
        console.print(Text(f"{number}. {finding.sentence}", style="yellow" if number == 1 else ""))
    if not summary.findings:
        console.print(summary.without_findings())
    for whole in summary.tables():
        if whole.rows:
            table, left_out = _fitted(whole, console.width)
            console.print()
            console.print(_drawn(table, RichTable))
            for line in table.more:
                console.print(line)
            if left_out:
                console.print(Text(f"Not shown, for want of width: {', '.join(left_out)}.", style="dim"))
    for line in summary.ended():
        console.print(Text(line))
    console.print()
    for remark in summary.remarks():
        console.print(Text(remark, style="dim"))
    return True


def _fitted(table: Table, width: int) -> tuple[Table, list[str]]:
    """A table that leaves enough room for what its rows are about, and the titles of the columns left out for that."""
    widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
    texts = sum(min(needed, _READABLE) for needed in widths[: table.texts])
    number = len(table.heads)
    while number > table.texts + 1 and texts + sum(widths[table.texts : number]) + _GAP * (number - 1) > width:
        number -= 1
    rows = [row[:number] for row in table.rows]
    return table._replace(heads=table.heads[:number], rows=rows), list(table.heads[number:])


def _drawn(table: Table, kind: "type[RichTable]") -> "RichTable":
    from rich import box
    from rich.text import Text

    drawn = kind(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, _GAP - 1, 0, 0),  # and one character of the box
        pad_edge=False,
        show_edge=False,
    )
    for number, (head, *cells) in enumerate(zip(table.heads, *table.rows, strict=True)):
        is_text = number < table.texts
        least = min(max(map(len, [head, *cells])), _READABLE) if is_text else None
        justify: Literal["left", "right"] = "left" if is_text else "right"
        drawn.add_column(head, justify=justify, no_wrap=not is_text, overflow="fold", min_width=least)
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn


class Progress:
    """A line that says how far things are, on a terminal, once they have taken a second."""

    def __init__(self, out: TextIO | None) -> None:
        self.out: TextIO | None = out if out is not None and out.isatty() else None
        self.began: float = time.monotonic()
        self.shown: int = 0

    def __call__(self, what: str, things: Iterable[T], number: int) -> Iterable[T]:
        return things if self.out is None else self._watch(self.out, what, things, number)

    def _watch(self, out: TextIO, what: str, things: Iterable[T], number: int) -> Iterator[T]:
        for done, thing in enumerate(things):
            if done % 16_384 == 0 and time.monotonic() - self.began > 1:
                line = f"{what}: {100 * done // number}%"
                out.write("\r" + line.ljust(self.shown))
                out.flush()
                self.shown = len(line)
            yield thing

    def clear(self) -> None:
        if self.out is not None and self.shown:
            self.out.write("\r" + " " * self.shown + "\r")
            self.out.flush()
            self.shown = 0


def _fail(message: str) -> None:
    print(f"interlock: {message}", file=sys.stderr)
    sys.exit(1)
