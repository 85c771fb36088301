"""Residual addition: integers of several tensors, each times a constant per channel, summed exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import Integer
from pyqkit.graph.fields import array_field
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator


@operator
@dataclass
class Add(Operator):
    """output[c] = sum over inputs i of ``multipliers[i, c] * integer of input i``.

    Attributes
    ----------
    multipliers : numpy.ndarray, int64, shape (inputs, channels)
        Align the scales of the branches; powers of two, often 1, where the scales are powers of two.
    """

    multipliers: np.ndarray = array_field()

    kind = "add"

    @property
    def switched(self) -> frozenset[str]:
        return frozenset({"multipliers"})

    def check(self) -> None:
        expect(
            self.multipliers.dtype == np.int64 and self.multipliers.ndim == 2,
            self,
            "multipliers that are no int64 table",
        )

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        shape = inputs[0].shape
        if any(t.shape != shape for t in inputs) or self.multipliers.shape != (len(inputs), shape[2]):
            raise GraphError(
                f"equal shapes were expected by {self.name}, but "
                f"{', '.join(str(t.shape) for t in inputs)} came"
            )
        low, high = self._ranges(inputs)[-1]
        if max(-low, high) >= 2**63:
            raise GraphError(
                f"sums of at most 64 bits were expected in {self.name}, but the scales of its branches "
                "need more; quantise both branches with the same power-of-two scale"
            )
        return [Tensor.accumulator(self.outputs[0], shape, low, high)]

    def partial_sums(self, inputs: list[Tensor]) -> list[Integer]:
        """Formats of the sums of the first two branches, the first three, and so on."""
        *partial, total = self._ranges(inputs)[1:]
        return [
            *(Integer.for_range(min(0, low), max(0, high)) for low, high in partial),
            Integer.for_range(*total),
        ]

    def _ranges(self, inputs: list[Tensor]) -> list[tuple[int, int]]:
        """Smallest and largest sum of the first branch, the first two, and so on."""
        low = high = np.zeros(inputs[0].shape[2], dtype=object)
        found = []
        for tensor, factors in zip(inputs, self.multipliers.astype(object)):
            ends = factors * tensor.low, factors * tensor.high
            low, high = low + np.minimum(*ends), high + np.maximum(*ends)
            found.append((int(low.min()), int(high.max())))
        return found

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        total = sum(
            factors * to_integers(codes, tensor.format)
            for factors, codes, tensor in zip(self.multipliers, inputs, tensors)
        )
        (output,) = self.infer(tensors)
        return [output.format.from_integers(np.asarray(total))]  # type: ignore[attr-defined]
