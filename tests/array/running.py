"""Programs that run on machines as numpy arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyqkit.array.execute import ArrayState
from pyqkit.array.program import Call, Program, executed
from pyqkit.emulate.array import Sender
from tests.emulate.networks import Net


def sent_to(state: Sender) -> Callable[[Call], np.ndarray]:
    """Transfers to a machine."""

    def send(call: Call) -> np.ndarray:
        content = state.send(call.content)
        assert len(content) == call.result_bytes
        return np.frombuffer(content, np.uint8)

    return send


def loaded(program: Program) -> ArrayState:
    """A machine that has a program."""
    state = ArrayState(program.machine)
    assert state.send(program.setup()) == b""
    return state


def run(program: Program, codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Codes of the outputs, of a machine that does nothing else."""
    return executed(program, codes, sent_to(loaded(program)))


def agrees(net: Net, program: Program, state: Sender | None = None) -> None:
    """A program gives the codes of the definitions; in a machine that has it, or in a new one."""
    found = executed(program, net.codes, sent_to(state or loaded(program)))
    assert found.keys() == {port.tensor for port in net.graph.outputs}
    for name, codes in found.items():
        np.testing.assert_array_equal(codes, net.values[name], name)
