"""What `interlock ps` prints: a table that fits the terminal, once or again and again.

In a pipe or a file nothing is left out or cut: programs read it. On a terminal no line is wrapped. The columns that
may be missing are left out first, then the widest texts are cut.
"""

import os
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EVERY = 1.0  # seconds between two looks of --watch
SHORTEST = 8  # cells that are left of a text that is cut
LONGEST = 32  # cells of a text that is no reason to leave out a column
GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """``right``: a number. ``drop``: the columns with the highest one are left out first, those with 0 never."""

    title: str
    right: bool = False
    drop: int = 0


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def printable(text: str) -> str:
    """Without what steers a terminal, and what it cannot show: others have chosen these names."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text.encode(encoding, "replace").decode(encoding)


def cut(text: str, width: int) -> str:
    """As much of it as fits."""
    if cells(text) <= width:
        return text
    while text and cells(text) >= width:
        text = text[:-1]
    mark = printable("…")
    return text + ("~" if mark == "?" else mark)[:width]


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """The lines of a table. ``width``: the cells of the terminal, None for no limit."""
    lines = [[column.title for column in columns], *([printable(cell) for cell in row] for row in rows)]
    shown = [i for i in range(len(columns)) if any(line[i] for line in lines[1:])] if rows else [*range(len(columns))]
    widths = [max(cells(line[i]) for line in lines) for i in range(len(columns))]
    if width is not None:
        least = [each if columns[i].right else min(each, SHORTEST) for i, each in enumerate(widths)]
        for i in sorted(shown, key=lambda i: -columns[i].drop):
            # A text is cut before a column is left out, but not to less than half of what may be legible.
            half = [max(least[k], -(-min(widths[k], LONGEST) // 2)) for k in shown if not columns[k].right]
            needed = sum(half) + sum(widths[k] for k in shown if columns[k].right) + len(GAP) * (len(shown) - 1)
            if needed <= width or not columns[i].drop:
                break
            shown.remove(i)
        texts = [i for i in shown if not columns[i].right]
        while sum(widths[i] for i in shown) + len(GAP) * (len(shown) - 1) > width:
            widest = max(texts, key=lambda i: widths[i] - least[i])
            if widths[widest] <= least[widest]:
                break
            widths[widest] -= 1
    made = []
    for line in lines:
        padded = []
        for i in shown:
            text = cut(line[i], widths[i])
            space = " " * (widths[i] - cells(text))
            padded.append(space + text if columns[i].right else text + space)
        whole = GAP.join(padded).rstrip()
        made.append(whole if width is None else cut(whole, width))
    return made


class Screen:
    """Where looks are printed, one after the other. On a terminal each takes the place of the one before."""

    def __init__(self, watch: bool) -> None:
        self.watch = watch
        self.terminal: bool = sys.stdout.isatty()
        self.redraws: bool = watch and self.terminal and os.environ.get("TERM", "dumb") != "dumb"
        self.looks = 0

    @property
    def width(self) -> int | None:
        """Asked each time: a terminal may be resized."""
        return shutil.get_terminal_size().columns if self.terminal else None

    def sentence(self, text: str) -> list[str]:
        """A text as lines that are not longer than the terminal, each but the first indented a little more."""
        text = printable(text)
        if self.width is None:
            return [text]
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        return textwrap.wrap(text, max(20, self.width), subsequent_indent=indent, drop_whitespace=True) or [""]

    def show(self, lines: Sequence[str]) -> None:
        """Print one look."""
        if self.redraws:
            size = shutil.get_terminal_size()
            room = max(2, size.lines - 1)
            if len(lines) > room:
                lines = [*lines[: room - 1], f"and {len(lines) - room + 1} more lines"]
            # From the top, each line to its end, and what is below it: nothing flickers.
            fitting = [cut(line, size.columns) for line in lines]
            sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in fitting) + "\x1b[J")
        else:
            if self.looks:
                print()
            for line in lines:
                print(line)
        self.looks += 1
        sys.stdout.flush()

    def run(self, look: Callable[[], Sequence[str]]) -> None:
        """Show what ``look`` returns, once or, with --watch, until Ctrl-C. Exits with 130 then."""
        try:
            while True:
                self.show(look())
                if not self.watch:
                    return
                time.sleep(EVERY)
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:
            # Nobody reads it any more. What is still in the buffer must not fail again at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
