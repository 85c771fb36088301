"""Rows and columns change places within blocks of rows: what moves pixels from depth to space and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import whole_field
from pyqkit.graph.graph import Operator, Tensor, expect
from pyqkit.graph.ops import operator


@operator
@dataclass
class Transpose(Operator):
    """Each block of so many rows with rows and columns exchanged; channels stay together.

    ``output[b * width + x, y] = input[b * rows + y, x]`` for block b. Between two reshapes it moves channels
    to columns and rows (`rows` is the width of the image, a column of the input the part of a pixel that
    goes to one row of the output), and the other way round.

    Attributes
    ----------
    rows : int
        Of a block; divides the height.
    """

    rows: int = whole_field(least=1)

    kind = "transpose"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        height, width, channels = t.shape
        sound = 1 <= self.rows <= height and height % self.rows == 0
        expect(sound, self, f"blocks of {self.rows} rows in an image of {height}")
        shape = height // self.rows * width, self.rows, channels
        return [Tensor(self.outputs[0], shape, t.format, t.low, t.high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        (codes,) = inputs
        blocks = codes.reshape(len(codes), -1, self.rows, *codes.shape[2:])
        return [blocks.swapaxes(2, 3).reshape(len(codes), -1, self.rows, codes.shape[3])]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        """A block leaves while the next one comes, and in the C++ word for word in step with it."""
        pixels, block = tensors[0].pixels, self.rows * tensors[0].shape[1]
        return [np.minimum(np.arange(pixels) + block, pixels)]
