"""What cannot be run gets one clear line, python's exit code, and no report."""

import os
import re
from pathlib import Path

import pytest
from launch import INTERLOCK, python


def assert_refused(cwd: Path, *command: str, because: str) -> None:
    """`because`: the line after "interlock: ", with HERE for the directory."""
    alone = python(*command, cwd=cwd)
    for options in [], ["--quiet"]:
        refused = python(*INTERLOCK, "run", *options, *command, cwd=cwd)
        assert refused.err == f"interlock: {because.replace('HERE', str(cwd))}\n"
        assert (refused.status, refused.out) == (alone.status, "")
        assert alone.status != 0


def assert_shown_as_by_python(cwd: Path, *command: str) -> None:
    """A syntax error: with its line and a caret."""
    alone = python(*command, cwd=cwd)
    for options in [], ["--quiet"]:
        refused = python(*INTERLOCK, "run", *options, *command, cwd=cwd)
        assert refused.err.startswith("  File ") or refused.err.startswith("SyntaxError"), refused
        assert alone.err.endswith(refused.err), f"{refused}\n=== by python alone: {alone}"
        assert (refused.status, refused.out) == (alone.status, "")
        assert alone.status == 1


FILES = {
    "missing.py": "can't open file 'HERE/missing.py': [Errno 2] No such file or directory",
    "gone/missing.py": "can't open file 'HERE/gone/missing.py': [Errno 2] No such file or directory",
    "prog.py/x": "can't open file 'HERE/prog.py/x': [Errno 20] Not a directory",
    "empty": "can't find '__main__' module in 'HERE/empty'",
    "app.zip": "can't find '__main__' module in 'HERE/app.zip'",
}
MODULES = {
    "missing": "No module named missing",
    "pack.missing": "No module named pack.missing",
    "missing.too": "Error while finding module specification for 'missing.too' (ModuleNotFoundError: No module named "
    "'missing')",
    "pack": "No module named pack.__main__; 'pack' is a package and cannot be directly executed",
    ".relative": "Relative module names not supported",
}


WRONG_FILES = ["syntax.py", "indent.py", "tab.py", "broken"]
WRONG_MODULES = ["syntax", "bad", "broken"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in "empty", "broken", "pack", "bad":
        (tmp_path / name).mkdir()
    (tmp_path / "app.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    for name, text in {
        "prog.py": b"",
        "pack/__init__.py": b"",
        "bad/__init__.py": b"a b",
        "bad/__main__.py": b"",
        "broken/__init__.py": b"",
        "broken/__main__.py": b"a b",
        "syntax.py": b"print('not printed')\nx = (\n",
        "indent.py": b"if 1:\nx\n",
        "tab.py": b"if 1:\n        x\n\ty\n",
        "cookie.py": b"# coding: klingon\n",
        "latin.py": b"'\xe4'\n",
        "null.py": b"print(1)\n\0",
        "wrong.pyc": b"not compiled",
    }.items():
        (tmp_path / name).write_bytes(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_no_such_program(tree: Path, name: str) -> None:
    assert_refused(tree, name, because=FILES[name])


@pytest.mark.parametrize("name", MODULES)
def test_no_such_module(tree: Path, name: str) -> None:
    assert_refused(tree, "-m", name, because=MODULES[name])


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_of_wrong_syntax(tree: Path, name: str) -> None:
    assert_shown_as_by_python(tree, name)


@pytest.mark.parametrize("name", WRONG_MODULES)
def test_a_module_of_wrong_syntax(tree: Path, name: str) -> None:
    assert_shown_as_by_python(tree, "-m", name)


def test_a_string_of_wrong_syntax(tree: Path) -> None:
    assert_shown_as_by_python(tree, "-c", "x = (")


# Where the wording is the compiler's own and moves between versions.
@pytest.mark.parametrize("name", ["null.py", "cookie.py", "wrong.pyc"])
def test_no_program_at_all(tree: Path, name: str) -> None:
    refused = python(*INTERLOCK, "run", name, cwd=tree)
    assert re.fullmatch(rf"interlock: {re.escape(str(tree / name))}: \w+: .+\n", refused.err)
    assert (refused.status, refused.out) == (1, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_no_permission(tree: Path) -> None:
    (tree / "prog.py").chmod(0)
    assert_refused(tree, "prog.py", because="can't open file 'HERE/prog.py': [Errno 13] Permission denied")
