"""All figures, in parts. Each part is measured in a process of its own, with no library in it that it does not measure.

python -m benchmarks.matrix PART ROUNDS SECONDS [WORDS …]    # one figure in JSON on each line, as they are done
"""

import importlib
import json
import sys
from typing import Any

from benchmarks.figures import Figure, in_turn, wanted
from benchmarks.libraries import installed
from benchmarks.loops import Asyncio, Trio

# Name: (module, its function, arguments, the library that it is all about).
PARTS: dict[str, tuple[str, str, tuple[Any, ...], str]] = {
    "single operations of threads": ("single", "figures_of", ("thread", ""), "interlock"),
    "single operations of asyncio tasks": ("single", "figures_of", ("asyncio task",), "asyncio"),
    "single operations of trio tasks": ("single", "figures_of", ("trio task",), "trio"),
    "threads": ("threads", "figures", (), "interlock"),
    "asyncio tasks": ("tasks", "figures", (Asyncio(),), "asyncio"),
    "trio tasks": ("tasks", "figures", (Trio(),), "trio"),
    "threads and tasks": ("mixed", "figures", (), "asyncio"),
    "queues": ("queues", "figures", (), "asyncio"),
    "growth": ("growth", "figures", (), "asyncio"),
    "costs": ("costs", "figures", (), "interlock"),
    "whole programs": ("programs", "figures", (), "interlock"),
}
SINGLE = tuple(part for part in PARTS if part.startswith("single"))


def figures(part: str) -> list[Figure]:
    module, function, arguments, library = PARTS[part]
    if not installed(library):
        return []
    made: list[Figure] = getattr(importlib.import_module(f"benchmarks.{module}"), function)(*arguments)
    return [figure for figure in made if figure.measures]


def plain(figure: Figure) -> dict[str, Any]:
    """Without what measures it."""
    return {name: value for name, value in vars(figure).items() if name not in ("measures", "count", "long")}


def restored(fields: dict[str, Any]) -> Figure:
    return Figure(measures={}, **fields)


def main(arguments: list[str]) -> None:
    part, rounds, seconds, *words = arguments
    for figure in figures(part):
        if wanted(figure.name, words):
            in_turn(figure, int(rounds), float(seconds))
            print(json.dumps(plain(figure)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
