"""Integers times a factor of their channel, and a number of their own added: positions of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import array_field
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator

_BITS = 62  # of a sum


@operator
@dataclass
class PixelOffset(Operator):
    """``factors[c] * integer + offsets[y, x, c]``, exactly.

    What tells a transformer where a token lies (its position embedding), and the class token, which is a
    pixel of zeros before.

    Attributes
    ----------
    factors : numpy.ndarray, int64, shape (channels,)
    offsets : numpy.ndarray, int64, shape (height, width, channels)
    """

    factors: np.ndarray = array_field()
    offsets: np.ndarray = array_field(sized=True)

    kind = "pixel_offset"

    def check(self) -> None:
        sound = self.factors.dtype == self.offsets.dtype == np.int64 and self.offsets.ndim == 3
        expect(sound and self.offsets.size > 0, self, "factors and offsets that are no int64 tables")
        expect(self.factors.shape == self.offsets.shape[2:], self, f"{self.factors.shape} factors")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        expect(
            self.offsets.shape == tensor.shape,
            self,
            f"offsets of shape {self.offsets.shape} instead of {tensor.shape}",
        )
        pairs = list(zip(self.factors.tolist(), *self._ends()))
        low = min(min(f * tensor.low, f * tensor.high) + least for f, least, _ in pairs)
        high = max(max(f * tensor.low, f * tensor.high) + most for f, _, most in pairs)
        if max(-low, high) >= 2**_BITS:
            raise GraphError(
                f"sums of at most {_BITS} bits were expected by {self.name}, but {low} to {high} came; "
                "quantise the constant that is added"
            )
        return [Tensor.accumulator(self.outputs[0], tensor.shape, low, high)]

    def _ends(self) -> tuple[list[int], list[int]]:
        """Smallest and largest offset of each channel."""
        return self.offsets.min(axis=(0, 1)).tolist(), self.offsets.max(axis=(0, 1)).tolist()

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        sums = to_integers(inputs[0], tensors[0].format).astype(np.int64) * self.factors + self.offsets
        (output,) = self.infer(tensors)
        return [output.format.from_integers(sums)]  # type: ignore[attr-defined]
