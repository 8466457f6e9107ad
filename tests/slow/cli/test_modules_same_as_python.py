"""Each program of `tests/cli/test_same_as_python.py` once more, as a module."""

from pathlib import Path

import pytest
from test_same_as_python import MODULES, assert_same_as_module


@pytest.mark.parametrize("what", MODULES)
def test_a_module(tmp_path: Path, what: str) -> None:
    assert_same_as_module(tmp_path, what)
