"""Compiles what is compiled of the package. Everything else about it stands in pyproject.toml.

A module anywhere under src/interlock is compiled when a .pxd of its name stands beside it, an empty one if need be;
every other module stays Python. So a room may have both, and a new one needs no word here.
"""

import filecmp
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler.Errors import CompileError
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

CPUS = os.cpu_count() or 1

# INTERLOCK_DEBUG=1 compiles the asserts in. Each interpreter and each flavour has its own directory, so neither a
# change of flavour nor two interpreters building at the same time can mix up what was built.
DEBUG = os.environ.get("INTERLOCK_DEBUG", "0") not in ("", "0")
ABI = sysconfig.get_config_var("EXT_SUFFIX").split(".")[1]
C_DIR = f"build/{ABI}/c"
BUILD_DIR = f"build/{ABI}/{'debug' if DEBUG else 'release'}"
LIB_DIR, TEMP_DIR = f"{BUILD_DIR}/lib", f"{BUILD_DIR}/temp"
WHEEL_DIR = f"{BUILD_DIR}/wheel"  # what goes into a wheel, and nothing that an earlier build has left

DIRECTIVES = {
    "language_level": 3,
    "freethreading_compatible": True,
    # Methods are CPython's own method descriptors, the fastest to call, and carry their signatures for inspect and
    # stubtest the way CPython's do.
    "binding": False,
    "embedsignature": True,
    "embedsignature.format": "clinic",
    # What holds a lock cannot be pickled, and no doctests are collected: the classes show their own members only.
    "auto_pickle": False,
    "autotestdict": False,
    # C semantics for division. Indexing keeps Python's: the core has no array loops, and [-1] must mean the last.
    "cdivision": True,
}


# -O2, but for these. By the instructions of whole operations -O3 is at most 1 % faster, and a tenth larger.
FASTEST = ("interlock.core.primitives.lock", "interlock.core.primitives.rlock", "interlock.core.primitives.semaphore")
# Small rather than fast: runs when something was found or is searched, blocks anyway, ends in system calls, or is rare.
SMALL = (
    "interlock.core.explain.",
    "interlock.core.graph.",
    "interlock.core.kernel.arguments",
    "interlock.core.kernel.control",
    "interlock.core.kernel.deadlock",
    "interlock.core.kernel.maker",
    "interlock.core.kernel.private",
    "interlock.core.kernel.timeouts",
    "interlock.core.kernel.wait",
    "interlock.core.primitives.barrier",
    "interlock.core.primitives.condition_foreign",
    "interlock.core.primitives.condition_tasks",
    "interlock.core.primitives.join",
    "interlock.core.primitives.latch",
    "interlock.core.primitives.priority_queue",
    "interlock.core.primitives.queue_call",
    "interlock.core.primitives.queue_open",
    "interlock.core.primitives.remote",
    "interlock.core.primitives.rwlock",
    "interlock.core.primitives.waitqueue",
    "interlock.core.primitives.within",
    "interlock.core.tasks.owner_watch",
    "interlock.explore.",
    "interlock.machine.",
)
NOT_SMALL = (
    # Every operation under `interlock run`.
    "interlock.core.explain.deeds",
    "interlock.core.explain.order",
    "interlock.machine.lock",
)

# In a wheel the compiled modules are linked into two files; `interlock/core/__init__.py` finds them there. Linked
# together, and optimized then, they are a third smaller: each alone has its own copy of what Cython adds to a module.
# Two, since a module is found by its last name, and both `core` and `machine` have a `lock`. In src/ each is a file of
# its own, so that one that has changed is compiled alone.
# Instructions in the order in which they were thought of are as fast for a processor that reorders them itself, and
# compress better by a fortieth.
PACKED = (
    *("-fno-align-functions", "-fno-align-jumps", "-fno-align-labels", "-fno-align-loops"),
    "-fno-schedule-insns2",
)
TOGETHER = {"core": "interlock/core/compiled", "machine": "interlock/machine/compiled"}


class BuildPy(build_py):
    """A wheel has the compiled modules, and not what they were compiled from."""

    def run(self):
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            for pxd in Path("src").rglob("*.pxd"):
                for source in pxd, pxd.with_suffix(".py"):
                    Path(self.build_lib, *source.parts[1:]).unlink(missing_ok=True)
            for header in Path("src").rglob("*.h"):
                Path(self.build_lib, *header.parts[1:]).unlink(missing_ok=True)


class BuildExt(build_ext):
    def finalize_options(self):
        super().finalize_options()
        if self.editable_mode or self.inplace:
            # An editable install would compile everything anew in a temporary directory.
            self.build_lib, self.build_temp = LIB_DIR, TEMP_DIR
        else:
            self.build_temp = f"{WHEEL_DIR}-temp"
        # Not the benchmark's floor either, which is built by this class, too.
        ours = all(extension.name.startswith("interlock.") for extension in self.extensions)
        self.together = ours and not (self.editable_mode or self.inplace or DEBUG) and links_together()

    def build_extensions(self):
        if self.compiler.compiler_type == "unix":
            for extension in self.extensions:
                # What an assert used is unused without it; nobody should have to read past that.
                extension.extra_compile_args = ["-O2", "-Wno-unused-function", "-Wno-unused-variable"]
                if not DEBUG:
                    # Without what only a debugger reads, which is five times what is run.
                    extension.extra_compile_args.append("-g0")
                    if extension.name in FASTEST:
                        extension.extra_compile_args.append("-O3")
                    if extension.name.startswith(SMALL) and extension.name not in NOT_SMALL:
                        extension.extra_compile_args.append("-Os")
                    if sys.platform == "linux":
                        extension.extra_link_args.append("-Wl,--strip-all")
                    if self.together:
                        extension.extra_compile_args += ["-flto", "-fvisibility=hidden", "-ffunction-sections", *PACKED]
        if self.together:
            self.link_together()
        else:
            super().build_extensions()

    def link_together(self):
        """Compile all modules, and link them into the files of `TOGETHER`."""
        objects = {room: [] for room in TOGETHER}
        link = self.compiler.link_shared_object

        def keep(compiled, file, *args, **options):
            objects["machine" if Path(file).parent.name == "machine" else "core"] += compiled

        self.compiler.link_shared_object = keep
        super().build_extensions()
        self.compiler.link_shared_object = link
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for room, compiled in objects.items():
            if compiled:
                file = Path(self.build_lib, TOGETHER[room] + suffix)
                file.parent.mkdir(parents=True, exist_ok=True)
                # Sorted by name, functions that all modules have in nearly the same form stand side by side: so they
                # compress well. A debugger reads .eh_frame itself, and needs no sorted table of where it begins.
                layout = ["-ffunction-sections", "-Wl,--gc-sections", "-Wl,--sort-section=name"]
                options = ["-O2", f"-flto={CPUS}", "-Wl,--strip-all", "-Wl,--no-eh-frame-hdr", *layout]
                link(sorted(compiled), str(file), extra_postargs=options, build_temp=self.build_temp)

    def run(self):
        super().run()
        if self.inplace:
            # What a module left that has moved or gone: it could still be imported.
            wanted = {Path(self.get_ext_fullpath(extension.name)).resolve() for extension in self.extensions}
            for found in Path("src").resolve().rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
                if found not in wanted:
                    found.unlink()

    def copy_file(self, built, in_place, **options):
        # Both flavours have one name in src/, so the age of the file there says nothing. A file that is right already
        # is left alone: somebody may be importing it.
        if os.path.exists(in_place) and filecmp.cmp(built, in_place, shallow=False):
            return in_place, False
        self.force = True
        return super().copy_file(built, in_place, **options)


def links_together():
    """Whether the compiler is gcc, whose link-time optimization is part of it and finds functions that are the same."""
    if sys.platform != "linux":
        return False
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        told = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return "Free Software Foundation" in told.stdout


def extensions():
    return [
        Extension(
            ".".join(path.relative_to("src").with_suffix("").parts),
            [str(path)],
            define_macros=[
                ("CYTHON_COMPRESS_STRINGS", "0"),  # see hide_tables
                *([] if DEBUG else [("CYTHON_WITHOUT_ASSERTIONS", "1")]),
            ],
            include_dirs=[str(path.parent)],
            depends=["setup.py", *map(str, sorted(path.parent.glob("*.h")))],
        )
        for path in sorted(pxd.with_suffix(".py") for pxd in Path("src/interlock").rglob("*.pxd"))
        # Between processes it is Linux alone that tells who has died.
        if path.exists() and (sys.platform == "linux" or path.parent.name != "machine")
    ]


def to_c(modules):
    # Cython compares the times of the sources only; changed directives must reach every module too.
    changed = Path(__file__).stat().st_mtime
    try:
        made = cythonize(
            modules,
            build_dir=C_DIR,
            compiler_directives=DIRECTIVES,
            force=any(c.stat().st_mtime < changed for c in Path(C_DIR).rglob("*.c")),
            nthreads=CPUS,
            quiet=True,
        )
    except CompileError as error:
        # What is wrong with the module has been printed; where Cython stood when it saw that is no help.
        sys.exit(f"not compiled: {error}")
    hide_tables()
    return made


def hide_tables(directory=C_DIR):
    """Give the table of C functions that stands in each class a name that help() leaves out: one underscore begins it.

    All modules find it by this name, so it is the same in each; and as long, since it stands in C among other strings.
    Cython breaks long literals in two where a compiler might find them too long: "so""so".
    """
    broken = re.compile(b'(?:"")?'.join(bytes([letter]) for letter in b"__pyx_vtable__"))
    for path in Path(directory).rglob("*.c"):
        text = path.read_bytes()
        hidden = broken.sub(lambda found: b"_pyx_functions" + found[0].count(b'"') * b'"', text)
        if hidden != text:
            path.write_bytes(hidden)


# cythonize may start worker processes, and those import this file.
if __name__ == "__main__":
    # These commands compile nothing, and pip and build run each of them before they build.
    compiles = not {"sdist", "egg_info", "dist_info"} & set(sys.argv)
    setup(
        ext_modules=to_c(extensions()) if compiles else extensions(),
        cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
        options={
            "build": {"build_base": BUILD_DIR, "build_lib": WHEEL_DIR, "build_temp": TEMP_DIR},
            "build_ext": {"parallel": CPUS},
        },
    )
