"""`interlock ps URL`: who holds what on an engine, and who waits. `interlock setup URL` makes a schema."""

import json
import logging
import sys
from argparse import Namespace
from dataclasses import asdict
from typing import NoReturn

from interlock.cli.hold import BAD_USE, refuse
from interlock.cli.screen import EVERY, Column, Screen, table
from interlock.cluster import Cluster, ClusterError, EngineUnavailable, Remote, Seen, connect, cycles
from interlock.cluster.engine import ALL, Settings, make_engine, shown
from interlock.watch.words import count, duration

COLUMNS = (
    Column("NAME"),
    Column("KIND"),
    Column("WHO"),
    Column("HOST", drop=2),
    Column("STATE"),
    Column("FOR", right=True, drop=1),
    Column("LEASE LEFT", right=True, drop=3),
    Column("TOKEN", right=True, drop=4),
)
SOME = 10  # waiters of a name that are listed on a terminal where no name was asked for


def ps(request: Namespace) -> NoReturn:
    """Show it, once or again and again. Exits with 1 where --deadlocks found one."""
    screen = Screen(request.watch)
    # What it says of outages is said here.
    logging.getLogger("interlock.cluster").setLevel(logging.CRITICAL)
    found = False
    try:
        patience = EVERY if request.watch else None
        with connect(request.target, prefix=request.prefix, patience=patience, looks=True) as cluster:
            warnings = [f"interlock: {shown(request.target)}: {warning}" for warning in cluster.warnings()]
            if not screen.redraws:
                for warning in warnings:
                    print(warning, file=sys.stderr)

            def look() -> list[str]:
                nonlocal found
                try:
                    lines, found = show(cluster, request, screen)
                except EngineUnavailable as error:
                    if not screen.looks:
                        raise
                    lines = screen.sentence(f"interlock: {error}")
                if screen.redraws:
                    for warning in warnings:
                        lines += ["", *screen.sentence(warning)]
                return lines

            screen.run(look)
    except (ValueError, TypeError) as error:
        refuse(str(error), BAD_USE)
    except ClusterError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if found else 0)


def show(cluster: Cluster, request: Namespace, screen: Screen) -> tuple[list[str], bool]:
    """The lines of one look, and whether --deadlocks has found one."""
    if request.deadlocks:
        found = cycles.find(cluster.ps())
        text = cycles_as_text(found, request)
        return [line for each in text for line in ([each] if request.json else screen.sentence(each))], bool(found)
    seen = [each for each in cluster.ps(request.name or "") if in_use(each) or request.name]
    if request.json:
        return [json.dumps([asdict(each) for each in seen], indent=2)], False
    lines = []
    if seen:
        most = SOME if screen.terminal and not request.name else None
        lines = table(COLUMNS, [row for each in seen for row in rows(each, most)], screen.width)
    else:
        lines = screen.sentence(f"nothing is held or waited for on {cluster.url}, prefix {request.prefix!r}")
    if cluster.quiet:
        lines += screen.sentence(f"quarantine after a restart: no grants for {duration(int(cluster.quiet * 1e9))}")
    return lines, False


def in_use(record: Seen) -> bool:
    idle = record.capacity if record.kind == "latch" else 0
    return bool(record.used or record.waiters or record.holders or record.value != idle)


def rows(record: Seen, most: int | None) -> list[tuple[str, ...]]:
    """A line for each that holds or waits; one for a name that nobody does. ``most``: so many that wait."""
    kind = {
        "event": "event, set" if record.value else "event",
        "latch": f"latch, {record.value} left",
        "barrier": ("barrier", "barrier, broken", "barrier, acting")[record.value] if record.kind == "barrier" else "",
        "semaphore": f"semaphore, {record.used} of {record.capacity}",
    }.get(record.kind, record.kind)
    waiters = record.waiters[:most]
    made = [
        *(party(holder, holds(record, holder), str(holder.token)) for holder in record.holders),
        *(party(waiter, "waits", "") for waiter in waiters),
    ]
    more = len(record.waiters) - len(waiters)
    if more:
        made.append((count(more, "other"), "", "wait", "", "", ""))
    if not made:
        made = [("", "", "free" if record.kind in ("lock", "rlock", "rwlock", "semaphore") else "", "", "", "")]
    return [((record.name, kind) if i == 0 else ("", "")) + row for i, row in enumerate(made)]


def party(who: Remote, state: str, token: str) -> tuple[str, ...]:
    times = duration(int(who.age * 1e9)), duration(int(who.left * 1e9))
    return (f"{who.label}[{who.pid}]", who.host, state, *times, token)


def holds(record: Seen, holder: Remote) -> str:
    if record.kind == "rwlock":
        return "writes" if holder.units >= ALL else "reads"
    return f"holds {holder.units}" if holder.units > 1 else "holds"


def cycles_as_text(found: list[list[cycles.Edge]], request: Namespace) -> list[str]:
    if request.json:
        return [json.dumps([[asdict(edge) for edge in cycle] for cycle in found], indent=2)]
    lines = [] if found else ["nobody waits in a cycle"]
    for cycle in found:
        lines.append(f"{len(cycle)} parties wait for each other:")
        for edge in cycle:
            at = f" at {edge.waiter.where}" if edge.waiter.where else ""
            lines.append(f"    {edge.waiter.thread} in {edge.waiter} waits for {edge.name!r}{at}")
            lines.append(f"        held by {edge.holder.thread} in {edge.holder}")
    return lines


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
