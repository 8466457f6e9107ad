"""The reduction of `--all` on programs with thousands of schedules."""

import pytest
from test_tree import assert_reduction_loses_nothing


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_the_reduction_loses_no_outcome(seed):
    assert_reduction_loses_nothing(seed)
