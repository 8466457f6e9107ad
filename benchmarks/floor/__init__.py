"""Compiles `empty.py`, `walk.py` and `hop.py` into build/bench/, with the core's own directives and compiler options,
and loads them from there.

python -m benchmarks.floor      # compile them, where they are out of date
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

HERE = Path(__file__).parent
SETUP = ROOT / "setup.py"
MODULE = "floor_empty"
WALK = "floor_walk"
HOP = "floor_hop"
SOURCES = {MODULE: HERE / "empty.py", WALK: HERE / "walk.py", HOP: HERE / "hop.py"}


def compiled(kept: Path = KEPT, module: str = MODULE) -> Path:
    return kept / f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"


def load(kept: Path = KEPT, module: str = MODULE) -> ModuleType | None:
    """The module, or None where nobody has compiled it."""
    path = compiled(kept, module)
    if module in sys.modules:
        return sys.modules[module]
    if not path.exists():
        return None
    loader = importlib.machinery.ExtensionFileLoader(module, str(path))
    spec = importlib.util.spec_from_file_location(module, path, loader=loader)
    assert spec is not None
    loaded = importlib.util.module_from_spec(spec)
    loader.exec_module(loaded)
    sys.modules[module] = loaded
    return loaded


def compile_into(kept: Path = KEPT) -> None:
    """Where it is newer than what it is made of, what is there stays."""
    paths = [compiled(kept, module) for module in SOURCES]
    # The walk calls into the core, by the places that things have in its objects.
    made_of = [*HERE.glob("*.p*"), SETUP, *(ROOT / "src" / "interlock" / "core" / "kernel").glob("*.pxd")]
    newest = max(source.stat().st_mtime for source in made_of)
    if all(path.exists() and path.stat().st_mtime > newest for path in paths):
        return
    work = kept / "floor"
    work.mkdir(parents=True, exist_ok=True)
    for module, source in SOURCES.items():
        shutil.copyfile(source, work / f"{module}.py")
        if source.with_suffix(".pxd").exists():
            shutil.copyfile(source.with_suffix(".pxd"), work / f"{module}.pxd")
    # In a process of its own: setuptools leaves much behind, and is not to be imported where things are measured.
    subprocess.run([sys.executable, "-m", "benchmarks.floor", str(work), str(kept)], cwd=ROOT, check=True)


def build(work: Path, into: Path) -> None:
    from Cython.Build import cythonize
    from setuptools import Extension, setup

    core = runpy.run_path(str(SETUP), run_name="core")  # its directives and options, without its setup()
    macros = [("CYTHON_COMPRESS_STRINGS", "0"), ("CYTHON_WITHOUT_ASSERTIONS", "1")]
    modules = cythonize(
        [Extension(module, [str(work / f"{module}.py")], define_macros=macros) for module in SOURCES],
        include_path=[str(ROOT / "src"), str(work)],
        compiler_directives=core["DIRECTIVES"],
        force=True,
        quiet=True,
    )
    # The walk finds the core's tables by the name that they have there.
    core["hide_tables"](work)
    setup(
        script_name="setup.py",
        script_args=["--quiet", "build_ext", "--force"],
        ext_modules=modules,
        cmdclass={"build_ext": core["BuildExt"]},
        options={"build_ext": {"build_lib": str(into), "build_temp": str(work)}},
    )
