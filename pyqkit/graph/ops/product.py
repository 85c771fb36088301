"""Product of two streams, element by element: what a gate does to its main branch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import product
from pyqkit.graph.folding import Axis, Folding, FoldingSpace
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect
from pyqkit.graph.ops import operator

WIDEST = 16  # bits of a code that is multiplied


@dataclass(frozen=True)
class ProductFolding(Folding):
    """Parallelism of one product.

    Attributes
    ----------
    pe : int
        Channels at a time.
    """

    pe: int = 1


@operator
@dataclass
class Product(Operator):
    """output = integer of the first input * integer of the second, exactly, in any two formats."""

    kind = "product"
    folding_type = ProductFolding

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        expect(len(inputs) == 2, self, f"{len(inputs)} inputs instead of two")
        left, right = inputs
        if left.shape != right.shape:
            raise GraphError(
                f"equal shapes were expected by {self.name}, but {left.shape} and {right.shape} came"
            )
        if max(left.format.bits, right.format.bits) > WIDEST:
            raise GraphError(
                f"codes of at most {WIDEST} bits were expected by {self.name}, but {left.format} and "
                f"{right.format} came; quantise both factors"
            )
        if left.format.is_logarithmic and right.format.is_logarithmic:
            pair = product(left.format, right.format)
            low, high = pair.low, pair.high
        else:
            ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            low, high = min(ends), max(ends)
        if max(-low, high) >= 2**63:
            raise GraphError(
                f"products of at most 64 bits were expected by {self.name}, but {left.format} times "
                f"{right.format} came; use formats with a smaller range"
            )
        return [Tensor.accumulator(self.outputs[0], left.shape, low, high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        pair = product(tensors[0].format, tensors[1].format)
        (output,) = self.infer(tensors)
        return [output.format.from_integers(pair.of(*inputs).astype(np.int64))]  # type: ignore[attr-defined]

    def macs(self, tensors: list[Tensor]) -> int:
        return tensors[0].pixels * tensors[0].shape[2]

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        return FoldingSpace(ProductFolding, (Axis("pe", tensors[0].shape[2]),))
