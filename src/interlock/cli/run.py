"""`interlock run`: an unchanged program, as if python itself had started it.

The program gets a fresh `__main__` and keeps it until the process ends: non-daemon threads and atexit functions still
need its globals when its last line has run, which is why `runpy.run_path` would not do. However it ends, the
interpreter ends the process as it would have without us: it alone knows all the ways (an exit code, SIGINT, a thread
to wait for, `-i`). Only our own frames are kept out of what it prints.

What a program can still notice, if it looks: a few frames below its own (`traceback.print_stack`; the recursion limit
is that much nearer), the modules that are loaded already, `sys.orig_argv`, and its `__file__` when its last line has
run, which python itself takes away.
"""

import atexit
import builtins
import sys
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter
from types import ModuleType

from interlock.cli.ending import Ending, Outputs
from interlock.cli.frames import show_as_own
from interlock.cli.outside import Outside
from interlock.cli.program import CannotStart, current_directory, find_code, find_module, find_program
from interlock.cli.voice import Voice
from interlock.cli.watching import start_watching
from interlock.core.kernel.probe import start_counting
from interlock.dropin import install
from interlock.watch import ended


class Request:
    """What the user asked for.

    Attributes: ``program`` (a file, or a directory or zip file with a `__main__.py`, or "-" for stdin), ``module`` and
    ``code`` (to be run instead of a program, or None), ``arguments``, ``quiet`` (no report at the end), ``internals``
    (report what the standard library made for itself, too), ``record`` and ``timeline`` (files for a recording
    of the run and a page made of it, or None), ``events`` (how many a recording
    keeps, None for the usual number), ``stall`` (seconds that a single wait may last, None for any) and ``on_stall``
    ("report", or "exit" to end the process).
    """

    def __init__(self, program: str = "", arguments: Sequence[str] = ()) -> None:
        self.program = program
        self.module: str | None = None
        self.code: str | None = None
        self.arguments: list[str] = list(arguments)
        self.quiet = False
        self.internals = False
        self.record: str | None = None
        self.timeline: str | None = None
        self.events: int | None = None
        self.stall: float | None = None
        self.on_stall = "report"


def run(request: Request) -> None:
    """Run what was asked for. Raises what it raises, and exits where it cannot be started."""
    directory = current_directory()
    if request.code is not None:
        program = find_code(request.code)
    else:
        program = find_program(request.program) if request.module is None else find_module(request.module)
    sys.argv[:] = [program.argument, *request.arguments]
    if _python_added_our_path(directory):
        del sys.path[0]
    voice = Voice()
    outputs = Outputs(request.record, request.timeline, request.events, list(sys.path), request.internals)
    outputs.preload()
    if program.path is not None:
        sys.path.insert(0, program.path)
    main = _fresh_main()

    install(asyncio=True)
    outside = Outside()
    ending = Ending(voice, directory or "", outputs, outside, request.quiet)
    if outputs.wanted or not request.quiet:
        # Registered before all that the program registers, so that it is called after all of that.
        atexit.register(ending.tell)
        ending.meet_signals()
        ending.meet_exit()
    if not request.quiet:
        outside.watch()
        ending.repeats.watch()
        start_counting()
    if outputs.wanted:
        outputs.start(" ".join([request.module or request.program or "-c", *request.arguments]), directory or "")
    start_watching(request.stall, request.on_stall, voice, ending)
    try:
        code, names = program.load()
        vars(main).update(names)
        exec(code, vars(main))
    except CannotStart as error:
        atexit.unregister(ending.tell)
        outputs.give_up()
        if error.shown_by_python is not None:
            show_as_own(error.shown_by_python)
            raise error.shown_by_python from None
        print(f"interlock: {error}", file=sys.stderr)
        sys.exit(error.status)
    except SystemExit:
        raise
    except BaseException as error:
        outputs.interrupted = type(error) is KeyboardInterrupt
        show_as_own(error)
        ended.note_main(error)
        raise


def _python_added_our_path(directory: str | None) -> bool:
    """Whether `sys.path` begins with the directory of the `interlock` command, or that of `python -m interlock`."""
    by_module = sys.modules["__main__"].__spec__ is not None
    return not sys.flags.safe_path and not (by_module and directory is None)


def _fresh_main() -> ModuleType:
    """A `__main__` as python sets it up before it knows the program."""
    ours = vars(sys.modules["__main__"])
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main).update(__builtins__=builtins, __loader__=BuiltinImporter)
    if "__annotations__" in ours:  # only older versions do so
        main.__annotations__ = {}
    return main
