"""The models of `tests/models`, with more examples."""

import pytest
from models.machine import Machine
from models.test_models import KINDS, MACHINES, run_machine


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("machine", MACHINES)
def test_does_what_its_model_does_at_length(machine: type[Machine], kind: str) -> None:
    run_machine(machine, kind, 40)
