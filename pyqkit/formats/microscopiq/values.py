"""Values of MicroScopiQ's blocks as number formats: what a multiplier sees once blocks are read.

The halves of an outlier are one magnitude then, and each code carries the exponent that its block shares. The
formats are those of constants and tensors of a graph, so that every engine knows what they are worth; memory
holds blocks (`pyqkit.formats.microscopiq.tensor`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.integer import Integer
from pyqkit.formats.microscale import Microscaled
from pyqkit.formats.microscopiq.activations import microscale
from pyqkit.formats.microscopiq.blocks import Window
from pyqkit.formats.microscopiq.tensor import MicroscopiqTensor, Slots
from pyqkit.formats.parse import register

SHIFT_BITS = 3
SPREAD = 2**SHIFT_BITS - 1  # between the exponents of a layer, of weights and of activations
BLOCK = 128  # activations that share an exponent


class _Shifted(NumberFormat):
    """Magnitudes times a power of two from 1 to ``2**SPREAD``."""

    @property
    def unit_exponent(self) -> int:
        return 0

    def of_integers(self, integers: np.ndarray) -> np.ndarray:
        """Codes of integers.

        Raises
        ------
        FormatError
            If one of them has none.
        """
        integers, codes = np.asarray(integers), self.codes
        values = self.integers[codes]
        at = np.searchsorted(values, integers).clip(max=len(values) - 1)
        if not np.array_equal(values[at], integers):
            wrong = integers[values[at] != integers].flat[0]
            raise FormatError(f"integers of {self.name} were expected, but {wrong} came; encode them first")
        return codes[at].astype(self.code_dtype)

    @classmethod
    def examples(cls) -> Iterator[NumberFormat]:
        return iter(())  # blocks make them; nobody rounds to one


@register
@dataclass(frozen=True)
class BlockWeight(_Shifted):
    """``msq2``, ``msq4``: an inlier or a whole outlier in units of the lowest exponent of its layer.

    From the lowest bit on a code is three bits of the magnitude (an inlier's, or an outlier's with its hidden
    bit), the sign, the exponent above the lowest (3 bits), and the rest of the magnitude. So a code of
    ``msq2`` is worth the same in ``msq4``.

    Parameters
    ----------
    slot_bits : {2, 4}
    """

    slot_bits: int

    @property
    def slots(self) -> Slots:
        """What is stored."""
        return Slots(self.slot_bits)

    @property
    def name(self) -> str:
        return f"msq{self.slot_bits}"

    @property
    def magnitude_bits(self) -> int:
        """Of an outlier, its hidden bit included."""
        return self.slots.fraction + 1

    @property
    def bits(self) -> int:
        return self.magnitude_bits + SHIFT_BITS + 1

    @property
    def description(self) -> str:
        return f"inliers and outliers of MicroScopiQ with slots of {self.slot_bits} bits"

    def integer(self, code: int) -> int | None:
        magnitude = code & 7 | code >> 4 + SHIFT_BITS << 3
        if self.slots.largest < magnitude < 1 << self.slots.fraction:
            return None
        value = magnitude << (code >> 4 & SPREAD)
        return -value if code & 8 else value

    def of_tensor(self, tensor: MicroscopiqTensor, window: Window) -> np.ndarray:
        """Codes of a tensor whose exponents lie in a window of at most eight: (rows, length).

        Their unit is two to the lowest exponent of the window.
        """
        if window.highest - window.lowest > SPREAD:
            raise FormatError(
                f"exponents within {SPREAD} of each other were expected for {self.name}, but the window has "
                f"{window.lowest} to {window.highest}; encode with a narrower one"
            )
        return self.of_integers(np.ldexp(tensor.decode(), -window.lowest))

    @classmethod
    def parse(cls, name: str) -> BlockWeight | None:
        match = re.fullmatch(r"msq(\d+)", name)
        return cls(Slots(int(match[1])).bits) if match else None


@register
@dataclass(frozen=True)
class BlockActivation(_Shifted):
    """``msqa8``, ``msqa4``: an integer without its most negative value, times the power of two of its block.

    From the lowest bit on a code is the integer, in two's complement, and the exponent above the lowest.

    Parameters
    ----------
    width : {4, 8}
    """

    width: int

    def __post_init__(self) -> None:
        if self.width not in (4, 8):
            raise FormatError(f"integers of 4 or 8 bits were expected, but {self.width} bits came; take 8")

    @property
    def name(self) -> str:
        return f"msqa{self.width}"

    @property
    def bits(self) -> int:
        return self.width + SHIFT_BITS

    @property
    def description(self) -> str:
        return f"integers of {self.width} bits with a power of two for blocks"

    @property
    def element_format(self) -> Integer:
        """Of the integers."""
        return Integer(self.width, narrow=True)

    def integer(self, code: int) -> int | None:
        found = self.element_format.integer(code & 2**self.width - 1)
        return None if found is None else found << (code >> self.width)

    def scaled(self, numbers: np.ndarray, lowest: int) -> np.ndarray:
        """Integers of numbers in blocks along the last axis, in units of two to the lowest exponent, int64.

        The highest exponent is `SPREAD` more.
        """
        fmt, window = Microscaled(self.element_format, BLOCK), Window(lowest, lowest + SPREAD)
        found = microscale(numbers, fmt, window)
        exponents = np.repeat(found.exponents - lowest, BLOCK, axis=-1)[..., : numbers.shape[-1]]
        return np.asarray(self.element_format.integers[found.codes] << exponents)

    def split(self, integers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Integers and the least exponent that they can share along the last axis.

        Parameters
        ----------
        integers : numpy.ndarray, int64, shape (..., block)
            All are one block's, or zero.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray), int64, shapes (..., block) and (...)

        Raises
        ------
        FormatError
            If they are none of one block.
        """
        most, exponents = self.element_format.high, np.zeros(integers.shape[:-1], np.int64)
        for _ in range(SPREAD):
            exponents += np.abs(integers).max(-1) > most << exponents
        elements = integers >> exponents[..., None]
        if not np.array_equal(elements << exponents[..., None], integers) or np.abs(elements).max() > most:
            raise FormatError(
                f"blocks of {self.name} were expected, but channels of one word have different exponents; "
                "scale blocks of channels by microscale"
            )
        return elements, exponents

    @classmethod
    def parse(cls, name: str) -> BlockActivation | None:
        match = re.fullmatch(r"msqa([48])", name)
        return cls(int(match[1])) if match else None
