"""The leaks of `tests/promises`, looked for over more operations and more threads."""

import pytest
from promises.own_process import in_own_process
from promises.test_leaks import USES, live_and_end, operate


@pytest.mark.parametrize("kind", USES)
def test_a_million_operations(kind: str) -> None:
    in_own_process(operate, kind, 1_000_000)


def test_ten_thousand_threads() -> None:
    in_own_process(live_and_end, 10_000)
