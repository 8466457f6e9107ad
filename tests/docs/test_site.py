"""What the site's own code does; that the site is whole, `make docs` says."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_broken_links_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = tool("check_links").main
    (tmp_path / "a.html").write_text('<h1 id="top">A</h1><a href="b.html#end">b</a><a href="https://elsewhere/">e</a>')
    (tmp_path / "b.html").write_text('<p id="end">B</p><a href="a.html#top">a</a><img src="p.png">')
    (tmp_path / "p.png").write_bytes(b"")
    check(tmp_path)
    assert capsys.readouterr().out == "3 links of 2 pages lead to what is there\n"
    (tmp_path / "b.html").write_text('<a href="c.html">c</a><a href="a.html#bottom">a</a><a href="a.html#top">a</a>')
    with pytest.raises(SystemExit) as stopped:
        check(tmp_path)
    assert sorted(str(stopped.value).splitlines()) == [
        "a.html: b.html#end leads to no place in its page",
        "b.html: a.html#bottom leads to no place in its page",
        "b.html: c.html leads nowhere",
    ]


def test_interpreters_are_found_where_they_run() -> None:
    find = tool("wheels").find
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert find("3.1") is None
    found = find(version)
    if found is None:
        pytest.skip(f"this machine has no python{version} but the one that runs the tests")
    assert Path(found).name == f"python{version}"


def test_every_page_stands_in_the_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        if name != "index":
            patterns = [line for line in index.splitlines() if line.endswith("*")]
            listed = name in index.splitlines() or any(Path(name).match(pattern) for pattern in patterns)
            assert listed, f"docs/{name}.md stands in no toctree of index.md"


def test_every_command_stands_on_its_page_with_its_exit_codes() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "interlock", "--help"], capture_output=True, encoding="utf-8", check=True, timeout=60
    ).stdout
    commands = re.findall(r"^    (\w+) ", told.partition("commands:")[2].partition("examples:")[0], re.MULTILINE)
    assert {"run", "explore", "report"} <= set(commands)
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    codes = page.partition("## Exit codes")[2]
    for command in commands:
        assert f"\n## interlock {command}\n" in page, command
        assert f"```{{interlock-help}} {command}\n" in page, command
        assert f"| `{command}` |" in codes, command
    # And nothing that is not there.
    assert sorted(re.findall(r"^## interlock (\w+)$", page, re.MULTILINE)) == sorted(commands)
