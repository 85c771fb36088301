"""Copies of a stream.

FINN joins one output to one input, so a tensor with several readers passes an operator of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops import operator
from pyqkit.hardware.estimator import Estimate, Placed, estimates
from pyqkit.hardware.resources import Resources
from pyqkit.hls.emitter import Emitter, emits

_CONTROL = Resources(30, 50, 40)


@operator
@dataclass
class Fork(Operator):
    """Every output is the input."""

    kind = "fork"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        return [replace(tensor, name=name) for name in self.outputs]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        return [inputs[0]] * len(self.outputs)

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        return [np.arange(1, tensors[0].pixels + 1)]


@emits("fork")
def fork(e: Emitter, op: Operator) -> None:
    """A chain of blocks with two outputs."""
    source = e.input(op)
    (tensor,) = e.graph.input_tensors(op)
    branches = [e.result(name, source.bits, source.lanes) for name in op.outputs]
    e.produced.update(zip(op.outputs, branches))
    e.chain(source, codes(tensor) // source.lanes, branches, f"{op.name}_rest")


@estimates("fork")
def estimate(placed: Placed) -> Estimate:
    """A word a cycle; a register for every copy."""
    (lanes,) = placed.lanes
    width = lanes * placed.inputs[0].format.bits
    return Estimate(
        lanes,
        codes(placed.inputs[0]) // lanes,
        Resources(width, 2 * width, width) + _CONTROL,
    )
