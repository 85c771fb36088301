"""What a tensor in MicroScopiQ's encoding says, and which value each of its codes has.

A row of weights lies in macro-blocks of 128 places, these in micro-blocks of 8. Rows are filled up to whole
micro-blocks; the last macro-block of a row may be shorter. A place holds a slot of b bits (2 or 4): a sign,
and a magnitude below it.

* An *inlier* is its magnitude, at most 2**(b-1) - 1, times 2**E; its macro-block shares E.
* An *outlier* needs two slots of its micro-block. It is 1.m times 2**F, where m has 2*h bits (h = 1 for
  b = 2, h = 2 for b = 4) and the outliers of the micro-block share F: so are e1m2 and e3m4 once they have one
  exponent. The *upper* half, sign and first h bits of m, stands in the outlier's place, the *lower* half,
  the sign again and the other h bits, in the place of a weight that is zero instead (*pruned*).
* A micro-block with outliers has a list of four pairs of places, upper and lower; pairs of equal places say
  nothing. The pairs route (`pyqkit.formats.microscopiq.routing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyqkit.formats.base import FormatError
from pyqkit.formats.microscopiq.routing import MICRO, MOST, routes

MACRO = 128  # places that share the exponent of inliers
LOWEST, HIGHEST = -127, 127  # exponents, which take 8 bits
EXPONENT_BITS = 8
LIST_BITS = MOST * 2 * 3


@dataclass(frozen=True)
class Slots:
    """What a slot of `bits` bits holds.

    Attributes
    ----------
    bits : {2, 4}
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in (2, 4):
            raise FormatError(f"slots of 2 or 4 bits were expected, but {self.bits} bits came; take 2 or 4")

    @property
    def largest(self) -> int:
        """Magnitude of an inlier."""
        return 2 ** (self.bits - 1) - 1

    @property
    def half(self) -> int:
        """h, bits of a significand in a half."""
        return self.bits // 2

    @property
    def fraction(self) -> int:
        """Bits of a significand, both halves."""
        return 2 * self.half


def micros_of(length: int) -> int:
    """Micro-blocks of a row."""
    return -(-length // MICRO)


def macros_of(length: int) -> int:
    """Macro-blocks of a row."""
    return -(-length // MACRO)


def in_micros(x: np.ndarray) -> np.ndarray:
    """Rows, filled up with zeros, as (rows, micro-blocks, 8)."""
    return in_blocks(x, MICRO)


def in_blocks(x: np.ndarray, block: int) -> np.ndarray:
    """Rows, filled up with zeros, as (rows, blocks, block)."""
    full = np.zeros((len(x), -(-x.shape[1] // block) * block), x.dtype)
    full[:, : x.shape[1]] = x
    return full.reshape(len(x), -1, block)


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything but the codes: what blocks share, and where outliers and their lower halves stand.

    Attributes
    ----------
    inlier_exponents : numpy.ndarray, int16, shape (rows, macro-blocks)
    outlier_exponents : numpy.ndarray, int16, shape (rows, micro-blocks)
        0 where there are no outliers.
    uppers, lowers : numpy.ndarray, uint8, shape (rows, micro-blocks, 4)
        Places; both 0 where a pair says nothing.
    """

    inlier_exponents: np.ndarray
    outlier_exponents: np.ndarray
    uppers: np.ndarray
    lowers: np.ndarray

    @property
    def paired(self) -> np.ndarray:
        """Which pairs are there: bool, of the shape of `uppers`."""
        return np.asarray(self.uppers != self.lowers)

    def take(self, rows: np.ndarray) -> Plan:
        """These rows, in this order."""
        return Plan(*(part[rows] for part in self._parts))

    @classmethod
    def joined(cls, plans: Sequence[Plan]) -> Plan:
        """Rows of several plans, one after the other."""
        return cls(*(np.concatenate(parts) for parts in zip(*(plan._parts for plan in plans))))

    @property
    def _parts(self) -> tuple[np.ndarray, ...]:
        return self.inlier_exponents, self.outlier_exponents, self.uppers, self.lowers

    @cached_property
    def flags(self) -> np.ndarray:
        """Micro-blocks with outliers: bool, (rows, micro-blocks)."""
        return np.asarray(self.paired.any(-1))

    @property
    def outliers(self) -> np.ndarray:
        """Places of outliers: bool, (rows, micro-blocks, 8)."""
        return self._marked(self.uppers)

    @property
    def pruned(self) -> np.ndarray:
        """Places of lower halves: bool, (rows, micro-blocks, 8)."""
        return self._marked(self.lowers)

    def _marked(self, places: np.ndarray) -> np.ndarray:
        return np.asarray(((places[..., None] == np.arange(MICRO)) & self.paired[..., None]).any(-2))

    def inlier_exponent_of_micros(self) -> np.ndarray:
        """That of the macro-block around each micro-block: (rows, micro-blocks)."""
        each = np.repeat(self.inlier_exponents, MACRO // MICRO, axis=1)
        return each[:, : self.outlier_exponents.shape[1]].astype(np.int32)

    def codes(self, x: np.ndarray, slots: Slots) -> np.ndarray:
        """Slots of the values that are nearest to `x`, half to even, saturating.

        Parameters
        ----------
        x : numpy.ndarray, float64, shape (rows, micro-blocks, 8)

        Returns
        -------
        numpy.ndarray, uint8, shape (rows, micro-blocks, 8)
            Sign and magnitude; zero has no sign, except in halves.
        """
        magnitude, negative = np.abs(x), x < 0
        scaled = np.ldexp(magnitude, -self.inlier_exponent_of_micros()[..., None])
        inlier = np.minimum(np.rint(scaled), slots.largest).astype(np.uint8)
        found = np.where(negative & (inlier > 0), inlier | 1 << slots.bits - 1, inlier).astype(np.uint8)
        if self.flags.any():
            one = 1 << slots.fraction
            fine = np.ldexp(magnitude, slots.fraction - self.outlier_exponents[..., None].astype(np.int32))
            significand = np.clip(np.rint(fine), one, 2 * one - 1).astype(np.int64) - one
            row, micro, pair = np.nonzero(self.paired)
            upper, lower = self.uppers[row, micro, pair], self.lowers[row, micro, pair]
            both, sign = significand[row, micro, upper], negative[row, micro, upper] << slots.bits - 1
            found[row, micro, upper] = sign | both >> slots.half
            found[row, micro, lower] = sign | both & (1 << slots.half) - 1
        return found

    def values(self, codes: np.ndarray, slots: Slots) -> np.ndarray:
        """Values of slots, exact: float64, (rows, micro-blocks, 8)."""
        below = 1 << slots.bits - 1
        signed = np.where(codes & below, -1.0, 1.0)
        found = np.ldexp(signed * (codes & below - 1), self.inlier_exponent_of_micros()[..., None])
        row, micro, pair = np.nonzero(self.paired)
        upper, lower = self.uppers[row, micro, pair], self.lowers[row, micro, pair]
        first, second = (codes[row, micro, place].astype(np.int64) & below - 1 for place in (upper, lower))
        significand = (1 << slots.fraction) + (first << slots.half) + second
        exponent = self.outlier_exponents[row, micro].astype(np.int32) - slots.fraction
        found[row, micro, lower] = 0.0
        found[row, micro, upper] = np.ldexp(signed[row, micro, upper] * significand, exponent)
        return found


@dataclass(frozen=True, eq=False)
class MicroscopiqTensor:
    """A matrix in MicroScopiQ's encoding, blocked along its rows.

    Attributes
    ----------
    slots : Slots
    length : int
        Elements of a row; what fills the last micro-block is stored, and is no element.
    plan : Plan
    codes : numpy.ndarray, uint8, shape (rows, micro-blocks, 8)
    """

    slots: Slots
    length: int
    plan: Plan
    codes: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and elements of each."""
        return len(self.codes), self.length

    @property
    def stored_bits(self) -> int:
        """With all exponents, flags and lists, and with the places that fill rows up."""
        rows, micros = self.plan.flags.shape
        plain = rows * (macros_of(self.length) * EXPONENT_BITS + micros * (1 + MICRO * self.slots.bits))
        return plain + int(self.plan.flags.sum()) * (EXPONENT_BITS + LIST_BITS)

    @property
    def effective_bits(self) -> float:
        """Stored bits of an element."""
        return self.stored_bits / max(1, len(self.codes) * self.length)

    def decode(self) -> np.ndarray:
        """Values, exact: float64, (rows, length)."""
        values = self.plan.values(self.codes, self.slots)
        return values.reshape(len(values), -1)[:, : self.length]

    def checked(self) -> MicroscopiqTensor:
        """The same tensor.

        Raises
        ------
        FormatError
            If it is none that an encoder makes: in one sentence what is wrong.
        """
        plan, paired = self.plan, self.plan.paired
        outside = np.arange(self.codes.shape[1] * MICRO).reshape(-1, MICRO) >= self.length
        halves, sign = plan.outliers | plan.pruned, 1 << self.slots.bits - 1
        _refuse(bool((plan.inlier_exponents > HIGHEST).any()), "the exponent of a macro-block is 255")
        _refuse(bool((plan.outlier_exponents > HIGHEST).any()), "the exponent of outliers is 255")
        twice = halves.sum(-1) != 2 * paired.sum(-1)
        _refuse(bool(twice.any()), "a permutation list names a place twice")
        blank = (plan.uppers == plan.lowers) & (plan.uppers != 0)
        sorted_out = blank.any(-1) | (paired[..., 1:] & ~paired[..., :-1]).any(-1)
        _refuse(bool(sorted_out.any()), "a permutation list has pairs that say nothing before its end")
        _refuse(bool((plan.outliers & outside).any()), "an outlier stands behind the end of its row")
        zeros = ~halves & (self.codes == sign)
        _refuse(bool(zeros.any()), "an inlier is a negative zero")
        _refuse(bool((~halves & outside & (self.codes > 0)).any()), "a weight stands behind the end of a row")
        spare = sign - (1 << self.slots.half)
        _refuse(bool((halves & (self.codes & spare > 0)).any()), "a half of an outlier has too many bits")
        upper, lower = (np.take_along_axis(self.codes, at, -1) & sign for at in (plan.uppers, plan.lowers))
        _refuse(bool((paired & (upper != lower)).any()), "the halves of an outlier have different signs")
        lists = np.concatenate([plan.uppers, plan.lowers], -1)[plan.flags]
        for pairs in np.unique(lists, axis=0):
            there = pairs[:MOST] != pairs[MOST:]
            ways = pairs[:MOST][there].tolist(), pairs[MOST:][there].tolist()
            _refuse(not routes(*ways), f"a permutation list ({_listed(*ways)}) does not route")
        return self


def _listed(uppers: list[int], lowers: list[int]) -> str:
    return ", ".join(f"{lower} to {upper}" for upper, lower in zip(uppers, lowers))


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise FormatError(
            f"a tensor in MicroScopiQ's encoding was expected, but {what}; encode the weights again"
        )
