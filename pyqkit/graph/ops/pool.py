"""Pooling: the largest value of a window (codes stay codes) or the exact sum of a window (an accumulator)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import Integer
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.convolution import window_pixels
from pyqkit.graph.ops.window import check_window, padded_shape


@dataclass
class _Pool(Operator):
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def check(self) -> None:
        check_window(self, self.window, self.stride, self.padding)
        # A window that lies in the padding alone has no largest value, and its sum says nothing.
        inside = all(p < n for p, n in zip(self.padding, (*self.window, *self.window)))
        expect(inside, self, f"the padding {self.padding}, as large as its window {self.window}")

    def out_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Output shape for an input shape."""
        top, left, bottom, right = self.padding
        rows = (shape[0] + top + bottom - self.window[0]) // self.stride[0] + 1
        columns = (shape[1] + left + right - self.window[1]) // self.stride[1] + 1
        if min(rows, columns) < 1:
            raise GraphError(
                f"an input of at least {self.window} pixels was expected by {self.name}, but {shape[:2]} came"
            )
        return rows, columns, shape[2]

    def _windows(self, integers: np.ndarray, fill: int) -> np.ndarray:
        top, left, bottom, right = self.padding
        padded = np.pad(integers, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        view = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=(1, 2))
        return view[:, :: self.stride[0], :: self.stride[1]]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        height, width, _ = tensors[0].shape
        rows, columns, _ = self.out_shape(tensors[0].shape)
        return [window_pixels(height, width, rows, columns, self.window, self.stride, self.padding)]


@operator
@dataclass
class MaxPool(_Pool):
    """Largest value of each window; padding never wins (it counts as the smallest integer of the format)."""

    kind = "max_pool"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        padded_shape(self, t, self.padding)
        return [Tensor(self.outputs[0], self.out_shape(t.shape), t.format, t.low, t.high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        fmt = tensors[0].format
        if isinstance(fmt, Integer):  # accumulators are too wide for a table
            return [fmt.from_integers(self._windows(fmt.to_integers(inputs[0]), fmt.low).max(axis=(-2, -1)))]
        order = np.zeros(2**fmt.bits, np.int64)  # codes ranked by value
        order[fmt.codes] = np.arange(len(fmt.codes))
        ranks = self._windows(order[inputs[0]], 0).max(axis=(-2, -1))
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
        padded_shape(self, t, self.padding)
        area = self.window[0] * self.window[1]
        low, high = (min(t.low, 0), max(t.high, 0)) if any(self.padding) else (t.low, t.high)
        return [Tensor.accumulator(self.outputs[0], self.out_shape(t.shape), low * area, high * area)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        sums = self._windows(to_integers(inputs[0], tensors[0].format), 0).sum(axis=(-2, -1))
        (output,) = self.infer(tensors)
        return [output.format.from_integers(sums)]  # type: ignore[attr-defined]
