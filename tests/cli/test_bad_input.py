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


FILES = {
    "missing.py": "can't open file 'HERE/missing.py': [Errno 2] No such file or directory",
    "gone/missing.py": "can't open file 'HERE/gone/missing.py': [Errno 2] No such file or directory",
    "prog.py/x": "can't open file 'HERE/prog.py/x': [Errno 20] Not a directory",
    "empty": "can't find '__main__' module in 'HERE/empty'",
    "app.zip": "can't find '__main__' module in 'HERE/app.zip'",
    "syntax.py": "HERE/syntax.py:2: SyntaxError: '(' was never closed",
    "indent.py": "HERE/indent.py:2: IndentationError: expected an indented block after 'if' statement on line 1",
    "tab.py": "HERE/tab.py:3: TabError: inconsistent use of tabs and spaces in indentation",
    "broken": "HERE/broken/__main__.py:1: SyntaxError: invalid syntax",
    "cookie.py": "HERE/cookie.py: SyntaxError: unknown encoding: klingon",
    "latin.py": "HERE/latin.py:1: SyntaxError: (unicode error) 'utf-8' codec can't decode byte 0xe4 in position 0: "
    "unexpected end of data",
}
MODULES = {
    "missing": "No module named missing",
    "pack.missing": "No module named pack.missing",
    "missing.too": "Error while finding module specification for 'missing.too' (ModuleNotFoundError: No module named "
    "'missing')",
    "pack": "No module named pack.__main__; 'pack' is a package and cannot be directly executed",
    ".relative": "Relative module names not supported",
    "syntax": "HERE/syntax.py:2: SyntaxError: '(' was never closed",
    "bad": "HERE/bad/__init__.py:1: SyntaxError: invalid syntax",
    "broken": "HERE/broken/__main__.py:1: SyntaxError: invalid syntax",
}


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


# Where the wording is the compiler's own and moves between versions.
@pytest.mark.parametrize("name", ["null.py", "wrong.pyc"])
def test_no_program_at_all(tree: Path, name: str) -> None:
    refused = python(*INTERLOCK, "run", name, cwd=tree)
    assert re.fullmatch(rf"interlock: {re.escape(str(tree / name))}: \w+: .+\n", refused.err)
    assert (refused.status, refused.out) == (1, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_no_permission(tree: Path) -> None:
    (tree / "prog.py").chmod(0)
    assert_refused(tree, "prog.py", because="can't open file 'HERE/prog.py': [Errno 13] Permission denied")
