"""The suites of janus and culsans pass with the drop-in installed: they are built on the standard library's locks."""

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
NEEDS = ["janus", "culsans", "aiologic", "pytest-asyncio", "pytest"]


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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the two are installed, with what their suites need."""
    target = tmp_path_factory.mktemp("site")
    pip("install", "--quiet", "--target", str(target), *NEEDS)
    return target


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("project", "files"),
    [("janus", ("tests/test_sync.py", "tests/test_async.py", "tests/test_mixed.py")), ("culsans", ("tests",))],
)
def test_their_suite_passes(project: str, files: tuple[str, ...], site: Path, tmp_path: Path) -> None:
    pip("download", "--quiet", "--no-deps", "--no-binary", "janus,culsans", "--dest", str(tmp_path), project)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (source,) = [each for each in tmp_path.iterdir() if each.is_dir()]
    ran = subprocess.run(
        [
            sys.executable, "-P", "-c", RUN.format(site=str(site)), "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
            "--rootdir", str(source), "-o", "asyncio_mode=auto", *[str(source / each) for each in files],
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
