"""`interlock explore`: a program's schedules, and the one that fails."""

import argparse
import ast
import builtins
import io
import os
import shlex
import sys
import textwrap
import time
import traceback
from collections.abc import Callable
from fnmatch import fnmatch
from types import CodeType, ModuleType
from typing import Any

from interlock.cli.program import CannotStart, find_module, find_program

NOTHING_FOUND, FOUND, CANNOT, NOT_CONCLUSIVE = range(4)

_ABOUT = """\
Run a program in many schedules of its threads and tasks until one fails: by a deadlock, an exception, or a wait that
does not seem to end. Then show the same failure with as few switches as possible, and a token that repeats it.

If FILE has functions test() or test_*(), it is imported once, and each of them is called once for each schedule. Any
other file is run from its start each time. Its output is not shown. Time is virtual: a sleep takes no time, and a
timeout may come early if that is possible.
"""

_EXAMPLES = """\
examples:
  interlock explore test_cache.py                  1000 schedules for each test in the file
  interlock explore test_cache.py::test_two        for one of the tests
  interlock explore --seconds 10 --at=sync prog.py switch only at operations of primitives
  interlock explore --all --at=sync test_small.py  every schedule: for small programs
  interlock explore test_cache.py --replay i2-aaf6 only the schedule of this token

exit status:
  0 nothing found, 1 something found, 2 cannot be run, 3 not conclusive: a limit, something outside, or a program that
  is not deterministic.
"""


class ExploreRequest:
    """What the user asked for: the options by their names."""

    program: str
    module: str | None
    arguments: list[str]
    schedules: int | None
    seconds: float | None
    all: bool
    at: str
    seed: int
    strategy: str
    pause: float
    order: str
    files: list[str] | None
    replay: str | None
    timeline: str | None
    limit: int = 20_000


def parse_explore(arguments: list[str]) -> ExploreRequest:
    """Exits where there is nothing to explore: help, a wrong option."""
    parser = argparse.ArgumentParser(
        prog="interlock explore",
        usage="interlock explore [options] FILE[::TEST] [ARG ...]\n"
        "       interlock explore [options] -m MODULE [ARG ...]",
        description=_ABOUT,
        epilog=_EXAMPLES,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-m", dest="module", metavar="MODULE", help="a module, as with python -m")
    add("-n", dest="schedules", type=_whole, metavar="N", help="how many schedules (1000)")
    add("--seconds", type=_seconds, metavar="S", help="search for this time instead")
    add("--all", action="store_true", help="run every schedule, except those that only repeat another")
    add("--at", choices=["sync", "lines", "bytecodes"], default="lines", help="where threads may be switched (lines)")
    add("--seed", type=_whole, default=0, metavar="N", help="another seed tries other schedules")
    add("--strategy", choices=["mix", "walk", "pos", "urw", "pct", "deviation"], default="mix", help="how to search")
    add("--pause", type=_seconds, default=1.0, metavar="S", help="how long others may delay a thread (1.0)")
    add("--order", choices=["tasks", "fifo"], default="tasks", help="callback order of event loops (tasks: any)")
    add("--files", action="append", metavar="GLOB", help="switch threads at the lines of these files; may be repeated")
    add(
        "--limit",
        type=_whole,
        default=ExploreRequest.limit,
        metavar="N",
        help="how many points one schedule may have (20000)",
    )
    add("--replay", metavar="TOKEN", help="run only the schedule of this token")
    add("--timeline", metavar="OUT.html", help="write a page of the schedule that fails")
    add("program", metavar="FILE", nargs="?", default="", help="a Python file")
    add("arguments", metavar="ARG", nargs="*", help="for the program")
    request, rest = parser.parse_known_intermixed_args(arguments, ExploreRequest())
    request.arguments += rest
    if request.module is not None and request.program:
        request.arguments.insert(0, request.program)
        request.program = ""
    if request.module is None and not request.program:
        parser.error("there is nothing to explore: a FILE or -m MODULE is missing")
    if request.all and (request.seconds is not None or request.replay is not None):
        parser.error("--all goes neither with --seconds nor with --replay")
    return request


def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"not a whole number of 0 or more: {text!r}")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"not a number of seconds above 0: {text!r}")
    return seconds


def explore_program(request: ExploreRequest) -> None:
    """Explore what was asked for, print what was found, and exit."""
    if os.environ.get("PYTHONHASHSEED") != "0" and hasattr(os, "execve") and sys.orig_argv:
        # The order of sets of strings would differ from process to process, and with it the schedules.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(_explore(request))


def _explore(request: ExploreRequest) -> int:
    import interlock

    name, _, wanted = request.program.partition("::")
    program = find_program(name) if request.module is None else find_module(request.module)
    sys.argv[:] = [program.argument, *request.arguments]
    if program.path is not None:
        sys.path.insert(0, program.path)
    interlock.install(asyncio=True)
    try:
        code, names = program.load()
    except CannotStart as error:
        print(f"interlock: {error}", file=sys.stderr)
        return CANNOT
    title = request.module or name
    try:
        tests = _tests(code, names, wanted)
    except CannotStart as error:
        print(f"interlock: {title}: {error}", file=sys.stderr)
        return error.status
    status = NOTHING_FOUND
    for test, function in tests:
        shown = f"{title}::{test}" if wanted or len(tests) > 1 else title
        status = max(status, _one(request, shown, function), key=(NOTHING_FOUND, NOT_CONCLUSIVE, FOUND, CANNOT).index)
    return status


def _tests(code: CodeType, names: dict[str, object], wanted: str) -> list[tuple[str, Callable[[], object]]]:
    """What is to be called for each schedule. Raises CannotStart."""
    file = str(names.get("__file__"))
    found = [] if file.endswith(".pyc") else _test_names(file)
    if wanted and wanted not in found:
        raise CannotStart(f"there is no function {wanted}() in it", CANNOT)
    if not found:
        return [("", lambda: _run_anew(code, names))]
    stem = os.path.splitext(os.path.basename(file))[0]
    module = ModuleType(stem)
    vars(module).update(names, __name__=stem)
    sys.modules[stem] = module
    from interlock.explore.earlier import noting_starts
    from interlock.explore.explorer import as_call, program_files
    from interlock.explore.patches import silence

    try:
        with silence(), noting_starts(program_files(os.getcwd())):
            exec(code, vars(module))
    except (Exception, SystemExit) as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        traceback.print_exception(error)
        raise CannotStart("it cannot be imported", CANNOT) from error
    chosen = [wanted] if wanted else found
    for each in chosen:
        function = getattr(module, each, None)
        if not callable(function):
            raise CannotStart(f"{each} is no function when all of the file has run", CANNOT)
        if not hasattr(function, "__code__"):
            continue
        if function.__code__.co_argcount - len(function.__defaults__ or ()) > 0:
            raise CannotStart(f"{each}() takes arguments: let pytest call it, with its marker `interlock`", CANNOT)
    return [(each, as_call(getattr(module, each))) for each in chosen]


def _test_names(file: str) -> list[str]:
    with io.open_code(file) as source:
        tree = ast.parse(source.read())
    return [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.name == "test" or node.name.startswith("test_"))
    ]


def _run_anew(code: CodeType, names: dict[str, object]) -> None:
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main).update(__builtins__=builtins)
    vars(main).update(names)
    exec(code, vars(main))


class _Input(io.BufferedIOBase):
    """What each schedule reads from stdin: the same, from the beginning. It is read when the first one asks for it.

    None of `io`'s classes in C: these have a lock, and a thread that waits in it would not let the interpreter end.
    """

    text: bytes | None = None
    at = 0

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def read(self, size: int | None = -1, /) -> bytes:
        if _Input.text is None:
            found = []
            while part := os.read(0, 65_536):
                found.append(part)
            _Input.text = b"".join(found)
        part = _Input.text[self.at : None if size is None or size < 0 else self.at + size]
        self.at += len(part)
        return part

    read1 = read


def _one(request: ExploreRequest, title: str, function: Callable[[], object]) -> int:
    from interlock.explore.explorer import Exploration, Explorer
    from interlock.explore.patches import silence
    from interlock.explore.token import TokenError, read_token

    at, order, pause = request.at, request.order, request.pause
    if request.replay is not None:
        try:
            token = read_token(request.replay)
        except TokenError as error:
            print(f"interlock: {error}", file=sys.stderr)
            return CANNOT
        at, order, pause = token.at, token.order, token.pause
    files = None
    if request.files:
        globs = request.files
        files = lambda file: any(fnmatch(file, glob) or fnmatch(os.path.relpath(file), glob) for glob in globs)  # noqa: E731
    stderr, stdin = sys.stderr, sys.stdin
    began = time.perf_counter()
    shown = [0.0]

    def progress(found: Exploration) -> None:
        now = time.perf_counter()
        if now - shown[0] > 0.2:
            shown[0] = now
            rate = found.schedules / max(1e-9, now - began)
            stderr.write(f"\r{found.schedules:,} schedules, {rate:,.0f}/s, {found.distinct:,} distinct ")
            stderr.flush()

    def call() -> object:
        written.end = ""
        if stdin is not None:
            sys.stdin = io.TextIOWrapper(_Input())
        return function()

    try:
        explorer = Explorer(
            call, at=at, seed=request.seed, strategy=request.strategy, pause=pause, order=order, files=files,
            limit=request.limit, timeline=request.timeline is not None,
        )  # fmt: skip
        if stderr.isatty():
            explorer.progress = progress
        with silence() as written, explorer:
            if request.replay is not None:
                found = explorer.replay(request.replay)
            elif request.all:
                found = explorer.search_all(request.schedules)
            else:
                enough = None if request.seconds is not None else 1000
                found = explorer.search(request.schedules or enough, request.seconds)
    except KeyboardInterrupt:
        print(f"\ninterlock: interrupted after {explorer.found.schedules:,} schedules", file=stderr)
        return NOT_CONCLUSIVE
    except RuntimeError as error:
        print(f"interlock: {title}: {error}", file=stderr)
        return CANNOT
    finally:
        sys.stdin = stdin
    if shown[0]:
        stderr.write("\r" + " " * 60 + "\r")
    if explorer.default is not None and found.distinct == 1 and not explorer.default.options:
        found.notes.append("nothing could be switched: no threads or tasks of asyncio run side by side")
    _print(request, title, found, written.end)
    if request.timeline is not None and explorer.recording is not None:
        from interlock.cli.reading import write_timeline
        from interlock.watch.summary import Summary

        write_timeline(Summary(explorer.recording), request.timeline)
        print(f"timeline of this schedule: {request.timeline}")
    return FOUND if found.failed else NOTHING_FOUND if found.kind is None else NOT_CONCLUSIVE


def _print(request: ExploreRequest, title: str, found: Any, written: str) -> None:
    from interlock.explore.explorer import headline

    if found.failed:
        print(f"{title}: {headline(found)} ({found.seconds:.2f} s)" if request.replay is None else f"{title}: replayed")
        print(found.story)
        if isinstance(found.error, SystemExit) and written:
            print("it wrote:", *written.splitlines(), sep="\n  ")
        print(f"\nreplay: {_again(request, title, found.token)}")
    elif found.kind is not None:
        print(f"{title}: not conclusive after {found.schedules:,} schedules ({found.seconds:.2f} s)")
        _say(found.story)
    elif request.replay is not None:
        print(f"{title}: this schedule does not fail")
    elif request.all:
        _say(f"{title}: {found.story} ({found.seconds:.2f} s)")
    else:
        print(
            f"{title}: nothing found in {found.schedules:,} schedules, {found.distinct:,} of them distinct"
            f" ({found.seconds:.2f} s)"
        )
        for note in found.notes:
            _say(note)


def _say(text: str) -> None:
    """Sentences, no wider than a terminal is at least; what is indented stays as it is."""
    for line in text.splitlines():
        print(line if line.startswith(" ") else textwrap.fill(line, 80, break_long_words=False, break_on_hyphens=False))


def _again(request: ExploreRequest, title: str, token: str) -> str:
    """The command that runs a schedule again: with all that says what the program is, and where it is switched."""
    options = [word for glob in request.files or () for word in ("--files", glob)]
    if request.limit != ExploreRequest.limit:
        options += ["--limit", str(request.limit)]
    options += ["--replay", token]
    program = ["-m", request.module] if request.module else [title]
    arguments = request.arguments
    if any(each.startswith("-") for each in arguments):  # which may look like options of ours
        return shlex.join(["interlock", "explore", *options, *program, "--", *arguments])
    return shlex.join(["interlock", "explore", *program, *arguments, *options])
