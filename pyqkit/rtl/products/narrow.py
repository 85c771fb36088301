"""Dot products of codes that LUTs look up and add at once: ``rtl/pqk_narrow_products.sv``."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from pyqkit.formats.products.narrow import NarrowProduct
from pyqkit.formats.widths import signed_range_bits
from pyqkit.rtl.features import levels_of
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.products.base import literal

LENGTH = 6  # lanes of a chain: their carries are counted by one level of LUTs
STEP = 3  # lanes between registers: codes wait one step at most, which takes no shift registers
CHAIN_NS = 4.9  # from register to register, of `STEP` lanes


@dataclass(frozen=True)
class NarrowBlock:
    """A block that makes dot products.

    Attributes
    ----------
    pair : NarrowProduct
    pe, simd : int
    """

    pair: NarrowProduct
    pe: int
    simd: int

    module = "narrow_products"
    signs = 0  # sums are signed numbers
    delays_ns = (CHAIN_NS,)

    @property
    def chains(self) -> int:
        """Chains of lanes of each PE."""
        return ceil(self.simd / LENGTH)

    @property
    def lanes(self) -> int:
        """Of the longest chain."""
        return ceil(self.simd / self.chains)

    @property
    def width(self) -> int:
        """Bits of a signed sum."""
        return signed_range_bits(min(0, self.pair.low * self.simd), max(0, self.pair.high * self.simd))

    @property
    def latency(self) -> int:
        """Steps from codes to sums."""
        chained = ceil(self.lanes / STEP) + 1 + levels_of(self.chains)
        return max(chained, levels_of(self.simd) + 1) + 1

    @property
    def parameters(self) -> Parameters:
        """Of the module."""
        pair = self.pair
        most, shared_most = int(pair.entries.max()), int(pair.shared.max())
        bits, shared_bits = max(1, most.bit_length()), max(1, shared_most.bit_length())
        return {
            "A": pair.left.bits,
            "B": pair.right.bits,
            "U": bits,
            "TABLE": literal(pair.entries.ravel().tolist(), bits),
            "MOST": most,
            "UNIT": pair.unit,
            "T": shared_bits,
            "SHARED": literal(pair.shared.tolist(), shared_bits),
            "SHARED_MOST": shared_most,
            "SHARED_UNIT": pair.shared_unit,
            "PE": self.pe,
            "SIMD": self.simd,
            "LENGTH": LENGTH,
            "STEP": STEP,
            "W": self.width,
        }
