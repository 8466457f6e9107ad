"""The words of the command line."""

from pathlib import Path

import pytest
from launch import INTERLOCK, python

import interlock
from interlock.cli import main
from interlock.cli.parser import parse
from interlock.cli.run import Request


def request(**wanted: object) -> dict[str, object]:
    nothing = {"program": "", "module": None, "arguments": [], "quiet": False, "record": None, "timeline": None}
    nothing["internals"] = False
    nothing |= {"code": None, "events": None}
    return nothing | {"stall": None, "on_stall": "report"} | wanted


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("prog.py", request(program="prog.py")),
        (
            "prog.py --help -m x -- --quiet",
            request(program="prog.py", arguments=["--help", "-m", "x", "--", "--quiet"]),
        ),
        ("--quiet prog.py --quiet", request(program="prog.py", arguments=["--quiet"], quiet=True)),
        ("-- prog.py x", request(program="prog.py", arguments=["x"])),
        ("-- -prog.py -- x", request(program="-prog.py", arguments=["--", "x"])),
        ("--quiet -- -m", request(program="-m", quiet=True)),
        ("-m mod", request(module="mod")),
        ("-mmod -m x", request(module="mod", arguments=["-m", "x"])),
        ("--quiet -m mod --help", request(module="mod", arguments=["--help"], quiet=True)),
        ("-m mod -- --quiet", request(module="mod", arguments=["--", "--quiet"])),
        ("-c code x", request(code="code", arguments=["x"])),
        ("--quiet -ccode -c x", request(code="code", arguments=["-c", "x"], quiet=True)),
        ("--record r --events 5000 prog.py", request(program="prog.py", record="r", events=5000)),
        ("- x", request(program="-", arguments=["x"])),
        ("--record r prog.py --record", request(program="prog.py", arguments=["--record"], record="r")),
        ("--timeline=t.html --quiet prog.py", request(program="prog.py", timeline="t.html", quiet=True)),
        ("--timeline t --record r -m mod x", request(module="mod", arguments=["x"], timeline="t", record="r")),
        ("--stall 2.5 prog.py --stall x", request(program="prog.py", arguments=["--stall", "x"], stall=2.5)),
        ("--on-stall=exit prog.py", request(program="prog.py", on_stall="exit")),
        ("--on-stall exit -m mod", request(module="mod", on_stall="exit")),
    ],
)
def test_run(arguments: str, wanted: dict[str, object]) -> None:
    assert vars(parse(["run", *arguments.split()])) == wanted


def test_defaults_are_the_same_without_options() -> None:
    # `main` reads such a command line without argparse.
    assert vars(parse(["run", "prog.py", "x"])) == vars(Request("prog.py", ["x"]))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("run", "there is nothing to run"),
        ("run --", "there is nothing to run"),
        ("run --quiet", "there is nothing to run"),
        ("run -m", "expected one argument"),
        ("run --record", "expected one argument"),
        ("run --record x", "there is nothing to run"),
        ("run --quie prog.py", "unrecognized arguments: --quie"),
        ("run --quiet=3 prog.py", "ignored explicit argument"),
        ("run --stall prog.py", "argument --stall: not a number of seconds above 0: 'prog.py'"),
        ("run --stall 0 prog.py", "argument --stall: "),
        ("run --stall inf prog.py", "argument --stall: "),
        ("run --on-stall=stop prog.py", "invalid choice: 'stop'"),
        ("run --record r --events 0 prog.py", "argument --events: not a number of events above 0: '0'"),
        ("run --record r --events 1e3 prog.py", "argument --events: "),
        ("run --events 5 prog.py", "--events needs a recording"),
        ("run -c", "expected one argument"),
        ("run -x prog.py", "unrecognized arguments: -x"),
        ("prog.py", "invalid choice: 'prog.py'"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: str, complaint: str) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(arguments.split())
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("usage: interlock ")
    assert complaint in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "required: FILE"),
        ("a b", "unrecognized arguments: b"),
        ("--perfetto", "expected one argument"),
        ("--nonsense a", "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_usage_of_report(capsys: pytest.CaptureFixture[str], arguments: str, complaint: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["report", *arguments.split()])
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert err.startswith("usage: interlock report ")
    assert complaint in err.splitlines()[-1]


def test_help_of_report(tmp_path: Path) -> None:
    help = python(*INTERLOCK, "report", "--help", cwd=tmp_path)
    assert (help.status, help.err) == (0, "")
    for part in "FILE", "--json", "--perfetto OUT", "--timeline OUT.html", "examples:", "exit status:", "NO_COLOR":
        assert part in help.out
    assert max(map(len, help.out.splitlines())) <= 118


def test_nothing_asked_for_prints_help(tmp_path: Path) -> None:
    alone = python(*INTERLOCK, cwd=tmp_path)
    assert (alone.status, alone.err) == (0, "")
    assert alone == python(*INTERLOCK, "--help", cwd=tmp_path)
    assert "usage: interlock " in alone.out
    assert "examples:" in alone.out


def test_help_of_run(tmp_path: Path) -> None:
    help = python(*INTERLOCK, "run", "--help", "prog.py", cwd=tmp_path)
    assert (help.status, help.err) == (0, "")
    for part in (
        "PROGRAM [ARG ...]",
        "-m MODULE",
        "--quiet",
        "--record FILE",
        "--timeline OUT.html",
        "-c CODE",
        "--events N",
        "examples:",
        "how a run may end:",
        "exit status:",
        "NO_COLOR",
    ):
        assert part in help.out
    assert max(map(len, help.out.splitlines())) <= 118


def test_version(tmp_path: Path) -> None:
    said = python(*INTERLOCK, "--version", cwd=tmp_path)
    assert (said.status, said.out, said.err) == (0, f"interlock {interlock.__version__}\n", "")
