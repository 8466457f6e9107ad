"""Install the servers that the tests of interlock.cluster talk to, where they are missing.

Debian's packages; their own services are not started. Without root, apt or a network nothing is done: the tests say
which server is missing, and `INTERLOCK_CI=1` makes that an error.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Program: package, and where else than on PATH it may lie.
PROGRAMS = {
    "redis-server": ("redis-server", ""),
    "etcd": ("etcd-server", ""),
    "pgbouncer": ("pgbouncer", "usr/sbin/pgbouncer"),
    "postgres": ("postgresql", "usr/lib/postgresql/*/bin/postgres"),
}
POLICY = Path("/usr/sbin/policy-rc.d")


def is_there(program: str, place: str) -> bool:
    return shutil.which(program) is not None or (place != "" and any(Path("/").glob(place)))


def main() -> None:
    packages = [package for program, (package, place) in PROGRAMS.items() if not is_there(program, place)]
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Not installed, since only root can with apt-get: {', '.join(packages)}", file=sys.stderr)
        return
    # Never upgraded: a server that runs would lose its own files under its feet.
    install = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", "--no-upgrade"]
    environment = os.environ | {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")  # "action forbidden": no service is started
        POLICY.chmod(0o755)
    try:
        print(f"Installing {', '.join(packages)}")
        for command in (["apt-get", "update"], [*install, *packages]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(f"{' '.join(command)}:\n{done.stderr[-2000:]}", file=sys.stderr)
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
