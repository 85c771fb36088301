"""Sums of products that share DSPs: ``rtl/pqk_packed_products.sv`` and its memories of weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.dataflow.packed import column_length, weight_pairs
from pyqkit.formats import Integer, NumberFormat
from pyqkit.formats.products.packed import Packing, packing
from pyqkit.formats.widths import signed_bits
from pyqkit.rtl.parts import Parameters

# Lanes of a column whose weights a memory holds: they differ by a step, a register, not a shift register.
GROUP = 2


@dataclass(frozen=True)
class PackedBlock:
    """A block that sums packed products.

    Attributes
    ----------
    packing : Packing
    pe, simd : int
    length : int
        Lanes that are summed in a column of DSPs, a divisor of `simd`.
    left : NumberFormat
    """

    packing: Packing
    pe: int
    simd: int
    length: int
    left: NumberFormat

    module = "packed_products"
    signs = 0  # terms are signed numbers

    @property
    def columns(self) -> int:
        """Columns of DSPs of a pair of PE: terms that are still to be added."""
        return self.simd // self.length

    @property
    def width(self) -> int:
        """Bits of a signed term."""
        return self.packing.sum_bits(self.length)

    @property
    def latency(self) -> int:
        """Steps from activations to terms: both factors, product and sum of a DSP, and those before it."""
        return self.length + 2

    @property
    def dsps(self) -> int:
        """DSPs of the block."""
        return self.pe * self.simd // 2

    @property
    def pair_bits(self) -> int:
        """Bits of a pair of weights in memory."""
        return self.packing.pair_bits

    @property
    def groups(self) -> int:
        """Memories of weights, each read `GROUP` steps after the one before."""
        return -(-self.length // GROUP)

    @property
    def pairs(self) -> list[int]:
        """Pairs of weights in a word of each memory."""
        lanes = [min(GROUP, self.length - group * GROUP) for group in range(self.groups)]
        return [count * self.pe // 2 * self.columns for count in lanes]

    @property
    def parameters(self) -> Parameters:
        """Of the module, but for the file that decodes activations."""
        low, high = self.packing.right_bits
        decoded: Parameters = {"TABLE": 1}
        if isinstance(self.left, Integer):
            decoded = {"SIGNED": int(self.left.signed), "ZERO_POINT": self.left.zero_point}
        return {
            **decoded,
            "BITS": self.left.bits,
            "WIDTH": signed_bits(self.left.integers),
            "LOW": low,
            "HIGH": high,
            "FIELD": self.packing.field_bits,
            "LEAST": self.packing.low,
            "MOST": self.packing.high,
            "PIXELS": self.packing.ways // 2,
            "PE": self.pe,
            "SIMD": self.simd,
            "LENGTH": self.length,
            "GROUP": GROUP,
            "W": self.width,
        }

    def memories(self, integers: np.ndarray) -> list[np.ndarray]:
        """Words of every memory of weights.

        Parameters
        ----------
        integers : numpy.ndarray, shape (words, pe, simd)
            Of the weights, in the order of use.

        Returns
        -------
        list of numpy.ndarray, uint64, shape (words, pairs of weights)
            Numbers of `pair_bits` bits, the lanes of a column outermost.
        """
        words = weight_pairs(self.packing, integers)
        words = words.reshape(len(words), self.pe // 2, self.columns, self.length).transpose(0, 3, 1, 2)
        groups = [words[:, first : first + GROUP] for first in range(0, self.length, GROUP)]
        return [group.reshape(len(group), -1) for group in groups]


def packed_block(
    left: NumberFormat, right: NumberFormat, ways: int, pe: int, simd: int, segment: int
) -> PackedBlock:
    """The block for two formats that pack, whose columns end where segments of `segment` lanes do."""
    found = packing(left, right, ways)
    assert found is not None
    return PackedBlock(found, pe, simd, column_length(found, segment), left)
