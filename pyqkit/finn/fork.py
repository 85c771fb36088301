"""Copies of a stream.

FINN joins one output to one input, so a tensor with several readers passes an operator of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops import operator
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.survey import Estimate, Site, estimates
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
    words = int(np.prod(tensor.shape)) // source.lanes
    for index, name in enumerate(op.outputs[:-1]):
        branch = e.stream(f"{name}_stream", source.bits, source.lanes)
        last = index == len(op.outputs) - 2
        rest = e.stream(
            f"{op.outputs[-1] if last else f'{op.name}_rest_{index}'}_stream", source.bits, source.lanes
        )
        e.process(
            f"{name}_fork",
            f"pyqkit::fork<{source.code}, {words}, {source.lanes}>({source.name}, {branch.name}, "
            f"{rest.name})",
        )
        e.produced[name], e.produced[op.outputs[-1]] = branch, rest
        source = rest


@estimates("fork")
def estimate(site: Site) -> Estimate:
    """A word a cycle; a register for every copy."""
    (lanes,) = site.lanes
    width = lanes * site.inputs[0].format.bits
    return Estimate(
        lanes,
        site.inputs[0].pixels * site.inputs[0].shape[2] // lanes,
        Resources(width, 2 * width, width) + _CONTROL,
    )
