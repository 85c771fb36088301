"""Microscale: blocks of channels to integers that share a power of two, found from the largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats.microscopiq import BlockActivation
from pyqkit.graph.fields import whole_field
from pyqkit.graph.graph import Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator


@operator
@dataclass
class Microscale(Operator):
    """Blocks of 128 channels of a pixel as `pyqkit.formats.microscopiq.microscale` makes them.

    The integers of the result count from two to the lowest exponent.

    Attributes
    ----------
    width : int
        Bits of an element: 4 or 8.
    lowest : int
        Exponent, of the integers of the input; the highest one is seven more.
    """

    width: int = whole_field(least=4, default=8)
    lowest: int = whole_field(default=0)

    kind = "microscale"
    streamed = False

    def check(self) -> None:
        expect(self.width in (4, 8) and self.lowest < 64, self, "elements that have neither 4 nor 8 bits")

    @property
    def format(self) -> BlockActivation:
        """Of the result."""
        return BlockActivation(self.width)

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        return [Tensor.of(self.outputs[0], inputs[0].shape, self.format)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        integers = to_integers(inputs[0], tensors[0].format).astype(np.float64)
        return [self.format.of_integers(self.format.scaled(integers, self.lowest))]
