"""The command lines of `interlock hold`, `ps` and `setup`."""

import os
from argparse import ArgumentTypeError, Namespace

from interlock.cli.parser import Parser, seconds

LABEL = 100  # characters of the name of a command that is shown for who holds it

_ABOUT_HOLD = """\
Run a command while holding a lock. NAME alone is a lock of this machine. URL NAME is a lock that all machines share, on
the engine that URL names. A lock of this machine is released when interlock ends, in whatever way. For a lock of an
engine the command finds its fencing token in $INTERLOCK_TOKEN. Signals that interlock gets are passed to the command.
If the lock is lost while the command runs (its lease could not be renewed), the command gets SIGTERM, and then SIGKILL
before another process can get the lock.
"""

_EXAMPLES_HOLD = """\
examples:
  interlock hold redis://cache/0 nightly --timeout 0 -- ./nightly.sh
                                   run it on one machine; the others give up at once
  interlock hold redis://cache/0 api --semaphore 5 -- ./fetch
                                   at most five at a time
  interlock hold postgresql://db/app config --shared -- ./reader
                                   many readers, or one --exclusive writer

exit status:
  that of the command, or 128 + N if signal N ended it; 75 if the lock was not free in time; 76 if it was lost while
  the command ran; 126 or 127 if the command cannot be run; 1 if the engine does not answer; 2 for a wrong option.

environment:
  INTERLOCK_TOKEN                  set for the command: a number that is higher for each later holder of the name
"""


def parse_hold(arguments: list[str]) -> Namespace:
    """What is to be held and run. Exits where there is nothing to run: help, a wrong option."""
    parser = Parser(
        prog="interlock hold",
        usage="interlock hold [options] [URL] NAME [options] -- COMMAND [ARG ...]",
        description=_ABOUT_HOLD,
        epilog=_EXAMPLES_HOLD,
    )
    parser.add_argument("target", metavar="URL", help="an engine: redis://, postgresql://, etcd://")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name of the lock")
    parser.add_argument("--timeout", type=_timeout, metavar="SECONDS", help="give up after this time; 0: at once")
    parser.add_argument("--shared", action="store_true", help="take a read-write lock as a reader")
    parser.add_argument("--exclusive", action="store_true", help="take a read-write lock as the writer")
    parser.add_argument("--semaphore", type=int, metavar="N", help="take one of N permits of a semaphore")
    parser.add_argument(
        "--conflict-code", type=int, default=75, metavar="C", help="exit code if the lock is not free in time (75)"
    )
    parser.add_argument(
        "--kill-after", type=seconds, metavar="SECONDS", help="on loss, time from SIGTERM to SIGKILL (lease / 10)"
    )
    parser.add_argument(
        "--lease", type=seconds, default=10.0, metavar="SECONDS", help="how long the lock outlives a lost process (10)"
    )
    parser.add_argument("--prefix", default="interlock", help="namespace of NAME in the engine (interlock)")
    parser.add_argument("--label", help="the name under which others see it (that of COMMAND)")
    ours, dashes, command = arguments, "", list[str]()
    if "--" in arguments:
        at = arguments.index("--")
        ours, dashes, command = arguments[:at], "--", arguments[at + 1 :]
    request = parser.parse_intermixed_args(ours)  # options may stand between URL and NAME
    if "://" in request.target and request.name is None:
        parser.error("a NAME is missing: interlock hold URL NAME -- COMMAND")
    if sum((request.shared, request.exclusive, request.semaphore is not None)) > 1:
        parser.error("--shared, --exclusive and --semaphore exclude one another")
    if request.semaphore is not None and request.semaphore < 1:
        parser.error(f"a semaphore has 1 or more permits, not {request.semaphore}")
    if not command:
        parser.error("there is nothing to run: -- COMMAND is missing" if not dashes else "COMMAND is missing after --")
    if request.kill_after is None:
        request.kill_after = request.lease / 10  # as long before the lease is over, the loss is told
    request.command = command
    name = os.path.basename(command[0])
    if request.label is None and name.isprintable() and 0 < len(name) <= LABEL:
        request.label = name
    request.shown = f"{request.name!r} on {_shown(request.target)}" if request.name else repr(request.target)
    return request


def parse_ps(arguments: list[str]) -> Namespace:
    """What is to be shown. Exits where there is nothing to show: help, a wrong option."""
    parser = Parser(
        prog="interlock ps",
        usage="interlock ps [options] [URL] [NAME]",
        description="List who holds what and who waits: on an engine or, without a URL, on this machine.",
        epilog="exit status:\n  0; 1 if the engine does not answer, or --deadlocks finds one; 2 for a wrong option.",
    )
    parser.add_argument("target", metavar="URL", nargs="?", help="an engine: redis://, postgresql://, etcd://")
    parser.add_argument("name", metavar="NAME", nargs="?", help="show this name only")
    parser.add_argument("--watch", action="store_true", help="repeat every second")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--deadlocks", action="store_true", help="show cycles of parties that wait for each other")
    parser.add_argument("--prefix", default="interlock", help="namespace of the names in the engine (interlock)")
    return parser.parse_intermixed_args(arguments)


def parse_clean(arguments: list[str]) -> Namespace:
    """Exits where there is nothing to do: help, a wrong option."""
    parser = Parser(
        prog="interlock clean",
        usage="interlock clean",
        description="Remove the shared memory of interlock.machine, if no living process uses it.",
        epilog="exit status:\n  0; 1 if processes use it; 2 for a wrong option.",
    )
    return parser.parse_args(arguments)


def parse_setup(arguments: list[str]) -> Namespace:
    """What is to be made. Exits where there is nothing to make: help, a wrong option."""
    parser = Parser(
        prog="interlock setup",
        usage="interlock setup [options] postgresql://...",
        description="Create the schema that interlock.cluster needs in a PostgreSQL database, or update it.",
        epilog="exit status:\n  0; 1 if the database does not answer or refuses; 2 for a wrong option.",
    )
    parser.add_argument("target", metavar="URL", help="the database, with a user that may create a schema")
    parser.add_argument("--print", action="store_true", help="print the SQL and change nothing")
    return parser.parse_args(arguments)


def _shown(url: str) -> str:
    from interlock.cluster.engine import shown

    return shown(url)


def _timeout(text: str) -> float:
    try:
        return 0.0 if text in ("0", "0.0") else seconds(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"not a number of seconds, 0 or more: {text!r}") from None


def main(arguments: list[str]) -> None:
    """Do what `interlock hold`, and `ps` or `setup` with the URL of an engine, ask for."""
    command, *rest = arguments
    if command in ("ps", "clean") and not any("://" in argument for argument in rest):
        from interlock.cli.machine_ps import clean, ps_machine

        if command == "clean":
            clean(parse_clean(rest))
        ps_machine(parse_ps(rest))
    if command == "hold":
        from interlock.cli.hold import hold

        hold(parse_hold(rest))
    from interlock.cli.cluster_ps import ps, setup

    if command == "ps":
        ps(parse_ps(rest))
    setup(parse_setup(rest))
