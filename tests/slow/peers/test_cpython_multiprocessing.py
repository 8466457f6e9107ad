"""CPython's own tests of what `multiprocessing` synchronizes with pass on the primitives of `interlock.machine`."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import interlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="interlock.machine is for Linux")

RUNNER = Path(__file__).with_name("run_multiprocessing_suite.py")

# They run too, and each must fail: one that passes leaves this list.
EXCLUDED = {
    "WithTestEvent.test_repr": "wants repr() to begin with <Event; ours say where they come from",
    "WithTestQueue.test_queue_feeder_donot_stop_onexc": "puts what cannot be pickled and wants a thread to find that "
    "out later; ours says it in put()",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_suite(method: str, tmp_path: Path) -> None:
    run(method, tmp_path)


def run(method: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test._test_multiprocessing") is None:
        pytest.skip(f"this Python {sys.version.split()[0]} was installed without CPython's tests")
    report = tmp_path / "report.json"
    arena = tmp_path / "arena"
    arena.mkdir(mode=0o700)
    process = subprocess.run(
        [sys.executable, RUNNER, method, report],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(interlock.__file__).parents[1]), "INTERLOCK_MACHINE_DIR": str(arena)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    assert report.exists(), process.stdout
    happened = json.loads(report.read_text())
    failed = {test.removeprefix("__main__.").replace("With_", "With"): why for test, why in happened["failed"].items()}
    unexpected = [why for test, why in failed.items() if test not in EXCLUDED]
    assert not unexpected, "\n\n".join(unexpected)
    assert set(failed) == set(EXCLUDED), "the list of exclusions is out of date"
    assert len(happened["run"]) - len(failed) - len(happened["skipped"]) >= 30, happened
    assert "\nProcess " not in process.stdout, f"a child has failed, which its test did not notice:\n{process.stdout}"
