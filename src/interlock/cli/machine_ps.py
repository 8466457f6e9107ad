"""`interlock ps` without a URL: who holds what on this machine, and who waits. `interlock clean`."""

import json
import os
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from interlock.cli.hold import refuse
from interlock.machine.files import folder
from interlock.machine.kernel import LAYOUT, Died, Party, clear_arena, seen
from interlock.machine.tasks import clear_mail

COLUMNS = ("NAME", "KIND", "VALUE", "HELD BY", "WAITING", "FOR")
EVERY = 1.0  # seconds between two looks of --watch


def ps_machine(request: Namespace) -> NoReturn:
    """Show it, once or again and again."""
    name = request.target
    try:
        while True:
            records = [record for record in seen() if name is None or record["name"] == name]
            print(as_json(records) if request.json else as_text(records))
            if not request.watch:
                break
            sys.stdout.flush()
            time.sleep(EVERY)
    except OSError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def as_json(records: list[dict[str, Any]]) -> str:
    def plain(value: object) -> object:
        if isinstance(value, (Party, Died)):
            return value._asdict()
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value

    return json.dumps([{key: plain(value) for key, value in record.items()} for record in records], indent=2)


def as_text(records: list[dict[str, Any]]) -> str:
    rows = [COLUMNS]
    for record in records:
        name = record["name"] or f"#{record['number']}"
        value = "" if record["value"] is None else str(record["value"])
        if record["abandoned"] is not None:
            value = f"abandoned by {record['abandoned'].pid}"
        holders = [str(party) for party in record["holders"]] or [""]
        waiters = [(str(party), age(party)) for party in record["waiters"]] or [("", "")]
        for line in range(max(len(holders), len(waiters))):
            waiter, since = waiters[line] if line < len(waiters) else ("", "")
            first = (name, record["kind"], value) if line == 0 else ("", "", "")
            rows.append((*first, holders[line] if line < len(holders) else "", waiter, since))
    if len(rows) == 1:
        return "nothing of interlock.machine is open on this machine"
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def age(party: Party) -> str:
    return "" if party.since is None else f"{max(0.0, time.monotonic() - party.since):.1f} s"


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
        clear_mail(within)
        refuse(f"{path} is in use by {', '.join(map(str, busy))}")
    try:
        if clear_arena(path):
            print(f"removed {path}")
    except OSError as error:
        refuse(str(error))
    clear_mail(within)
    sys.exit(0)
