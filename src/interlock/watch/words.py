"""How reports show numbers and names. `page/model.js` shows them alike: a change of one needs a change of the other."""

from collections.abc import Sequence

LABEL = 48  # characters; the numbers beside it should still fit on a terminal

_ASCII = str.maketrans({"×": "x", "µ": "u", "…": "~"})


def in_ascii(text: str) -> str:
    """A report for where it cannot be printed as it is. Names may still hold anything."""
    return text.translate(_ASCII)


def duration(nanoseconds: int) -> str:
    """Three digits, in the largest unit of which there is at least one."""
    for unit, size in ("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000):
        if nanoseconds >= size * 0.9995 or unit == "µs":
            break
    number = nanoseconds / size
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    # In whole numbers, halves up: what the page does with the same number comes out the same.
    scaled = (2 * nanoseconds * 10**digits + size) // (2 * size)
    whole, part = divmod(scaled, 10**digits)
    return f"{whole:,}.{part:0{digits}} {unit}" if digits else f"{whole:,} {unit}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def percent(part: int, whole: int) -> str:
    """`93%`; `<1%` for what is more than nothing."""
    if not part or not whole:
        return "0%"
    return f"{100 * part // whole}%" if 100 * part >= whole else "<1%"


def held_by(holder: str, part: str, others: int) -> str:
    """Who held something during a wait: `ann`, where ann alone did all the time, or `ann, 62% of it, and 5 others`."""
    if not others:
        return holder if part == "100%" else f"{holder}, {part} of it"
    return f"{holder}, {part} of it, and {count(others, 'other')}"


def legible(text: str, longest: int = LABEL, *, keep_end: bool = False) -> str:
    """On one line, of bearable length, and without the characters that steer a terminal."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    if len(text) <= longest:
        return text
    return "…" + text[1 - longest :] if keep_end else text[: longest - 1] + "…"


def aligned(table: Sequence[Sequence[str]], texts: int) -> list[str]:
    """The rows of a table as lines: its first ``texts`` columns to the left, the others, numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for cells in table:
        padded = [text.ljust(width) for text, width in zip(cells[:texts], widths, strict=False)]
        padded += [number.rjust(width) for number, width in zip(cells[texts:], widths[texts:], strict=True)]
        lines.append("  ".join(padded).rstrip())
    return lines
