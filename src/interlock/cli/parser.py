"""The command line in words: options, help, examples."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import interlock
from interlock.cli.run import Request

if TYPE_CHECKING:
    from interlock.cli.reading import ReportRequest

_ABOUT = "Run, explore and inspect programs that use locks and other synchronization primitives."

_EXAMPLES = """\
examples:
  interlock run prog.py            run prog.py, then report what its locks did
  interlock run -m package         the same for a module
  interlock run --timeline out.html prog.py
                                   also write a page that shows who waited for whom
  interlock explore test_prog.py   search for a schedule in which a test fails
  interlock report FILE            summarize a recording
  interlock run --help             show the help of one command
"""

_ABOUT_RUN = """\
Run an unchanged Python program with interlock's primitives in place of those of threading, queue and asyncio. When
the program has ended, print a report to stderr: how often each primitive was acquired, how often a thread or task
had to wait for it, and for how long.

While the program runs, print a warning as soon as it takes locks in two orders, when threads or tasks wait for each
other in a cycle, and when none is left that could wake those that wait. Ctrl-\\ prints who waits for what, and the
program continues. All messages go to the stderr that the command was started with, even if the program replaces it.

Options of interlock stand before PROGRAM. Everything after PROGRAM belongs to the program. Its input, output,
arguments and exit code stay the same.
"""

_EXAMPLES_RUN = """\
examples:
  interlock run prog.py --verbose  --verbose is for prog.py
  interlock run -m http.server     a module, as with python -m
  interlock run app.zip            a zip file or a directory that holds a __main__.py
  interlock run -- -prog.py        a name that begins with a dash
  interlock run --timeline out.html prog.py
                                   write a page for the browser: holds, waits, and who woke whom
  interlock run --record prog.rec prog.py
                                   write a recording that `interlock report` reads
  interlock run --stall 30 prog.py print who waits for what when a single wait lasts longer than 30 s
  interlock run --on-stall=exit prog.py
                                   end the program when nothing can wake it any more: for CI
  interlock run -c 'import prog'   a string, as with python -c; - reads the program from standard input
  interlock run prog.py 2>report   write the report, and what the program writes to stderr, to a file
  python -X dev -m interlock run prog.py
                                   with options for the interpreter

how a run may end:
  The report and the files are also written if SIGTERM, SIGHUP or os._exit ends the program. After a SIGKILL,
  FILE.part has the recording except for about the last second. `interlock report FILE` reads it.

exit status:
  that of the program. If the program cannot be started, that of python: 2 if the file cannot be opened, 1 if the
  module is not found or has a syntax error. 2 for a wrong option. 3 for a stall with --on-stall=exit.

environment:
  NO_COLOR                         if set, no colours. Without a terminal on stderr there are none either.
"""


_ABOUT_REPORT = """\
Print the summary of a recording that `interlock run --record FILE` or `Recording.save` has written: what each
primitive did, which lines waited, and which lines made them wait. With --perfetto or --timeline, write that file
instead.
"""

_EXAMPLES_REPORT = """\
examples:
  interlock report prog.rec                       the summary
  interlock report prog.rec --json | jq .findings the summary as JSON, times in nanoseconds
  interlock report prog.rec --timeline out.html   a page for the browser
  interlock report prog.rec --perfetto out.json   a trace for ui.perfetto.dev or chrome://tracing

exit status:
  0; 1 if FILE is not a recording, or a file cannot be read or written; 2 for a wrong option.

environment:
  NO_COLOR                         if set, no colours. Without a terminal on stdout there are none either. If rich
                                   is installed, it draws the tables: pip install interlock[cli]
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
        help="run a program and report what its locks did",
        usage="interlock run [options] PROGRAM [ARG ...]\n       interlock run [options] -m MODULE [ARG ...]\n"
        "       interlock run [options] -c CODE [ARG ...]",
        description=_ABOUT_RUN,
        epilog=_EXAMPLES_RUN,
    )
    commands.add_parser("explore", help="search for a schedule of threads and tasks in which a program fails")
    commands.add_parser("report", help="summarize a recording, or make a page or a trace of it")
    commands.add_parser("hold", help="run a command while holding a lock of this machine or of a cluster")
    commands.add_parser("ps", help="list who holds and who waits, on this machine or in a cluster")
    commands.add_parser("clean", help="remove the shared memory of interlock.machine if no process uses it")
    commands.add_parser("setup", help="create what interlock.cluster needs in a PostgreSQL database")
    if arguments[:1] == ["run"]:
        return _parse_run(run_parser, arguments[1:])
    parser.parse_args(arguments)
    parser.print_help()
    sys.exit()


def _parse_run(parser: argparse.ArgumentParser, arguments: list[str]) -> Request:
    options = [
        parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does"),
        parser.add_argument("-c", dest="code", metavar="CODE", help="run a program that is given as a string"),
        parser.add_argument("--quiet", action="store_true", help="print no report at the end"),
        parser.add_argument(
            "--internals", action="store_true", help="list what the standard library made for itself, too"
        ),
        parser.add_argument("--record", metavar="FILE", help="write a recording to FILE, for `interlock report`"),
        parser.add_argument("--timeline", metavar="OUT.html", help="write a page that shows what happened"),
        parser.add_argument(
            "--events", type=_number, metavar="N", help="how many of the latest events a recording keeps (1,000,000)"
        ),
        parser.add_argument(
            "--stall", type=seconds, metavar="SECONDS", help="print who waits when a wait lasts longer than this"
        ),
        parser.add_argument(
            "--on-stall",
            choices=["report", "exit"],
            metavar="WHAT",
            help="if nothing can wake the program: report (the default) goes on waiting, exit ends with code 3",
        ),
    ]
    about = "a file, or a directory or zip file with a __main__.py; - for standard input"
    parser.add_argument("program", metavar="PROGRAM", nargs="?", default="", help=about)
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="for the program")

    # argparse never gets these two: it would take the program's options for ours.
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
        parser.error("--events needs a recording: --record FILE or --timeline OUT.html is missing")
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
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--internals", action="store_true", help="list what the standard library made for itself, too")
    parser.add_argument("--perfetto", metavar="OUT", help="write a trace in Chrome's format")
    parser.add_argument("--timeline", metavar="OUT.html", help="write the timeline page")
    return parser.parse_args(arguments, ReportRequest())
