"""Softmax: the share of every score in its row, e to the power of scores by a table of all codes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np

from pyqkit.formats import Boundary, NumberFormat
from pyqkit.graph.fields import array_field, flag_field, format_field, whole_field
from pyqkit.graph.folding import Axis, Folding, FoldingSpace
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.nearest import WIDEST, Place, nearest_codes

SIGNIFICAND_BITS = 30  # of an entry of the table, see `pyqkit.graph.conventions`
_ROWS = 2**22  # scores in a row, whose sum then has at most 52 bits


@dataclass(frozen=True)
class SoftmaxFolding(Folding):
    """Parallelism of one softmax.

    Attributes
    ----------
    pe : int
        Scores at a time.
    """

    pe: int = 1


@operator
@dataclass
class Softmax(Operator):
    """``nearest code to gain * term / sum of terms`` in each row, a group of channels of a pixel.

    The term of a score is its entry of the table, ``significands[code] * 2**exponents[code]``, over the
    largest power of two of the row, without what lies below one: a whole number of at most 30 bits. Terms and
    sums are integers, and their quotient is rounded once, as a rational number.

    Attributes
    ----------
    format : NumberFormat
        Of the shares.
    significands, exponents : numpy.ndarray, int64, shape (2**bits,)
        By the code of the score; codes that are no numbers have the significand 0.
    groups : int
        Rows of a pixel: heads.
    gain_numerator, gain_denominator : int
        How many of the format's 1 a share of 1 is: 1 over the scale of the shares.
    causal : bool
        Of pixel t's rows only the scores 0 to t count, the others have no share: a token looks at itself and
        at those before it. Rows are as long as there are pixels then.
    """

    format: NumberFormat = format_field()
    significands: np.ndarray = array_field(sized=True)
    exponents: np.ndarray = array_field()
    groups: int = whole_field(least=1, default=1)
    gain_numerator: int = whole_field(least=1, default=1)
    gain_denominator: int = whole_field(least=1, default=1)
    causal: bool = flag_field(default=False)

    kind = "softmax"
    folding_type = SoftmaxFolding

    @property
    def switched(self) -> frozenset[str]:
        return frozenset({"significands", "exponents", "gain_numerator", "gain_denominator"})

    def check(self) -> None:
        tables = self.significands, self.exponents
        sound = all(table.dtype == np.int64 and table.ndim == 1 and table.size for table in tables)
        expect(sound and len(tables[0]) == len(tables[1]), self, "a table that is no two rows of int64")
        low, high = int(self.significands.min()), int(self.significands.max())
        expect(low >= 0 and 0 < high <= 2**SIGNIFICAND_BITS, self, f"significands from {low} to {high}")
        expect(int(np.abs(self.exponents).max()) < 2**30, self, "exponents beyond 30 bits")
        expect(self.format.bits <= WIDEST, self, f"shares in {self.format}, of more than {WIDEST} bits")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        if len(self.significands) != 2**tensor.format.bits:
            raise GraphError(
                f"a table for {tensor.format} was expected by {self.name}, but it has "
                f"{len(self.significands)} entries; quantise the scores to at most 8 bits"
            )
        rows = tensor.shape[2] % self.groups == 0 and tensor.shape[2] // self.groups <= _ROWS
        expect(rows, self, f"{self.groups} groups, in which {tensor.shape[2]} channels do not fit")
        square = tensor.shape[2] == self.groups * tensor.pixels
        expect(square or not self.causal, self, f"a causal mask on {tensor.pixels} rows of other lengths")
        return [Tensor.of(self.outputs[0], tensor.shape, self.format)]

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        return FoldingSpace(SoftmaxFolding, (Axis("pe", tensors[0].shape[2] // self.groups),))

    def pixels_taken(self, tensors: list[Tensor]) -> list[np.ndarray]:
        """A row leaves two rows after it came, in the C++ word for word in step with what comes."""
        pixels = tensors[0].pixels
        return [np.minimum(np.arange(1, pixels + 1) - (-2 // self.groups), pixels)]

    def terms(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Terms (..., groups, channels of a group), int64, and the sum of each row, with an axis of 1."""
        rows = codes.reshape(*codes.shape[:-1], self.groups, -1)
        exponents, significands = self.exponents[rows], self.significands[rows]
        if self.causal:
            pixel = np.arange(rows[0, ..., 0, 0].size).reshape(rows.shape[1:-2])[..., None, None]
            hidden = np.arange(rows.shape[-1]) > pixel
            significands = np.where(hidden, 0, significands)
            exponents = np.where(hidden, self.exponents.min(), exponents)
        down = np.minimum(exponents.max(axis=-1, keepdims=True) - exponents, SIGNIFICAND_BITS + 1)
        terms = significands >> down
        return terms, terms.sum(axis=-1, keepdims=True)

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        terms, sums = self.terms(inputs[0])
        gain = Fraction(self.gain_numerator, self.gain_denominator)
        near = terms / sums * float(gain)

        def reaches(place: Place, boundary: Boundary) -> bool:
            share = gain * Fraction(int(terms[place]), int(sums[(*place[:-1], 0)]))
            return share > boundary.position or (boundary.inclusive and share == boundary.position)

        codes = nearest_codes(self.format, near, np.full_like(near, float(gain)), reaches)
        return [cast(np.ndarray, codes.reshape(inputs[0].shape))]
