"""Product of two streams as matrices: scores and contexts of attention."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from pyqkit.formats import product
from pyqkit.formats.products.dsp import dsp_refusal
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph.fields import flag_field, whole_field
from pyqkit.graph.folding import Axis, Choice, Folding, FoldingSpace
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.product import WIDEST

_FLOAT64 = 2**53  # sums below are exact in float64


@dataclass(frozen=True)
class MatrixProductFolding(Folding):
    """Parallelism of one product of two streams, and what multiplies.

    Attributes
    ----------
    pe, simd : int
        Results of a group, and products of each, at a time.
    multiplier : str
        "lut", or "dsp" where one multiplication of integers makes a product.
    """

    pe: int = 1
    simd: int = 1
    multiplier: str = "lut"


@operator
@dataclass
class MatrixProduct(Operator):
    """Exact sums of products of the integers of two streams, within each group of channels (a head).

    A pixel of either stream is a token. With g groups, channel i of group h of pixel t is ``x[t, h, i]``:

    * scores: ``result[t, h, s] = sum over i of left[t, h, i] * right[s, h, i]``, so that the result has a
      channel for each group and pixel of the right stream;
    * `across`, contexts: ``result[t, h, i] = sum over s of left[t, h, s] * right[s, h, i]``, and the left
      stream has a channel for each group and pixel of the right one.

    The right stream is read whole before the first result.

    Attributes
    ----------
    groups : int
    across : bool
        Whether sums run over the pixels of the right stream, instead of over channels.
    """

    groups: int = whole_field(least=1, default=1)
    across: bool = flag_field(default=False)

    kind = "matrix_product"
    folding_type = MatrixProductFolding

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        expect(len(inputs) == 2, self, f"{len(inputs)} inputs instead of two")
        left, right = inputs
        wanted = self.groups * right.pixels if self.across else right.shape[2]
        if left.shape[2] != wanted or right.shape[2] % self.groups:
            raise GraphError(
                f"{wanted} channels in {self.groups} groups were expected by {self.name}, but "
                f"{left.shape} and {right.shape} came; check the heads of the attention"
            )
        if max(left.format.bits, right.format.bits) > WIDEST:
            raise GraphError(
                f"codes of at most {WIDEST} bits were expected by {self.name}, but {left.format} and "
                f"{right.format} came; quantise both factors"
            )
        channels = right.shape[2] if self.across else self.groups * right.pixels
        low, high = self._ends(left, right)
        terms = right.pixels if self.across else right.shape[2] // self.groups
        if signed_range_bits(terms * low, terms * high) > 64:
            raise GraphError(
                f"sums of at most 64 bits were expected by {self.name}, but those of {terms} products of "
                f"{left.format} and {right.format} came; use formats with a smaller range"
            )
        shape = (*left.shape[:2], channels)
        return [Tensor.accumulator(self.outputs[0], shape, terms * low, terms * high)]

    @staticmethod
    def _ends(left: Tensor, right: Tensor) -> tuple[int, int]:
        """Smallest and largest product."""
        if left.format.is_logarithmic and right.format.is_logarithmic:
            pair = product(left.format, right.format)
            return pair.low, pair.high
        ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
        return min(ends), max(ends)

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        (output,) = self.infer(tensors)
        tables = product(tensors[0].format, tensors[1].format).factors
        total: np.ndarray | int = 0
        for copy in range(tables[0].shape[1]):
            total = total + self._sums(*(table[:, copy][codes] for table, codes in zip(tables, inputs)))
        assert isinstance(total, np.ndarray)
        return [output.format.from_integers(total.reshape(len(inputs[0]), *output.shape))]  # type: ignore[attr-defined]

    def _sums(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(frames, pixels, groups, channels of a group) of integers (frames, height, width, channels)."""
        rows, columns = (
            a.reshape(len(a), -1, self.groups, a.shape[3] // self.groups).transpose(0, 2, 1, 3)
            for a in (left, right)
        )
        columns = columns if self.across else columns.swapaxes(2, 3)
        bound = int(abs(left).max(initial=0)) * int(abs(right).max(initial=0)) * rows.shape[3]
        if bound < _FLOAT64:
            rows, columns = rows.astype(np.float64), columns.astype(np.float64)
        sums = np.matmul(rows, columns).transpose(0, 2, 1, 3)
        return sums.astype(np.int64) if sums.dtype == np.float64 else sums

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        left, right = tensors
        return [np.arange(1, left.pixels + 1), np.full(left.pixels, right.pixels)]

    def shape_of_group(self, tensors: list[Tensor]) -> tuple[int, int]:
        """Results of each group and pixel of the left stream, and products of each."""
        channels, pixels = tensors[1].shape[2] // self.groups, tensors[1].pixels
        return (channels, pixels) if self.across else (pixels, channels)

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        """PE divides the results of a group, SIMD the products of each."""
        outputs, terms = self.shape_of_group(tensors)
        reason = dsp_refusal(tensors[0].format, tensors[1].format)
        refused = {"dsp": f"{reason} in {self.name}, so that no DSP can make them"} if reason else {}
        multiplier = Choice("multiplier", ("lut", "dsp"), refused)
        return FoldingSpace(MatrixProductFolding, (Axis("pe", outputs), Axis("simd", terms)), (multiplier,))

    def footprint(self, inputs: list[Tensor], outputs: list[Tensor]) -> Hashable:
        """Of what it reads and sums the formats count, not the ranges."""
        return self._own_footprint(inputs, outputs)

    def macs(self, tensors: list[Tensor]) -> int:
        left, right = tensors
        return left.pixels * right.pixels * right.shape[2]
