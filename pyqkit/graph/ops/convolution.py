"""Convolution (and, with a 1x1 kernel on a 1x1 frame, a linear layer).

Codes times constant codes, summed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pyqkit.formats import NumberFormat, product
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.window import check_window, padded_shape


@operator
@dataclass
class Convolution(Operator):
    """Grouped 2-D convolution; output = sum of ``product(input, weight)`` over the window, no bias, no
    rounding.

    Attributes
    ----------
    weights : numpy.ndarray, shape (outputs, kernel height, kernel width, inputs / groups)
        Codes of `weight_format`.
    weight_format : NumberFormat
    stride : (int, int)
        Rows, columns.
    padding : (int, int, int, int)
        Top, left, bottom, right; filled with the code of zero.
    dilation : (int, int)
    groups : int
    shifts : numpy.ndarray or None
        Shape of `weights`: every product is shifted left by this many bits (weights in blocks with their own
        power-of-two scale); None for no shift.
    """

    weights: np.ndarray = field(repr=False)
    weight_format: NumberFormat
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    shifts: np.ndarray | None = field(default=None, repr=False)

    kind = "convolution"

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.weights.shape[1], self.weights.shape[2]

    def check(self) -> None:
        shape, fmt = self.weights.shape, self.weight_format
        whole = self.weights.dtype.kind in "iu" and len(shape) == 4 and min(shape) >= 1
        expect(whole and is_codes(self.weights, fmt), self, f"weights that are no codes of {fmt} on 4 axes")
        if self.shifts is not None:
            whole = self.shifts.dtype.kind in "iu" and self.shifts.shape == shape
            expect(
                whole and self.shifts.min() >= 0 and self.shifts.max() < 64,
                self,
                "shifts that are not from 0 to 63 for each weight",
            )
        divides = 1 <= self.groups <= shape[0] and shape[0] % self.groups == 0
        expect(divides, self, f"{self.groups} groups for {shape[0]} outputs")
        check_window(self, self.kernel, self.stride, self.padding, self.dilation)

    def out_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Output shape for an input shape."""
        top, left, bottom, right = self.padding
        span = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation)]
        rows = (shape[0] + top + bottom - span[0]) // self.stride[0] + 1
        columns = (shape[1] + left + right - span[1]) // self.stride[1] + 1
        return rows, columns, self.weights.shape[0]

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        channels = padded_shape(self, tensor, self.padding)[2]
        if channels != self.weights.shape[3] * self.groups:
            raise GraphError(
                f"{self.weights.shape[3] * self.groups} input channels were expected by "
                f"{self.name}, but {tensor.name} has {channels}"
            )
        shape = self.out_shape(tensor.shape)
        if min(shape) < 1:
            raise GraphError(
                f"an input of at least the window's size was expected by {self.name}, but "
                f"{tensor.name} is {tensor.shape[:2]}"
            )
        if any(self.padding) and not tensor.format.has_zero:
            raise GraphError(
                f"a format with a zero was expected where {self.name} pads, but {tensor.name} is "
                f"{tensor.format}"
            )
        low, high = self.bounds(tensor)
        return [Tensor.accumulator(self.outputs[0], shape, int(low.min()), int(high.max()))]

    def bounds(self, tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest accumulator of each output channel, from the real weight codes (Python
        integers).
        """
        pair = product(tensor.format, self.weight_format)
        used, places = np.unique(self.weights, return_inverse=True)
        ends = pair.of(
            self._extremes(tensor)[:, None], used
        )  # a product with a given weight is largest at one of them
        flat = places.reshape(len(self.weights), -1)
        low, high = ends.min(axis=0), ends.max(axis=0)
        most = max(abs(int(low.min())), abs(int(high.max())), 1)
        most <<= 0 if self.shifts is None else int(self.shifts.max())
        kind = np.int64 if most * flat.shape[1] < 2**63 else object
        low, high = low.astype(kind)[flat], high.astype(kind)[flat]
        if self.shifts is not None:
            factor = np.array([1 << int(s) for s in self.shifts.ravel()], dtype=kind).reshape(flat.shape)
            low, high = low * factor, high * factor
        return low.sum(axis=1).astype(object), high.sum(axis=1).astype(object)

    def _extremes(self, tensor: Tensor) -> np.ndarray:
        """Codes that can occur among which are those of the smallest and the largest product with any weight.

        Products of integers are monotone in each factor; those of logarithms are so for either sign of the
        activation.
        """
        codes = tensor.format.codes
        integers = tensor.format.base.integers[codes]
        reachable = codes[(tensor.low <= integers) & (integers <= tensor.high)]
        ends = {int(reachable[0]), int(reachable[-1])} | (
            {tensor.format.zero_code} if any(self.padding) and tensor.format.has_zero else set()
        )
        return np.array(sorted(ends))

    @cached_property
    def weight_integers(self) -> np.ndarray:
        """Integers of the weights, shifts applied.

        Meaningful where the product is a plain integer product.
        """
        integers = self.weight_format.integers[self.weights]
        return integers if self.shifts is None else integers << self.shifts

    def windows(self, codes: np.ndarray, zero: int) -> np.ndarray:
        """Windows (frames, rows, columns, kernel height, kernel width, channels) as a view of the padded
        input.
        """
        top, left, bottom, right = self.padding
        padded = np.pad(codes, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=zero)
        frames, channels = padded.shape[0], padded.shape[3]
        rows, columns, _ = self.out_shape(codes.shape[1:])  # type: ignore[arg-type]
        n, h, w, c = padded.strides
        return np.lib.stride_tricks.as_strided(
            padded,
            (frames, rows, columns, *self.kernel, channels),
            (n, h * self.stride[0], w * self.stride[1], h * self.dilation[0], w * self.dilation[1], c),
            writeable=False,
        )

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        (codes,), (tensor,) = inputs, tensors
        pair = product(tensor.format, self.weight_format)
        zero = tensor.format.zero_code if any(self.padding) else 0
        windows = self.windows(codes, zero)
        per_group, outputs = self.weights.shape[3], self.weights.shape[0]
        sums = np.empty((*windows.shape[:3], outputs), np.int64)
        for channel in range(outputs):
            first = channel * self.groups // outputs * per_group
            terms = pair.of(windows[..., first : first + per_group], self.weights[channel])
            if self.shifts is not None:
                terms = terms << self.shifts[channel]
            sums[..., channel] = terms.sum(axis=(3, 4, 5))
        (output,) = self.infer(tensors)
        return [output.format.from_integers(sums)]  # type: ignore[attr-defined]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        height, width, _ = tensors[0].shape
        rows, columns, _ = self.out_shape(tensors[0].shape)
        return [
            window_pixels(height, width, rows, columns, self.kernel, self.stride, self.padding, self.dilation)
        ]

    def macs(self, tensors: list[Tensor]) -> int:
        rows, columns, _ = self.out_shape(tensors[0].shape)
        return rows * columns * self.weights.size


def is_codes(array: np.ndarray, fmt: NumberFormat) -> bool:
    """Whether all elements are codes of a format."""
    known = np.zeros(2**fmt.bits, bool)
    known[fmt.codes] = True
    return bool(array.min() >= 0 and array.max() < known.size and known[array].all())


def window_pixels(
    height: int,
    width: int,
    rows: int,
    columns: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Input pixels that a sliding window must have seen for each output pixel, in raster order."""
    last_row = np.minimum(
        np.arange(rows) * stride[0] + (kernel[0] - 1) * dilation[0] - padding[0], height - 1
    )
    last_column = np.minimum(
        np.arange(columns) * stride[1] + (kernel[1] - 1) * dilation[1] - padding[1], width - 1
    )
    needed = np.maximum(last_row[:, None], 0) * width + np.maximum(last_column[None, :], 0) + 1
    return np.maximum.accumulate(needed.ravel())
