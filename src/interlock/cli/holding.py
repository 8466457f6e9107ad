"""The command lines of `interlock hold`, `ps` and `setup`."""

from argparse import Namespace

from interlock.cli.parser import Parser, seconds

_ABOUT_HOLD = """\
Run a command while holding a lock: of this machine, by its NAME alone, or one that all machines share, by the engine
that URL names. A lock of this machine ends with interlock, however that ends. For one of an engine the command finds
the fencing token of the hold in $INTERLOCK_TOKEN. It gets the signals that interlock gets. Where the lock is lost while
it runs (its lease could not be renewed), it is told to end by TERM, and ended by KILL before another can get it.
"""

_EXAMPLES_HOLD = """\
examples:
  interlock hold redis://cache/0 nightly --timeout 0 -- ./nightly.sh
                                   run it on one machine only; the others give up at once
  interlock hold redis://cache/0 api --semaphore 5 -- ./fetch
                                   at most five at a time
  interlock hold postgresql://db/app config --shared -- ./reader
                                   many readers, or one --exclusive writer

exit status:
  that of the command, 128 + N where signal N ended it; 75 where the lock was not got in time; 76 where it was lost
  while the command ran; 126 or 127 where the command cannot be run; 1 where the engine does not answer; 2 for a
  wrong option.

environment:
  INTERLOCK_TOKEN                  for the command: a number that grows with each grant of the name
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
    parser.add_argument("name", metavar="NAME", nargs="?", help="what the lock is called")
    parser.add_argument("--timeout", type=_timeout, metavar="SECONDS", help="give up after so long; 0: at once")
    parser.add_argument("--shared", action="store_true", help="hold the name as one of its readers")
    parser.add_argument("--exclusive", action="store_true", help="hold it as its writer")
    parser.add_argument("--semaphore", type=int, metavar="N", help="hold one of N permits")
    parser.add_argument(
        "--conflict-code", type=int, default=75, metavar="C", help="the exit code where it was not got (75)"
    )
    parser.add_argument(
        "--kill-after", type=seconds, metavar="SECONDS", help="on loss, from TERM to KILL (a tenth of the lease)"
    )
    parser.add_argument("--lease", type=seconds, default=10.0, metavar="SECONDS", help="how long it outlives us (10)")
    parser.add_argument("--prefix", default="interlock", help="the world that NAME belongs to (interlock)")
    parser.add_argument("--label", help="what others see this process called")
    ours, dashes, command = arguments, "", list[str]()
    if "--" in arguments:
        at = arguments.index("--")
        ours, dashes, command = arguments[:at], "--", arguments[at + 1 :]
    request = parser.parse_args(ours)
    if "://" in request.target and request.name is None:
        parser.error("a NAME is missing: interlock hold URL NAME -- COMMAND")
    if sum((request.shared, request.exclusive, request.semaphore is not None)) > 1:
        parser.error("--shared, --exclusive and --semaphore exclude one another")
    if not command:
        parser.error("there is nothing to run: -- COMMAND is missing" if not dashes else "COMMAND is missing after --")
    if request.kill_after is None:
        request.kill_after = request.lease / 10  # as long before the lease is over, the loss is told
    request.command = command
    request.shown = f"{request.name!r} on {_shown(request.target)}" if request.name else repr(request.target)
    return request


def parse_ps(arguments: list[str]) -> Namespace:
    """What is to be shown. Exits where there is nothing to show: help, a wrong option."""
    parser = Parser(
        prog="interlock ps",
        usage="interlock ps [options] [URL] [NAME]",
        description="Show who holds what on an engine or, without a URL, on this machine, and who waits.",
        epilog="exit status:\n  0; 1 where the engine does not answer, or --deadlocks has found one; 2 for bad use.",
    )
    parser.add_argument("target", metavar="URL", nargs="?", help="an engine: redis://, postgresql://, etcd://")
    parser.add_argument("name", metavar="NAME", nargs="?", help="one name only")
    parser.add_argument("--watch", action="store_true", help="look again every second")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--deadlocks", action="store_true", help="show who waits for each other in a cycle")
    parser.add_argument("--prefix", default="interlock", help="the world that the names belong to (interlock)")
    return parser.parse_args(arguments)


def parse_clean(arguments: list[str]) -> Namespace:
    """Exits where there is nothing to do: help, a wrong option."""
    parser = Parser(
        prog="interlock clean",
        usage="interlock clean",
        description="Remove the shared memory of interlock.machine, where no process that lives has it.",
        epilog="exit status:\n  0; 1 where processes have it.",
    )
    return parser.parse_args(arguments)


def parse_setup(arguments: list[str]) -> Namespace:
    """What is to be made. Exits where there is nothing to make: help, a wrong option."""
    parser = Parser(
        prog="interlock setup",
        usage="interlock setup [options] postgresql://...",
        description="Make the schema that interlock.cluster needs in a PostgreSQL database, or bring it up to date.",
    )
    parser.add_argument("target", metavar="URL", help="the database, as a user that may make a schema there")
    parser.add_argument("--print", action="store_true", help="print the SQL instead")
    return parser.parse_args(arguments)


def _shown(url: str) -> str:
    from interlock.cluster.engine import shown

    return shown(url)


def _timeout(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else seconds(text)


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
