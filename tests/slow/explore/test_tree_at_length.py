"""The reduction of `--all` on many random programs."""

import pytest
from test_tree import outcomes, random_program


@pytest.mark.timeout(600)
@pytest.mark.parametrize("timed", [False, True])
def test_the_reduction_loses_no_outcome(timed):
    every = fewer = compared = 0
    for seed in range(1_000, 1_040):
        program = random_program(seed, timed)
        whole, count = outcomes(program, reduce=False, most=2_000)
        if whole is None:
            continue  # too many to try them all
        reduced, reduced_count = outcomes(program, reduce=True)
        assert reduced == whole, f"seed {seed}"
        every, fewer, compared = every + count, fewer + reduced_count, compared + 1
    assert compared >= 5
    assert fewer < every
