"""Where a thread may be switched away from, beyond the operations of primitives: at lines, or at accesses to memory.

From Python 3.12 `sys.monitoring` calls back for the program's own code alone; on 3.11 `sys.settrace` does. Code of the
standard library and of installed packages has no points.
"""

import dis
import sys
from collections.abc import Callable
from inspect import CO_GENERATOR
from types import CodeType, FrameType
from typing import Any

from interlock.explore.engine.baton import Baton
from interlock.explore.races import Races

# Instructions that read or write what another thread may see. The start of their names.
_SHARED: tuple[str, ...] = (
    "LOAD_ATTR", "STORE_ATTR", "DELETE_ATTR", "LOAD_METHOD", "BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR",
    "BINARY_SLICE", "STORE_SLICE", "STORE_GLOBAL", "STORE_DEREF", "CONTAINS_OP",
    "FOR_ITER", "LOAD_SUPER_ATTR",
)  # fmt: skip


class Points:
    """A context manager: while it is entered, lines (or instructions) of the program are points.

    ``at``: sync, lines or bytecodes. ``is_program``: whether a file belongs to the program. ``races``: told of each
    instruction that is a point, when it is about to run.
    """

    def __init__(self, baton: Baton, at: str, is_program: Callable[[str], bool], races: Races) -> None:
        self.baton = baton
        self.at = at
        self.is_program = is_program
        self._known: dict[str, bool] = {}
        self._tool: int | None = None
        # By the code's id, and the code is kept alive: to hash a code takes longer than all the rest.
        self._shared: dict[int, tuple[CodeType, frozenset[int]]] = {}
        self._watched: dict[int, CodeType] = {}  # by their id: events are set for one object, and equal ones exist
        self.races = races

    def __enter__(self) -> "Points":
        self.baton.switching = self.at != "sync"
        if self.at != "sync" and sys.version_info >= (3, 12):
            self._monitor()
        return self

    def __exit__(self, *raised: object) -> None:
        self.baton.switching = False
        if sys.version_info >= (3, 12) and self._tool is not None:
            monitoring = sys.monitoring
            monitoring.set_events(self._tool, 0)
            for event in (monitoring.events.PY_START, monitoring.events.LINE, monitoring.events.INSTRUCTION):
                monitoring.register_callback(self._tool, event, None)
            for code in self._watched.values():
                monitoring.set_local_events(self._tool, code, 0)
            monitoring.free_tool_id(self._tool)
            self._watched.clear()
            self._tool = None

    def before_thread(self) -> None:
        """In each new thread of the program, and in the first before its function is called."""
        if self.at != "sync" and sys.version_info < (3, 12):
            sys.settrace(self._trace)

    def after_main(self) -> None:
        """In the first thread, when its function has ended."""
        if self.at != "sync" and sys.version_info < (3, 12):
            sys.settrace(None)

    def belongs(self, code: CodeType) -> bool:
        file = code.co_filename
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self.is_program(file)
        return known

    def shared(self, code: CodeType) -> frozenset[int]:
        """The offsets of the instructions that touch what others may see."""
        known = self._shared.get(id(code))
        if known is None:
            instructions = list(dis.get_instructions(code))
            # A global or a cell is read mostly to find a function or an object that never changes.
            stored = {each.argval for each in instructions if each.opname in ("STORE_GLOBAL", "STORE_DEREF")}
            # What threads share may be a generator itself, and then all that it does. Not so one in parentheses.
            shared = _SHARED
            if code.co_flags & CO_GENERATOR and code.co_name != "<genexpr>":
                shared += ("STORE_FAST", "YIELD_VALUE")
            found = frozenset(
                each.offset
                for each in instructions
                if each.opname.startswith(shared)
                or (each.opname in ("LOAD_GLOBAL", "LOAD_DEREF") and each.argval in stored)
            )
            known = self._shared[id(code)] = (code, found)
        return known[1]

    # --- 3.12 and later -------------------------------------------------------------------------------------------

    def _monitor(self) -> None:
        monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        for tool in (4, 3, 5, 2, 1, 0):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "interlock explore")
                self._tool = tool
                break
        else:
            raise RuntimeError("all six tools of sys.monitoring are in use: run without a debugger, or with --at=sync")
        tool = self._tool
        event = monitoring.events.INSTRUCTION if self.at == "bytecodes" else monitoring.events.LINE
        disable = monitoring.DISABLE

        # Not disabled for code of the program: 3.13 then loses, from the second call on, the event of a line that
        # begins with the code itself, as a lambda's does. So the points of a schedule would depend on what ran before.
        def started(code: CodeType, offset: int) -> Any:
            if id(code) in self._watched:
                return None
            if not self.belongs(code):
                return disable
            self._watched[id(code)] = code
            monitoring.set_local_events(tool, code, event)
            return None

        monitoring.register_callback(tool, monitoring.events.PY_START, started)
        monitoring.register_callback(tool, monitoring.events.PY_RESUME, started)
        if self.at == "bytecodes":
            step, seen, called = self.baton.line, self.races.seen, self.races.called

            def started_call(code: CodeType, offset: int) -> Any:
                called(sys._getframe(1))
                return started(code, offset)

            monitoring.register_callback(tool, monitoring.events.PY_START, started_call)

            def instruction(code: CodeType, offset: int) -> Any:
                shared = self.shared(code)
                if offset not in shared:
                    return disable
                step(code, offset)
                seen(sys._getframe(1), offset)
                return None

            monitoring.register_callback(tool, event, instruction)
        else:
            monitoring.register_callback(tool, event, self.baton.line)
        monitoring.set_events(tool, monitoring.events.PY_START | monitoring.events.PY_RESUME)
        monitoring.restart_events()

    # --- 3.11 -----------------------------------------------------------------------------------------------------

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if event != "call" or not self.belongs(frame.f_code):
            return None
        if self.at == "lines":
            return self._trace_line
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        self.races.called(frame)
        return self._trace_opcode

    def _trace_line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.baton.line(frame.f_code, frame.f_lineno)
        return self._trace_line

    def _trace_opcode(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode" and frame.f_lasti in self.shared(frame.f_code):
            self.baton.line(frame.f_code, frame.f_lasti)
            self.races.seen(frame, frame.f_lasti)
        return self._trace_opcode
