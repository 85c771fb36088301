"""Windows that slide over an image: convolutions and pools have one, and both languages build it alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from pyqkit.errors import brief
from pyqkit.graph import limits
from pyqkit.graph.graph import Operator, Tensor, expect

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class SlidingWindow:
    """A window and how it moves; pairs are rows and columns.

    Attributes
    ----------
    kernel, stride : (int, int)
    padding : (int, int, int, int)
        Top, left, bottom, right.
    dilation : (int, int)
    """

    kernel: Pair
    stride: Pair
    padding: Sides
    dilation: Pair = (1, 1)

    @property
    def positions(self) -> int:
        """Pixels that it reads."""
        return self.kernel[0] * self.kernel[1]

    @property
    def spans(self) -> Pair:
        """Rows and columns from its first pixel to its last one."""
        rows, columns = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation))
        return rows, columns

    def check(self, op: Operator) -> None:
        """Refuse a window that is empty, stands still, leaves the image, or is too large.

        Whatever counts with its numbers may rely on that.

        Raises
        ------
        FieldError
        """
        for what, pair in (("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)):
            sound = len(pair) == 2 and all(1 <= n <= limits.WINDOW for n in pair)
            expect(sound, op, f"the {what} {brief(pair)}, not two numbers from 1 to {limits.WINDOW}")
        sound = len(self.padding) == 4 and all(0 <= n <= limits.PADDING for n in self.padding)
        expect(sound, op, f"the padding {brief(self.padding)}, not four numbers from 0 to {limits.PADDING}")

    def check_image(self, op: Operator, tensor: Tensor) -> None:
        """Refuse an image that with its padding is larger than a tensor may be."""
        top, left, bottom, right = self.padding
        height, width, channels = tensor.shape
        shape = top + height + bottom, left + width + right, channels
        expect(
            prod(shape) <= limits.TENSOR_ELEMENTS,
            op,
            f"a padded image of shape {shape}, more than {limits.TENSOR_ELEMENTS} elements",
        )

    def out_size(self, size: Pair) -> Pair:
        """Rows and columns of the result for those of an image; below 1 where the window does not fit."""
        top, left, bottom, right = self.padding
        padded = (size[0] + top + bottom, size[1] + left + right)
        rows, columns = ((n - s) // step + 1 for n, s, step in zip(padded, self.spans, self.stride))
        return rows, columns

    def covers(self, size: Pair) -> bool:
        """Whether it is the whole image and nothing else."""
        return tuple(self.kernel) == tuple(size) and not any(self.padding)

    def pixels_inside(self, size: Pair, reach: Sides = (0, 0, 0, 0)) -> tuple[np.ndarray, np.ndarray]:
        """Rows, and columns, of an image that each row, and column, of the result has in its window.

        Those of the padding count up to `reach` from the image (top, left, bottom, right).
        """
        counts = []
        for axis, (pixels, results) in enumerate(zip(size, self.out_size(size))):
            starts = np.arange(results) * self.stride[axis] - self.padding[axis]
            read = starts[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]
            counts.append(((read >= -reach[axis]) & (read < pixels + reach[axis + 2])).sum(axis=1))
        rows, columns = counts
        return rows, columns

    def pixels_needed(self, size: Pair) -> np.ndarray:
        """Pixels of an image that must have come for each pixel of the result, in raster order."""
        height, width = size
        rows, columns = self.out_size(size)
        reach = [(k - 1) * d for k, d in zip(self.kernel, self.dilation)]
        last_row = np.minimum(np.arange(rows) * self.stride[0] + reach[0] - self.padding[0], height - 1)
        last_column = np.minimum(np.arange(columns) * self.stride[1] + reach[1] - self.padding[1], width - 1)
        needed = np.maximum(last_row[:, None], 0) * width + np.maximum(last_column[None, :], 0) + 1
        return np.maximum.accumulate(needed.ravel())

    def pixels_taken(self, size: Pair) -> np.ndarray:
        """Pixels, at most, that have been taken when each pixel of the result has gone.

        They come ahead of what is needed, at the even pace of a row of the result
        (`pyqkit.dataflow.pace`, whatever the width of words).
        """
        pixels, (_, columns) = size[0] * size[1], self.out_size(size)
        needed, row = self.pixels_needed(size), self.stride[0] * size[1]
        gone = np.arange(len(needed) + 1, dtype=np.int64) * row
        first = int((needed - gone[:-1] // columns).max())
        return np.minimum(first - (-gone[1:] // columns) + 1, pixels)

    def pixels_given_up(self, size: Pair) -> np.ndarray:
        """Pixels, for each pixel of the result, that neither it nor a later one needs.

        These are the ones before its first one, or before the next row's.
        """
        height, width = size
        rows, columns = self.out_size(size)
        top = np.clip(np.arange(rows + 1) * self.stride[0] - self.padding[0], 0, height)
        left = np.clip(np.arange(columns) * self.stride[1] - self.padding[1], 0, width)
        inside = np.where(top[:-1] < height, 1, 0)[:, None] * left
        here = np.minimum(top[:-1, None] * width + inside, top[1:, None] * width)
        return np.minimum(here, height * width).ravel()
