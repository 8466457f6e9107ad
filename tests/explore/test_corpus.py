"""Each bug of the corpus is found, and its mended twin keeps quiet."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import interlock
from interlock.explore import ScheduleError

CORPUS = Path(__file__).with_name("corpus")
BUGS = sorted(CORPUS.glob("*_bug.py"))
TWINS = sorted(CORPUS.glob("*_ok.py"))


def load(path):
    with interlock.install(asyncio=True):
        spec = importlib.util.spec_from_file_location(f"corpus_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.test


def test_each_bug_has_a_twin():
    assert len(BUGS) >= 20
    assert [path.stem.removesuffix("_bug") for path in BUGS] == [path.stem.removesuffix("_ok") for path in TWINS]


@pytest.mark.parametrize("path", BUGS, ids=lambda path: path.stem)
def test_a_bug_is_found_and_replayed(path):
    function = load(path)
    with pytest.raises(ScheduleError) as caught:
        interlock.explore(function, schedules=200)
    error = caught.value
    assert len(error.token) <= 40
    with pytest.raises(ScheduleError) as again:
        interlock.explore(function, replay=error.token)
    assert again.value.exploration.story == error.exploration.story


@pytest.mark.parametrize("path", TWINS, ids=lambda path: path.stem)
def test_a_mended_twin_keeps_quiet(path):
    found = interlock.explore(load(path), schedules=50)
    assert found.kind is None, found.story


@pytest.mark.parametrize("name", ["transfer", "long_connections", "async_two_locks"])
def test_a_token_is_for_every_process(name):
    file = f"tests/explore/corpus/{name}_bug.py"
    root = Path(__file__).parents[2]

    def explore(*options):
        command = [sys.executable, "-m", "interlock", "explore", file, *options]
        ran = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", timeout=100)
        assert ran.returncode == 1, ran.stderr
        return ran.stdout.partition("\n")[2]

    first = explore()
    token = re.search(r"--replay (\S+)", first)[1]
    assert explore("--replay", token) == first
