"""The command line: parsing and printing only.

`interlock run` shares its process with a program that must not notice. So nothing here imports anything from outside
the standard library (no click, no rich: the program may want another version of it, or none), and little from inside:
every module that is loaded before the program costs it time, and one of the same name beside the program would no
longer be found. argparse and what it pulls in is loaded only where there is an option to parse.
"""

import sys
from collections.abc import Sequence

from interlock.cli.run import Request, run


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks for.

    ``arguments``: without the name of the command; those of this process where None. Ends as the program that it
    runs ends: returns, or raises what the program raised, SystemExit with its exit code among it.
    """
    asked = list(sys.argv[1:] if arguments is None else arguments)
    if len(asked) > 1 and asked[0] == "run" and not asked[1].startswith("-"):
        request = Request(asked[1], asked[2:])
    else:
        from interlock.cli.parser import parse, parse_report

        if asked[:1] == ["explore"]:
            from interlock.cli.exploring import explore_program, parse_explore

            return explore_program(parse_explore(asked[1:]))
        if asked[:1] == ["report"]:
            from interlock.cli.reading import show_report

            return show_report(parse_report(asked[1:]))
        if asked[:1] in (["hold"], ["ps"], ["setup"], ["clean"]):
            from interlock.cli.holding import main as hold

            return hold(asked)
        request = parse(asked)
    run(request)
