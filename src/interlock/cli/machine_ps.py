"""`interlock ps` without a URL: who holds what on this machine, and who waits. `interlock clean`."""

import json
import os
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from interlock.cli.hold import BAD_USE, refuse
from interlock.cli.screen import Column, Screen, table
from interlock.machine.files import folder
from interlock.machine.kernel import LAYOUT, Died, Party, clear_arena, seen
from interlock.machine.tasks import clear_mail
from interlock.watch.words import duration

COLUMNS = (
    Column("NAME"),
    Column("KIND"),
    Column("VALUE"),
    Column("WHO"),
    Column("THREAD", drop=2),
    Column("STATE"),
    Column("FOR", right=True, drop=1),
)


def ps_machine(request: Namespace) -> NoReturn:
    """Show it, once or again and again."""
    if request.name is not None:
        refuse(f"{request.target!r} is not the URL of an engine; without one, interlock ps takes one NAME", BAD_USE)
    if request.deadlocks:
        refuse("--deadlocks needs the URL of an engine. Without one, see who waits for what: interlock ps", BAD_USE)
    name = request.target
    screen = Screen(request.watch)

    def look() -> list[str]:
        records = [record for record in seen() if name is None or record["name"] == name]
        if request.json:
            return [as_json(records)]
        if name is not None and not records:
            return [f"nothing named {name!r} is open on this machine"]
        return as_text(records, screen.width)

    try:
        screen.run(look)
    except OSError as error:
        refuse(str(error))
    sys.exit(0)


def as_json(records: list[dict[str, Any]]) -> str:
    def plain(value: object) -> object:
        if isinstance(value, (Party, Died)):
            return value._asdict()
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value

    return json.dumps([{key: plain(value) for key, value in record.items()} for record in records], indent=2)


def as_text(records: list[dict[str, Any]], width: int | None) -> list[str]:
    rows = [row for record in records for row in rows_of(record)]
    return table(COLUMNS, rows, width) if rows else ["nothing of interlock.machine is open on this machine"]


def rows_of(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line for each that holds or waits; one for what nobody does."""
    name = record["name"] or f"#{record['number']}"
    value = "" if record["value"] is None else str(record["value"])
    if record["abandoned"] is not None:
        value = f"abandoned by {record['abandoned'].pid}"
    made = [
        *(party(holder, "holds") for holder in record["holders"]),
        *(party(waiter, "waits") for waiter in record["waiters"]),
    ]
    first = (name, record["kind"], value)
    return [(first if i == 0 else ("", "", "")) + row for i, row in enumerate(made or [("", "", "", "")])]


def party(who: Party, state: str) -> tuple[str, ...]:
    # How long a hold lasts is not kept.
    held = "" if who.since is None else duration(int(max(0.0, time.monotonic() - who.since) * 1e9))
    return (f"{who.program}[{who.pid}]", who.thread, state, held)


def users(path: str) -> list[int]:
    """The processes that have mapped it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if f" {path}\n" in (entry / "maps").read_text(errors="replace"):
                    found.append(int(entry.name))
    return found


def clean(request: Namespace) -> NoReturn:
    """Remove the arena, unless somebody uses it, and what dead processes have left beside it."""
    within = folder()
    path = os.path.join(within, f"arena.{LAYOUT}")
    busy = users(path)
    if busy:
        refuse(f"{path} is in use by {', '.join(map(str, busy))}")
    try:
        if clear_arena(path):
            print(f"removed {path}")
    except OSError as error:
        refuse(str(error))
    clear_mail(within)
    sys.exit(0)
