"""The pytest plugin in the processes of pytest-xdist, with every plugin that is installed."""

from test_pytest_plugin import (
    OTHERS,
    WATCHED,
    WATCHING,
    assert_every_test_is_looked_at,
    assert_others_are_explored,
    run_pytest,
)

__all__ = ["run_pytest"]


def test_unittest_hypothesis_and_timeouts(run_pytest):
    assert_others_are_explored(run_pytest(OTHERS, "-n", "2", plugins=None))


def test_every_test_is_looked_at(run_pytest):
    assert_every_test_is_looked_at(run_pytest(WATCHED, *WATCHING, "-n", "2", plugins=None))
