"""The suites of other projects pass with the drop-in installed: they are built on the standard library's primitives."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

RUN = """
import sys
import interlock
interlock.install(asyncio=True)
sys.path.insert(0, {site!r})
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
QUEUES_NEED = ["janus", "culsans", "aiologic", "pytest-asyncio", "pytest"]
# A release whose suite passes without us, too, on the interpreters that we have.
ANYIO = "anyio==4.15.1"
ANYIO_NEEDS = [ANYIO, "trio", "pytest", "pytest-mock", "psutil", "trustme", "hypothesis", "blockbuster"]
ANYIO_FILES = (
    "synchronization",
    "taskgroups",
    "from_thread",
    "to_thread",
    "lowlevel",
    "debugging",
    "eventloop",
    "futures",
)


def pip(*arguments: str) -> None:
    """Run pip; skip where it cannot get what is asked for."""
    ran = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if ran.returncode:
        pytest.skip(f"pip {arguments[0]} failed: {ran.stderr.strip().splitlines()[-1:]}")


def suite(project: str, needs: list[str], directory: Path) -> tuple[Path, Path]:
    """Where what it needs is installed, and its source with the tests."""
    site = directory / "site"
    pip("install", "--quiet", "--target", str(site), *needs)
    name = project.partition("=")[0]
    pip("download", "--quiet", "--no-deps", "--no-binary", name, "--dest", str(directory), project)
    (archive,) = directory.glob(f"{name}*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(directory / "source", filter="data")
    (source,) = (directory / "source").iterdir()
    return site, source


def run(site: Path, directory: Path, *arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", RUN.format(site=str(site)), "-q", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("project", "files"),
    [("janus", ("tests/test_sync.py", "tests/test_async.py", "tests/test_mixed.py")), ("culsans", ("tests",))],
)
def test_queues_of_threads_and_tasks(project: str, files: tuple[str, ...], tmp_path: Path) -> None:
    site, source = suite(project, QUEUES_NEED, tmp_path)
    files = tuple(str(source / each) for each in files)
    run(site, tmp_path, "-c", "/dev/null", "--rootdir", str(source), "-o", "asyncio_mode=auto", *files)


@pytest.mark.timeout(900)
def test_anyio(tmp_path: Path) -> None:
    site, source = suite(ANYIO, ANYIO_NEEDS, tmp_path)
    files = [f"tests/test_{each}.py" for each in ANYIO_FILES]
    # Its settings ask for plugins of which we have no need. Its assertions are rewritten, ours need not be.
    settings = ["-p", "anyio", "-p", "pytest_mock", "-o", "addopts=", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    run(site, source, *settings, "tests/streams/test_memory.py", *files)
