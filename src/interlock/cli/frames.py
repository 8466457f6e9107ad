"""Keep our own frames out of what the interpreter prints of a program's uncaught error."""

import sys
from types import TracebackType

# Whose frames lie below the program's first one: ours, and of what finds and imports a module for us.
_BELOW = {
    "interlock.cli.run",
    "interlock.cli.program",
    "runpy",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "zipimport",
}


def of_program(traceback: TracebackType | None) -> TracebackType | None:
    """The part that begins with the program's first frame; None where it has no frame."""
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__") in _BELOW:
        traceback = traceback.tb_next
    return traceback


def show_as_own(error: BaseException) -> None:
    """Have the interpreter print `error`, which is about to reach it, as though nothing lay below the program.

    On its way the error gathers our frames. The interpreter hands it to `sys.excepthook`, the program's or python's
    own, so we stand in front of that hook for one call.
    """
    traceback = of_program(error.__traceback__)
    hook = getattr(sys, "excepthook", sys.__excepthook__)  # a program may have deleted it

    def cut_and_show(kind: type[BaseException], value: BaseException, _: TracebackType | None) -> None:
        sys.excepthook = hook
        sys.last_traceback = traceback
        value.__traceback__ = traceback
        try:
            hook(kind, value, traceback)
        except SystemExit:
            raise
        except BaseException as failure:
            # As the interpreter shows a hook that fails, without the frame that is ours.
            shown = failure.with_traceback(failure.__traceback__ and failure.__traceback__.tb_next)
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(shown), shown, shown.__traceback__)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(kind, value, traceback)

    sys.excepthook = cut_and_show
