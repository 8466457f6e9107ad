"""Compiles `empty.py` into build/bench/ with the core's own directives and compiler options, and loads it from there.

python -m benchmarks.floor      # compile it, where it is out of date
"""

import importlib.machinery
import importlib.util
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from benchmarks import KEPT, ROOT

SOURCE = Path(__file__).with_name("empty.py")
SETUP = ROOT / "setup.py"
MODULE = "floor_empty"


def compiled(kept: Path = KEPT) -> Path:
    return kept / f"{MODULE}{sysconfig.get_config_var('EXT_SUFFIX')}"


def load(kept: Path = KEPT) -> ModuleType | None:
    """The module, or None where nobody has compiled it."""
    path = compiled(kept)
    if MODULE in sys.modules:
        return sys.modules[MODULE]
    if not path.exists():
        return None
    loader = importlib.machinery.ExtensionFileLoader(MODULE, str(path))
    spec = importlib.util.spec_from_file_location(MODULE, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[MODULE] = module
    return module


def compile_into(kept: Path = KEPT) -> None:
    """Where it is newer than its source, what is there stays."""
    path = compiled(kept)
    newest = max(source.stat().st_mtime for source in (SOURCE, SETUP))
    if path.exists() and path.stat().st_mtime > newest:
        return
    work = kept / "floor"
    work.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SOURCE, work / f"{MODULE}.py")
    # In a process of its own: setuptools leaves much behind, and is not to be imported where things are measured.
    subprocess.run([sys.executable, "-m", "benchmarks.floor", str(work), str(kept)], cwd=ROOT, check=True)


def build(work: Path, into: Path) -> None:
    from Cython.Build import cythonize
    from setuptools import Extension, setup

    core = runpy.run_path(str(SETUP), run_name="core")  # its directives and options, without its setup()
    setup(
        script_name="setup.py",
        script_args=["--quiet", "build_ext", "--force"],
        ext_modules=cythonize(
            [Extension(MODULE, [str(work / f"{MODULE}.py")], define_macros=[("CYTHON_WITHOUT_ASSERTIONS", "1")])],
            compiler_directives=core["DIRECTIVES"],
            force=True,
            quiet=True,
        ),
        cmdclass={"build_ext": core["BuildExt"]},
        options={"build_ext": {"build_lib": str(into), "build_temp": str(work)}},
    )
