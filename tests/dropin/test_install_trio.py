"""trio runs on what is installed, whichever was imported first. Each program is a process of its own."""

import subprocess
import sys

import pytest

RUNS = """
import trio, interlock

async def main():
    lock = interlock.Lock()

    async def work():
        async with lock:
            await trio.to_thread.run_sync(int)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(work)

trio.run(main)
trio.run(main)
"""
INSTALLS = """
import sys
finders = list(sys.meta_path)
import interlock
interlock.install()

"""
PROGRAMS = {
    "before the import": INSTALLS
    + RUNS
    + "assert [each for each in sys.meta_path if type(each).__name__ != '_PatchersFinder'] == finders",
    "after the import": "import trio\n"
    + INSTALLS
    + RUNS
    + "assert [each for each in sys.meta_path if type(each).__name__ != '_PatchersFinder'] == finders",
    "after a run": RUNS + INSTALLS + RUNS,
    "twice": INSTALLS + RUNS + "interlock.uninstall()\n" + RUNS + "interlock.install()\n" + RUNS,
    "uninstalled before the import": INSTALLS + "interlock.uninstall()\n"
    "assert [each for each in sys.meta_path if type(each).__name__ != '_PatchersFinder'] == finders" + RUNS,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_trio_runs(name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAMS[name]], capture_output=True, text=True, timeout=60, check=False
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
