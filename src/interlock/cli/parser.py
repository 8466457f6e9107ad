"""The command line in words: options, help, examples."""

import argparse
import sys
from typing import Any

import interlock
from interlock.cli.run import Request

_ABOUT = "Synchronization primitives for threads and tasks that know who holds them."

_EXAMPLES = """\
examples:
  interlock run prog.py            run prog.py, then say what its locks did
  interlock run -m package         the same for a module
  interlock run --help             all about running
"""

_ABOUT_RUN = """\
Run an unchanged Python program on interlock's primitives in place of those of threading. When it has ended, by
itself, by Ctrl-C or by an error, say on stderr what each of them did: how often it was acquired, how often
somebody had to wait for it, and for how long.

While it runs, say at once where it takes locks in two orders, where parties wait for each other in a circle, and
when nobody is left to wake those who wait. Ctrl-\\ shows who waits for what, and the program goes on.

Options of interlock stand before PROGRAM; everything after it belongs to the program. Its standard input and
output, its arguments and its exit code are its own.
"""

_EXAMPLES_RUN = """\
examples:
  interlock run prog.py --verbose  --verbose is for prog.py
  interlock run -m http.server     a module, as with python -m
  interlock run app.zip            a zip file or a directory that holds a __main__.py
  interlock run -- -prog.py        a name that begins with a dash
  interlock run --stall 30 prog.py say who waits for what when a single wait lasts longer than 30 s
  interlock run --on-stall=exit prog.py
                                   do not wait for those whom nobody can wake: for CI
  interlock run prog.py 2>report   the report, and what the program writes to stderr, into a file
  python -X dev -m interlock run prog.py
                                   with options for the interpreter

exit status:
  that of the program. If it cannot be started, what python itself would give: 2 for a file that cannot be opened,
  1 for a module that is not there or a syntax error. 2 for a wrong option. 3 for a stall with --on-stall=exit.

environment:
  NO_COLOR                         if set, no colours. There are none either when stderr is not a terminal.
"""


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number of seconds above 0: {text!r}")
    return seconds


class _Parser(argparse.ArgumentParser):
    """Prints its texts as they are written, and knows options by their full names only: one that a script uses
    must not become ambiguous through another that is added later."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)


def parse(arguments: list[str]) -> Request:
    """What the user wants to be run. Exits where there is nothing to run: help, version, a wrong option."""
    parser = _Parser(prog="interlock", description=_ABOUT, epilog=_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"interlock {interlock.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run_parser = commands.add_parser(
        "run",
        help="run a program and say what its locks did",
        usage="interlock run [options] PROGRAM [ARG ...]\n       interlock run [options] -m MODULE [ARG ...]",
        description=_ABOUT_RUN,
        epilog=_EXAMPLES_RUN,
    )
    if arguments[:1] == ["run"]:
        return _parse_run(run_parser, arguments[1:])
    parser.parse_args(arguments)
    parser.print_help()
    sys.exit()


def _parse_run(parser: argparse.ArgumentParser, arguments: list[str]) -> Request:
    options = [
        parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, found as an import finds it"),
        parser.add_argument("--quiet", action="store_true", help="run only: count nothing and say nothing"),
        parser.add_argument(
            "--stall", type=_seconds, metavar="SECONDS", help="say when a single wait lasts longer than this"
        ),
        parser.add_argument(
            "--on-stall",
            choices=["report", "exit"],
            metavar="WHAT",
            help="report (the default): go on waiting; exit: end with code 3",
        ),
    ]
    about = "a file, or a directory or zip file with a __main__.py"
    parser.add_argument("program", metavar="PROGRAM", nargs="?", default="", help=about)
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="for the program")

    # These two never see anything: argparse would take the program's options for ours.
    with_value = {string for option in options if option.nargs != 0 for string in option.option_strings}
    end = 0
    while end < len(arguments) and arguments[end].startswith("-") and arguments[end] not in ("-", "--"):
        option = arguments[end]
        end += 2 if option in with_value else 1
        if option[:2] == "-m":
            break
    request = parser.parse_args(arguments[:end], Request())
    request.arguments = arguments[end:]
    if request.module is None:
        if request.arguments[:1] == ["--"]:
            del request.arguments[0]
        if not request.arguments:
            parser.error("there is nothing to run: a PROGRAM or -m MODULE is missing")
        request.program = request.arguments.pop(0)
    return request
