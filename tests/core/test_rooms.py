"""The rooms of the core: imports point down only, and each module has a stub."""

import re
from pathlib import Path

import pytest

import interlock.core

CORE = Path(interlock.core.__path__[0])
MAY_IMPORT = {
    "kernel": {"kernel"},
    "tasks": {"kernel", "tasks"},
    "graph": {"kernel", "tasks", "graph"},
    "primitives": {"kernel", "tasks", "graph", "primitives"},
    "record": {"kernel", "tasks", "record"},
    "explain": {"kernel", "tasks", "graph", "primitives", "explain"},
}
IMPORT = re.compile(r"^(?:from|import|cimport) (?:cython\.cimports\.)?interlock(?:\.core(?:\.(\w+))?)?", re.MULTILINE)


def test_there_is_no_other_room() -> None:
    rooms = {path.name for path in CORE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert rooms == set(MAY_IMPORT)
    assert not [path.name for path in CORE.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_down(room: str) -> None:
    """What stands at the left margin; inside a function, only `explain` may be imported, when something was found."""
    for path in [*(CORE / room).glob("*.py"), *(CORE / room).glob("*.pxd")]:
        found = set(IMPORT.findall(path.read_text(encoding="utf-8")))
        assert found <= MAY_IMPORT[room], f"{path.relative_to(CORE)} imports from {sorted(found - MAY_IMPORT[room])}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_late_imports_are_of_explanations(room: str) -> None:
    late = re.compile(r"^ +(?:from|import) interlock\.core\.(\w+)", re.MULTILINE)
    for path in (CORE / room).glob("*.py"):
        found = set(late.findall(path.read_text(encoding="utf-8")))
        assert found <= MAY_IMPORT[room] | {"explain"}, f"{path.relative_to(CORE)} imports {sorted(found)}"


def test_what_is_compiled_has_a_stub() -> None:
    for path in CORE.rglob("*.pxd"):
        if path.with_suffix(".py").exists():
            assert path.with_suffix(".pyi").exists(), f"{path.relative_to(CORE)} has no .pyi"
