"""`interlock ps URL`: who holds what on an engine, and who waits. `interlock setup URL` makes a schema."""

import json
import sys
import time
from argparse import Namespace
from dataclasses import asdict
from typing import NoReturn

from interlock.cli.hold import BAD_USE, refuse
from interlock.cluster import Cluster, ClusterError, Seen, connect, cycles
from interlock.cluster.engine import Settings, make_engine, shown
from interlock.watch.words import duration

COLUMNS = ("NAME", "KIND", "USED", "HELD BY", "FOR", "LEASE LEFT", "WAITING", "TOKEN")
EVERY = 1.0  # seconds between two looks of --watch


def ps(request: Namespace) -> NoReturn:
    """Show it, once or again and again. Exits with 1 where --deadlocks found one."""
    found = False
    try:
        with connect(request.target, prefix=request.prefix, looks=True) as cluster:
            for warning in cluster.warnings():
                print(f"interlock: {shown(request.target)}: {warning}", file=sys.stderr)
            while True:
                found = show(cluster, request)
                if not request.watch:
                    break
                sys.stdout.flush()
                time.sleep(EVERY)
                print()
    except (ValueError, TypeError) as error:
        refuse(str(error), BAD_USE)
    except ClusterError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
    sys.exit(1 if found else 0)


def show(cluster: Cluster, request: Namespace) -> bool:
    seen = [each for each in cluster.ps(request.name or "") if in_use(each) or request.name]
    if request.deadlocks:
        return show_cycles(cluster.ps(), request)
    if request.json:
        print(json.dumps([asdict(each) for each in seen], indent=2))
    elif not seen:
        print(f"nothing is held or waited for on {cluster.url}, prefix {request.prefix!r}")
    else:
        print_table([COLUMNS, *(row for each in seen for row in rows(each))])
    return False


def in_use(record: Seen) -> bool:
    idle = record.capacity if record.kind == "latch" else 0
    return bool(record.used or record.waiters or record.holders or record.value != idle)


def rows(record: Seen) -> list[tuple[str, ...]]:
    """A line for a name, and one for each of its holders after the first."""
    used = {
        "event": "set" if record.value else "clear",
        "latch": f"{record.value} left",
        "barrier": ("open", "broken", "acting")[record.value] if record.kind == "barrier" else "",
        "condition": "",
        "semaphore": f"{record.used} of {record.capacity}",
        "rwlock": "written" if record.used > 2**30 else f"{record.used} read",
    }.get(record.kind, "held" if record.used else "free")
    waiting = str(len(record.waiters)) if record.waiters else ""
    first = (record.name, record.kind, used)
    if not record.holders:
        return [(*first, "", "", "", waiting, "")]
    made: list[tuple[str, ...]] = []
    for holder in record.holders:
        held_for = duration(int(max(0.0, time.time() - holder.since) * 1e9))
        cells = (str(holder), held_for, duration(int(holder.left * 1e9)), waiting, str(holder.token))
        made.append((*first, *cells))
        first, waiting = ("", "", ""), ""
    return made


def print_table(lines: list[tuple[str, ...]]) -> None:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_cycles(seen: list[Seen], request: Namespace) -> bool:
    found = cycles.find(seen)
    if request.json:
        print(json.dumps([[asdict(edge) for edge in cycle] for cycle in found], indent=2))
    elif not found:
        print("nobody waits in a cycle")
    for cycle in [] if request.json else found:
        print(f"{len(cycle)} parties wait for each other:")
        for edge in cycle:
            at = f" at {edge.waiter.where}" if edge.waiter.where else ""
            print(f"    {edge.waiter.thread} in {edge.waiter} waits for {edge.name!r}{at}")
            print(f"        held by {edge.holder.thread} in {edge.holder}")
    return bool(found)


def setup(request: Namespace) -> NoReturn:
    """Make what an engine needs, or print it."""
    try:
        engine = make_engine(Settings(request.target, "interlock"))
        text = getattr(engine, "text", None)
        if text is None:
            refuse(f"{engine.shown} needs no setup", BAD_USE)
        if request.print:
            print(text, end="")
        else:
            engine.install()  # type: ignore[attr-defined]
            print(f"{engine.shown}: schema interlock is there")
    except ValueError as error:
        refuse(str(error), BAD_USE)
    except (ClusterError, OSError) as error:
        refuse(str(error))
    except Exception as error:
        if type(error).__name__ != "Unreachable":
            raise
        refuse(f"{shown(request.target)} does not answer: {error}")
    sys.exit(0)
