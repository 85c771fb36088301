"""Pooling: the largest value of a window (codes stay codes) or the exact sum of a window (an accumulator)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import Integer
from pyqkit.graph.fields import wholes_field
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.window import Pair, Sides, SlidingWindow


@dataclass
class _Pool(Operator):
    window: tuple[int, int] = wholes_field(2, least=1)
    stride: tuple[int, int] = wholes_field(2, least=1)
    padding: tuple[int, int, int, int] = wholes_field(4, default=(0, 0, 0, 0))
    dilation: tuple[int, int] = wholes_field(2, least=1, default=(1, 1))

    @property
    def sliding(self) -> SlidingWindow:
        """The window as it moves over the image."""
        return SlidingWindow(self.window, self.stride, self.padding, self.dilation)

    def check(self) -> None:
        self.sliding.check(self)
        spans = self.sliding.spans
        inside = all(p < n for p, n in zip(self.padding, (*spans, *spans)))
        expect(inside, self, f"the padding {self.padding}, as large as its window {self.window}")

    def _out_shape(self, tensor: Tensor) -> tuple[int, int, int]:
        self.sliding.check_image(self, tensor)
        rows, columns = self.sliding.out_size(tensor.shape[:2])
        if min(rows, columns) < 1:
            raise GraphError(
                f"an input of at least {self.window} pixels was expected by {self.name}, but "
                f"{tensor.shape[:2]} came"
            )
        # A window that lies in the padding alone has no largest value, and its sum says nothing.
        if min(int(counts.min()) for counts in self.sliding.pixels_inside(tensor.shape[:2])) < 1:
            raise GraphError(
                f"windows that hold a pixel of {tensor.shape[:2]} each were expected by {self.name}, but one "
                "lies in the padding"
            )
        return rows, columns, tensor.shape[2]

    def windows(self, integers: np.ndarray, fill: int) -> np.ndarray:
        """Windows as a view of the padded input.

        (frames, rows, columns, channels, window height, window width).
        """
        top, left, bottom, right = self.padding
        padded = np.pad(integers, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        view = np.lib.stride_tricks.sliding_window_view(padded, self.sliding.spans, axis=(1, 2))
        (down, right), (row, column) = self.stride, self.dilation
        return view[:, ::down, ::right, :, ::row, ::column]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        return [self.sliding.pixels_needed(tensors[0].shape[:2])]

    def pixels_taken(self, tensors: list[Tensor]) -> list[np.ndarray]:
        return [self.sliding.pixels_taken(tensors[0].shape[:2])]


def pool_fields(window: SlidingWindow) -> dict[str, Pair | Sides]:
    """Fields of the pool over these windows."""
    fields = {"window": window.kernel, "stride": window.stride, "dilation": window.dilation}
    return {**fields, "padding": window.padding}


@operator
@dataclass
class MaxPool(_Pool):
    """Largest value of each window; padding never wins (it counts as the smallest integer of the format)."""

    kind = "max_pool"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        return [Tensor(self.outputs[0], self._out_shape(t), t.format, t.low, t.high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        fmt = tensors[0].format
        if isinstance(fmt, Integer):  # accumulators are too wide for a table
            return [fmt.from_integers(self.windows(fmt.to_integers(inputs[0]), fmt.low).max(axis=(-2, -1)))]
        order = np.zeros(2**fmt.bits, np.int64)  # codes ranked by value
        order[fmt.codes] = np.arange(len(fmt.codes))
        ranks = self.windows(order[inputs[0]], 0).max(axis=(-2, -1))
        return [fmt.codes[ranks]]


@operator
@dataclass
class SumPool(_Pool):
    """Exact sum of each window.

    An average pool is this, its divisor going into the following scale. Padding adds 0.
    """

    kind = "sum_pool"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        area = self.sliding.positions
        low, high = (min(t.low, 0), max(t.high, 0)) if any(self.padding) else (t.low, t.high)
        return [Tensor.accumulator(self.outputs[0], self._out_shape(t), low * area, high * area)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        sums = self.windows(to_integers(inputs[0], tensors[0].format), 0).sum(axis=(-2, -1))
        (output,) = self.infer(tensors)
        return [output.format.from_integers(sums)]  # type: ignore[attr-defined]
