"""What the explorer's control costs where nobody explores: machine instructions of an operation, with and without it.

Each operation that the explorer decides about asks one C flag. Here the same C files are compiled a second time with
that flag a constant 0, so that the compiler takes the questions out, and callgrind counts the instructions of both.
Counts do not depend on how busy the machine is. It needs what `make build` has left in build/, a C compiler and
valgrind.

    python -m benchmarks.off_cost
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import interlock

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("lock", "rlock", "event", "semaphore", "queue_base", "queue")
FLAG = re.compile(r"^(\s*#define (__pyx_v_\w+_control_controlling)) \(\*__pyx_vp_\w+\)$", re.MULTILINE)
SETUP = "import interlock as i; l=i.Lock(); r=i.RLock(); e=i.Event(); s=i.Semaphore(1); q=i.Queue()"
OPERATIONS = {
    "with lock": "with l: pass",
    "with rlock": "with r: pass",
    "event.is_set()": "e.is_set()",
    "event.set(), clear()": "e.set(); e.clear()",
    "with semaphore": "with s: pass",
    "queue.put(), get()": "q.put(1); q.get()",
}
TIMES = 20_000


def generated() -> Path:
    """Where the C files of this interpreter are."""
    for each in (ROOT / "build").glob(f"{sysconfig.get_config_var('SOABI').rpartition('-gnu')[0]}*/c"):
        return each / "src" / "interlock" / "core" / "primitives"
    raise SystemExit("there are no C files in build/: run make build first")


def build(source: Path, target: Path, without: bool) -> None:
    """Compile one module, with the flag or without it."""
    text = source.read_text()
    if without:
        text, times = FLAG.subn(r"\1 (0)", text)
        if times != 1:
            raise SystemExit(f"{source} does not ask the flag as it did: mend benchmarks/off_cost.py")
    changed = target.with_suffix(".c")
    changed.write_text(text)
    compiler = sysconfig.get_config_var("CC").split()
    include = [f"-I{sysconfig.get_path('include')}", f"-I{ROOT / 'src'}", f"-I{source.parent}"]
    subprocess.run(
        [*compiler, "-O3", "-w", "-fPIC", "-shared", *include, "-DCYTHON_PROFILE=0", "-o", target, changed], check=True
    )
    changed.unlink()


def instructions(root: Path, statement: str) -> float:
    """Instructions of one run of a statement: of many, less those of none."""
    counts = []
    for times in (0, TIMES):
        code = f"{SETUP}\ndef repeat(n):\n for _ in range(n):\n  {statement}\nrepeat({times})"
        ran = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-S", "-c", code],
            env={"PYTHONPATH": str(root), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            encoding="utf-8",
        )
        found = re.search(r"Collected : (\d+)", ran.stderr)
        if found is None or ran.returncode:
            raise SystemExit(f"callgrind has counted nothing:\n{ran.stderr}")
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / TIMES


def main() -> None:
    if shutil.which("valgrind") is None:
        raise SystemExit("this needs valgrind")
    source = generated()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    with tempfile.TemporaryDirectory() as directory:
        trees = {}
        for name in ("with", "without"):
            trees[name] = Path(directory, name)
            shutil.copytree(ROOT / "src" / "interlock", trees[name] / "interlock")
            for module in MODULES:
                if FLAG.search((source / f"{module}.c").read_text()):
                    place = trees[name] / "interlock" / "core" / "primitives"
                    build(source / f"{module}.c", place / f"{module}{suffix}", name == "without")
        print(f"interlock {interlock.__version__}: machine instructions of an operation, control being off")
        print(f"  {'':<22} {'without':>9} {'with':>9}  {'more':>6}")
        for name, statement in OPERATIONS.items():
            off, on = (instructions(trees[which], statement) for which in ("without", "with"))
            print(f"  {name:<22} {off:>9,.1f} {on:>9,.1f}  {on / off - 1:>6.1%}")


if __name__ == "__main__":
    main()
