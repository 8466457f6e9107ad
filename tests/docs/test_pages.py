"""The pages tell the truth: every program on them runs, and prints what the page says.

A ```python block is a program. The ```output block after it is what it prints; in ```output-masked numbers and
addresses may differ. A ```console block starts with `$ ` and a command of the project, run in a directory that looks
like the root of the checkout; what follows is what it prints on both streams, or on stderr alone where the command ends
with `>/dev/null`, numbers masked. A line of `...` in it stands for lines that are not shown. There may be more commands
in a block: they share the directory, so that one can read what another has written.
"""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|output|output-masked|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MASKED = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?(?: ?(?:ns|µs|ms|s)\b)?|[ \-─]{2,}")


def blocks(page: Path) -> list[tuple[int, str, str]]:
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in BLOCK.finditer(text)]


def programs() -> list[object]:
    found: list[object] = []
    for page in PAGES:
        kinds = blocks(page)
        for number, (line, kind, text) in enumerate(kinds):
            expected = kinds[number + 1] if number + 1 < len(kinds) else (0, "", "")
            name = f"{page.relative_to(ROOT)}:{line}"
            if kind == "python":
                found.append(pytest.param(text, expected[1], expected[2], id=name))
    return found


def commands() -> list[object]:
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}:{line}")
        for page in PAGES
        for line, kind, text in blocks(page)
        if kind == "console"
    ]


def mask(text: str) -> str:
    return MASKED.sub("#", text)


def run(command: list[str], cwd: Path = ROOT, **streams: object) -> subprocess.CompletedProcess[str]:
    # A report of who waited is shown: with shorter pauses one thread may be through before the next has started.
    scale = "1" if "run" in command and "--quiet" not in command else "0.05"
    environment = {**os.environ, "INTERLOCK_SLEEP_SCALE": scale, "NO_COLOR": "1"}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, encoding="utf-8", timeout=100, **streams
    )


@pytest.mark.parametrize(("program", "kind", "expected"), programs())
def test_program(program: str, kind: str, expected: str) -> None:
    result = run([sys.executable, "-c", program], capture_output=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    if kind == "output":
        assert result.stdout == expected
    elif kind == "output-masked":
        assert mask(result.stdout) == mask(expected)


@pytest.mark.parametrize("text", commands())
def test_command(text: str, tmp_path: Path) -> None:
    assert text.startswith("$ "), "a console block starts with '$ '"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for one in text[2:].split("\n$ "):
        check_command(*one.partition("\n")[::2], tmp_path)


def check_command(command: str, expected: str, directory: Path) -> None:
    words = shlex.split(command)
    assert words[0] == "interlock", f"only commands of the project are shown, not {words[0]!r}"
    if words[-1] == ">/dev/null":
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        result = run([sys.executable, "-m", *words[:-1]], directory, **streams)
        printed = result.stderr
    else:
        result = run([sys.executable, "-m", *words], directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        printed = result.stdout
    assert result.returncode == (3 if "--on-stall=exit" in words else 1 if "explore" in words else 0), printed
    # The rows of a report are sorted by what was measured.
    shown, said = (Counter(mask(lines).splitlines()) for lines in (expected, printed.replace(f"{directory}/", "")))
    if "..." in shown:
        del shown["..."]
        assert shown <= said, f"not printed: {sorted(shown - said)}\nprinted: {printed}"
    else:
        assert sorted(shown.elements()) == sorted(said.elements())


def test_pages_have_programs() -> None:
    assert programs()
    assert commands()


def test_every_program_that_gets_stuck_is_on_its_page() -> None:
    page = (ROOT / "docs" / "stuck.md").read_text(encoding="utf-8")
    for program in sorted((ROOT / "examples" / "stuck").glob("*.py")):
        assert f" examples/stuck/{program.name}\n" in page, f"no output of {program.name}"
