"""CPython's tests of `multiprocessing` on ours, in processes that are spawned, which takes half a minute."""

import sys
from pathlib import Path

import pytest
from test_cpython_multiprocessing import run


@pytest.mark.skipif(sys.platform != "linux", reason="interlock.machine is for Linux")
@pytest.mark.timeout(300)
def test_suite(tmp_path: Path) -> None:
    run("spawn", tmp_path)
