"""The command line in words: options, help, examples."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import interlock
from interlock.cli.run import Request

if TYPE_CHECKING:
    from interlock.cli.reading import ReportRequest

_ABOUT = "Synchronization primitives for threads and tasks that know who holds them."

_EXAMPLES = """\
examples:
  interlock run prog.py            run prog.py, then say what its locks did
  interlock run -m package         the same for a module
  interlock run --timeline out.html prog.py
                                   and make a page that shows who waited for whom
  interlock explore test_prog.py   search its schedules for one that fails, and tell it
  interlock report FILE            show a recording again
  interlock run --help             all about running
"""

_ABOUT_RUN = """\
Run an unchanged Python program on interlock's primitives in place of those of threading. When it has ended, by
itself, by Ctrl-C or by an error, say on stderr what each of them did: how often it was acquired, how often
somebody had to wait for it, and for how long.

While it runs, say at once where it takes locks in two orders, where parties wait for each other in a cycle, and
when nobody is left to wake those who wait. Ctrl-\\ shows who waits for what, and the program goes on. All of that
goes to the stderr that the command was started with, also where the program has put something else there.

Options of interlock stand before PROGRAM; everything after it belongs to the program. Its standard input and
output, its arguments and its exit code are its own.
"""

_EXAMPLES_RUN = """\
examples:
  interlock run prog.py --verbose  --verbose is for prog.py
  interlock run -m http.server     a module, as with python -m
  interlock run app.zip            a zip file or a directory that holds a __main__.py
  interlock run -- -prog.py        a name that begins with a dash
  interlock run --timeline out.html prog.py
                                   a page for the browser: lanes, holds, waits, and who woke whom
  interlock run --record prog.rec prog.py
                                   what happened, in a file that `interlock report` reads
  interlock run --stall 30 prog.py say who waits for what when a single wait lasts longer than 30 s
  interlock run --on-stall=exit prog.py
                                   do not wait for those whom nobody can wake: for CI
  interlock run -c 'import prog'   a string, as with python -c; with - what stands on the standard input
  interlock run prog.py 2>report   the report, and what the program writes to stderr, into a file
  python -X dev -m interlock run prog.py
                                   with options for the interpreter

what ends a run:
  The report and the files are also written where SIGTERM, SIGHUP or os._exit ends the program. After a
  SIGKILL, FILE.part has what was recorded until about a second before; `interlock report FILE` reads it.

exit status:
  that of the program. If it cannot be started, what python itself would give: 2 for a file that cannot be opened,
  1 for a module that is not there or a syntax error. 2 for a wrong option. 3 for a stall with --on-stall=exit.

environment:
  NO_COLOR                         if set, no colours. There are none either when stderr is not a terminal.
"""


_ABOUT_REPORT = """\
Read a recording that `interlock run --record FILE` or `Recording.save` has made, and print its summary: what each
primitive did, at which lines parties waited, and which lines made them wait. With --perfetto or --timeline, write
that file instead.
"""

_EXAMPLES_REPORT = """\
examples:
  interlock report prog.rec                       the summary
  interlock report prog.rec --json | jq .findings the same for programs, times in nanoseconds
  interlock report prog.rec --timeline out.html   a page for the browser
  interlock report prog.rec --perfetto out.json   a trace for ui.perfetto.dev or chrome://tracing

exit status:
  0; 1 where FILE is not a recording, or a file cannot be read or written; 2 for a wrong option.

environment:
  NO_COLOR                         if set, no colours. There are none either when stdout is not a terminal. Tables
                                   are drawn by rich where that is installed: pip install interlock[cli]
"""


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number of seconds above 0: {text!r}")
    return number


def _number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number < 1 << 32:
        raise argparse.ArgumentTypeError(f"not a number of events above 0: {text!r}")
    return number


class Parser(argparse.ArgumentParser):
    """Prints its texts as they are written, and knows options by their full names only: one that a script uses
    must not become ambiguous through another that is added later."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)


def parse(arguments: list[str]) -> Request:
    """What the user wants to be run. Exits where there is nothing to run: help, version, a wrong option."""
    parser = Parser(prog="interlock", description=_ABOUT, epilog=_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"interlock {interlock.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run_parser = commands.add_parser(
        "run",
        help="run a program and say what its locks did",
        usage="interlock run [options] PROGRAM [ARG ...]\n       interlock run [options] -m MODULE [ARG ...]\n"
        "       interlock run [options] -c CODE [ARG ...]",
        description=_ABOUT_RUN,
        epilog=_EXAMPLES_RUN,
    )
    commands.add_parser("explore", help="search the schedules of a program for one that fails")
    commands.add_parser("hold", help="run a command while holding a lock between processes or machines")
    commands.add_parser("ps", help="show who holds what on this machine or an engine, and who waits")
    commands.add_parser("clean", help="remove the shared memory of interlock.machine where nobody uses it")
    commands.add_parser("setup", help="make what interlock.cluster needs in a PostgreSQL database")
    commands.add_parser("report", help="show a recording again, or make a page or a trace of it")
    if arguments[:1] == ["run"]:
        return _parse_run(run_parser, arguments[1:])
    parser.parse_args(arguments)
    parser.print_help()
    sys.exit()


def _parse_run(parser: argparse.ArgumentParser, arguments: list[str]) -> Request:
    options = [
        parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, found as an import finds it"),
        parser.add_argument("-c", dest="code", metavar="CODE", help="run a program that is given as a string"),
        parser.add_argument("--quiet", action="store_true", help="no report at the end"),
        parser.add_argument("--internals", action="store_true", help="also what the standard library made for itself"),
        parser.add_argument("--record", metavar="FILE", help="write what happened to FILE, for `interlock report`"),
        parser.add_argument("--timeline", metavar="OUT.html", help="make a page that shows what happened"),
        parser.add_argument(
            "--events", type=_number, metavar="N", help="how many events a recording keeps, the youngest: 1,000,000"
        ),
        parser.add_argument(
            "--stall", type=seconds, metavar="SECONDS", help="say when a single wait lasts longer than this"
        ),
        parser.add_argument(
            "--on-stall",
            choices=["report", "exit"],
            metavar="WHAT",
            help="report (the default): go on waiting; exit: end with code 3",
        ),
    ]
    about = "a file, or a directory or zip file with a __main__.py; - for the standard input"
    parser.add_argument("program", metavar="PROGRAM", nargs="?", default="", help=about)
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="for the program")

    # These two never see anything: argparse would take the program's options for ours.
    with_value = {string for option in options if option.nargs != 0 for string in option.option_strings}
    end = 0
    while end < len(arguments) and arguments[end].startswith("-") and arguments[end] not in ("-", "--"):
        option = arguments[end]
        end += 2 if option in with_value else 1
        if option[:2] in ("-m", "-c"):
            break
    request = parser.parse_args(arguments[:end], Request())
    request.arguments = arguments[end:]
    if request.events is not None and request.record is None and request.timeline is None:
        parser.error("--events is for a recording: --record FILE or --timeline OUT.html is missing")
    if request.module is None and request.code is None:
        if request.arguments[:1] == ["--"]:
            del request.arguments[0]
        if not request.arguments:
            parser.error("there is nothing to run: a PROGRAM, -m MODULE or -c CODE is missing")
        request.program = request.arguments.pop(0)
    return request


def parse_report(arguments: list[str]) -> "ReportRequest":
    """What the user wants to be shown. Exits where there is nothing to show: help, a wrong option."""
    from interlock.cli.reading import ReportRequest

    parser = Parser(
        prog="interlock report",
        usage="interlock report [options] FILE",
        description=_ABOUT_REPORT,
        epilog=_EXAMPLES_REPORT,
    )
    parser.add_argument("file", metavar="FILE", help="a recording")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--internals", action="store_true", help="also what the standard library made for itself")
    parser.add_argument("--perfetto", metavar="OUT", help="write a trace in Chrome's format")
    parser.add_argument("--timeline", metavar="OUT.html", help="write the page")
    return parser.parse_args(arguments, ReportRequest())
