"""What was measured on."""

import importlib.metadata
import os
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

import interlock

LIBRARIES = ("aiologic", "anyio", "trio", "pyperf")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe() -> dict[str, Any]:
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = ""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0,)
    return {
        "processor": processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}"
        + (", without the GIL" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""),
        "compiler": platform.python_compiler(),
        "switch_interval_ms": sys.getswitchinterval() * 1e3,
        "load_when_it_began": round(load[0], 2),
        "interlock": interlock.__version__,
        "versions": versions,
    }
