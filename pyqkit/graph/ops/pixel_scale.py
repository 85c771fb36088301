"""Integers times a factor of their pixel: what pixels at the border count more or less than others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import array_field
from pyqkit.graph.graph import Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator


@operator
@dataclass
class PixelScale(Operator):
    """Exact product of every pixel and its factor, the same for all channels.

    An average whose windows hold fewer pixels at the border is a sum of each window, this with the factors
    ``common multiple / pixels of the window``, and a divisor that all pixels share.

    Attributes
    ----------
    factors : numpy.ndarray, int64, shape (height, width)
        Positive.
    """

    factors: np.ndarray = array_field(sized=True)

    kind = "pixel_scale"

    def check(self) -> None:
        sound = self.factors.dtype == np.int64 and self.factors.ndim == 2 and self.factors.size > 0
        expect(sound and bool(self.factors.min() > 0), self, "factors that are no positive int64 table")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        expect(
            self.factors.shape == tensor.shape[:2],
            self,
            f"factors of {self.factors.shape} pixels instead of {tensor.shape[:2]}",
        )
        most = int(self.factors.max())
        ends = [min(tensor.low, tensor.low * most), max(tensor.high, tensor.high * most)]
        return [Tensor.accumulator(self.outputs[0], tensor.shape, *ends)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        scaled = to_integers(inputs[0], tensors[0].format) * self.factors[:, :, None]
        (output,) = self.infer(tensors)
        return [output.format.from_integers(scaled)]  # type: ignore[attr-defined]
