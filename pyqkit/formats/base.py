"""What a number format is: a code book with an exact meaning for each code.

Everything else in pyqkit (the Brevitas quantiser, the ONNX operator, the C++ type, thresholds, accumulator
widths, the table in the README) is derived from the objects defined here.

Invariants, tested for every format of up to 8 bits by enumerating all codes (``tests/formats``):

I1  ``decode(encode(v)) == v`` for every value ``v`` of the format.
I2  ``values`` is strictly increasing, and ``codes[i]`` decodes to ``values[i]``.
I3  ``value = integer * 2**unit_exponent * prescale`` exactly (logarithmic formats: ``integer`` is the value
    after the log-to-linear table, see `pyqkit.formats.logposit`).
I4  ``encode`` is monotone; it moves from ``values[i]`` to ``values[i + 1]`` exactly at ``boundaries()[i]``.

Sums are exact and have at most 64 bits, as wide as the codes of the real weights make them. Where they would
be wider, the weights of each output are divided by their common power of two, which leaves codes of the same
format: so e5m2 times e5m2 fits with weights that are scaled to its maximum. A layer that needs more all the
same, such as lp8_2_7 times lp8_2_7 (from 108 bits on), is refused by name; smaller ranges (e4m3, lp8_1_3)
fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import ClassVar

import numpy as np

from pyqkit.errors import UserError

# The first has ties by the rule of the format; the last two are nearest as well, with ties by sign.
ROUNDINGS = ("nearest", "floor", "ceil", "to_zero", "from_zero", "half_from_zero", "half_to_zero")
MAX_TABLE_BITS = 16


class FormatError(UserError):
    """An unknown format name, an illegal parameter, or a value that no format can hold (NaN)."""


def as_real(x: np.ndarray | float, name: str) -> np.ndarray:
    """`x` as float32 or float64, whichever it is.

    Anything else becomes float64, NaN and non-numbers a `FormatError`.
    """
    try:
        array = np.asarray(x)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise FormatError(
            f"real numbers were expected to encode as {name}, but {type(x).__name__} came; pass an "
            "array of floats"
        ) from None
    if np.isnan(array).any():
        raise FormatError(
            f"numbers were expected to encode as {name}, but NaN came; remove NaNs before quantising"
        )
    return array


@dataclass(frozen=True)
class Boundary:
    """Where encoding moves from one value to the next: at ``position``, itself included if ``inclusive``."""

    position: Fraction
    inclusive: bool

    def smallest(self, dtype: np.dtype | type) -> np.floating:
        """Smallest number of floating-point type `dtype` on the upper side of the boundary.

        -inf is always below it.
        """
        kind = np.dtype(dtype).type
        try:
            with np.errstate(over="ignore"):
                nearest = kind(float(self.position))
        except OverflowError:  # beyond float64
            nearest = kind(np.inf if self.position > 0 else -np.inf)
        if not np.isfinite(nearest):
            return nearest if nearest > 0 else np.finfo(kind).min
        exact = Fraction(float(nearest))
        if exact < self.position or (exact == self.position and not self.inclusive):
            return np.nextafter(nearest, kind(np.inf))
        below = np.nextafter(nearest, kind(-np.inf))
        return below if Fraction(float(below)) > self.position else nearest


class NumberFormat(ABC):
    """A set of numbers, one for each code of `bits` bits.

    Subclasses are frozen dataclasses with a ``parse`` class method and are announced with
    `pyqkit.formats.parse.register`. They define `name`, `bits`, `unit_exponent`, `integer` and, if ties do
    not go to the even code, `tie_goes_up`.
    """

    is_logarithmic: bool = False
    # As for `pyqkit.formats.parse.register`.
    aliases: ClassVar[Mapping[str, str]] = {}
    elsewhere: ClassVar[Mapping[str, str]] = {}

    @property
    @abstractmethod
    def name(self) -> str:
        """Canonical name; ``parse(fmt.name) == fmt``."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Width of a code in bits."""

    @property
    @abstractmethod
    def unit_exponent(self) -> int:
        """Power of two that one step of `integer` is worth."""

    @abstractmethod
    def integer(self, code: int) -> int | None:
        """Value of `code` in units of ``2**unit_exponent``; None for a code that is not a finite number."""

    @property
    def description(self) -> str:
        """One line for tables."""
        return type(self).__name__

    @property
    def prescale(self) -> Fraction:
        """Factor of all values that is no power of two (the scale factor of a Logarithmic Posit).

        1 otherwise.
        """
        return Fraction(1)

    @property
    def element(self) -> NumberFormat:
        """Format of the codes: this one, but for blocks of codes with a scale of their own."""
        return self

    @property
    def block(self) -> int:
        """Codes that share a scale found from their values; 0 where each stands for itself."""
        return 0

    @property
    def base(self) -> NumberFormat:
        """This format with `prescale` 1: what hardware computes with, the factor going into the scale."""
        return self

    @property
    def unsigned_twin(self) -> NumberFormat | None:
        """Format of equal bits that spends the bit of the sign on precision; None if there is none."""
        return None

    @property
    def origin(self) -> int:
        """The value that rounding "to_zero" goes towards.

        0, or what the stored 0 of an integer with a zero point means.
        """
        return 0

    @property
    def unit(self) -> Fraction:
        """``2**unit_exponent`` as an exact fraction."""
        return Fraction(2) ** self.unit_exponent

    def exact(self, code: int) -> Fraction | None:
        """Value of `code` with `prescale` left out, exactly; None for a special code."""
        integer = self.integer(code)
        return None if integer is None else integer * self.unit

    def special(self, code: int) -> float:
        """What a code without finite value decodes to (inf or NaN)."""
        return float("nan")

    def tie_goes_up(self, lower: int, upper: int) -> bool:
        """Whether a number half way between the values of two neighbouring codes takes the upper one."""
        return upper % 2 == 0

    # ---- derived -------------------------------------------------------------------------------------------

    @property
    def codes(self) -> np.ndarray:
        """Codes in the order of their values, one per value; shape (number of values,), unsigned."""
        return _tables(self).codes

    @property
    def values(self) -> np.ndarray:
        """All values in increasing order, float64, beside `codes`."""
        return _tables(self).values

    @property
    def integers(self) -> np.ndarray:
        """Integer of every code, by code (0 for special ones); int64, or object where that is too short."""
        return _tables(self).integers

    @property
    def minimum(self) -> float:
        """Smallest value."""
        return float(self.values[0])

    @property
    def maximum(self) -> float:
        """Largest finite value."""
        return float(self.values[-1])

    @property
    def lowest_code(self) -> int:
        """The code of the smallest value: what never wins a maximum."""
        return int(self.codes[0])

    @property
    def has_zero(self) -> bool:
        """Whether zero is one of the values."""
        return bool(np.any(self.values == 0))

    @property
    def zero_code(self) -> int:
        """The code of zero; what padding writes.

        Raises
        ------
        FormatError
            If the format has no zero (odd levels).
        """
        at = np.flatnonzero(self.values == 0)
        if not len(at):
            raise FormatError(
                f"format {self.name} has no code for zero, so it cannot be padded; quantise to a "
                "format with a zero first"
            )
        return int(self.codes[at[0]])

    @property
    def code_dtype(self) -> np.dtype:
        """Smallest unsigned numpy type that holds a code."""
        return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if self.bits <= 8 * size)}")

    def boundaries(self, rounding: str = "nearest") -> tuple[Boundary, ...]:
        """Exact points at which encoding moves to the next value, one fewer than `codes`.

        `prescale` is left out.

        Parameters
        ----------
        rounding : one of ROUNDINGS
            "nearest" is nearest in value with the format's own tie rule; "half_from_zero" and "half_to_zero"
            send ties away from zero and towards it. Zero is `origin`.
        """
        return _boundaries(self, rounding)

    def limits(self, dtype: np.dtype | type = np.float64) -> np.ndarray:
        """Smallest number of type `dtype` that encodes to ``codes[i + 1]``, for each i: exact thresholds."""
        return _limits(self, np.dtype(dtype))

    def encode(self, x: np.ndarray | float) -> np.ndarray:
        """Round real numbers to codes: nearest in value, saturating (infinities too).

        Parameters
        ----------
        x : array_like
            Real numbers. float32 and float64 are compared exactly, without intermediate rounding.

        Returns
        -------
        numpy.ndarray
            Codes of the shape of `x`, in `code_dtype`.

        Raises
        ------
        FormatError
            If `x` holds a NaN.

        Examples
        --------
        Ties go to the even code, what lies beyond the largest value saturates.

        >>> from pyqkit.formats import parse
        >>> parse("int4").encode([-1.0, 2.5, 3.5, 100.0])
        array([15,  2,  4,  7], dtype=uint8)
        """
        array = as_real(x, self.name)
        return self.codes[np.searchsorted(self.limits(array.dtype), array, side="right")]

    def decode(self, codes: np.ndarray | int) -> np.ndarray:
        """Exact values of codes as float64 (Logarithmic Posits: the correctly rounded float64).

        Examples
        --------
        >>> from pyqkit.formats import parse
        >>> parse("e2m1").decode([0, 1, 7, 15])
        array([ 0. ,  0.5,  6. , -6. ])
        """
        return _tables(self).by_code[self.checked(codes)]

    def checked(self, codes: np.ndarray | int) -> np.ndarray:
        """The codes as an array; a `FormatError` for what is no code of this width."""
        array = np.asarray(codes)
        if array.dtype.kind not in "iu":
            raise FormatError(
                f"integer codes were expected for {self.name}, but an array of {array.dtype} came; "
                "pass what encode() returns"
            )
        if array.size and (array.min() < 0 or int(array.max()) >> self.bits):
            raise FormatError(
                f"codes from 0 to {2**self.bits - 1} were expected for {self.name}, but {array.min()} to "
                f"{array.max()} came; mask them to the format's bits"
            )
        return array

    def quantise(self, x: np.ndarray | float, axis: int = -1) -> np.ndarray:
        """``decode(encode(x))``: the values that `x` is rounded to, float64.

        Along which `axis` blocks lie does not matter to single codes.

        Examples
        --------
        >>> from pyqkit.formats import parse
        >>> parse("lp4_0_3").quantise([0.3, 1.1, -9.0])
        array([ 0.25,  1.  , -4.  ])
        """
        return self.decode(self.encode(x))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Tables:
    codes: np.ndarray
    values: np.ndarray
    integers: np.ndarray
    by_code: np.ndarray


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


@cache
def _tables(fmt: NumberFormat) -> _Tables:
    if fmt.bits > MAX_TABLE_BITS:
        raise FormatError(
            f"tables of at most {MAX_TABLE_BITS}-bit formats were expected, but {fmt.name} came; "
            "accumulators have no table"
        )
    exact = [fmt.exact(code) for code in range(2**fmt.bits)]
    first: dict[Fraction, int] = {}
    for code, value in enumerate(exact):
        if value is not None:
            # -0 comes after +0 and is dropped: signed zero collapses to one code.
            first.setdefault(value, code)
    order = sorted(first)
    by_code = np.array(
        [
            fmt.special(code) if value is None else float(value * fmt.prescale)
            for code, value in enumerate(exact)
        ]
    )
    by_code[by_code == 0] = 0.0
    integers = [fmt.integer(code) or 0 for code in range(2**fmt.bits)]
    wide = max(abs(i) for i in integers) >= 2**63
    codes = np.array([first[value] for value in order], dtype=fmt.code_dtype)
    return _Tables(
        codes=_frozen(codes),
        values=_frozen(by_code[codes]),
        integers=_frozen(np.array(integers, dtype=object if wide else np.int64)),
        by_code=_frozen(by_code),
    )


@cache
def _boundaries(fmt: NumberFormat, rounding: str) -> tuple[Boundary, ...]:
    if rounding not in ROUNDINGS:
        raise FormatError(f"a rounding out of {', '.join(ROUNDINGS)} was expected, but {rounding!r} came")
    codes = [int(code) for code in fmt.codes]
    exact: list[Fraction] = [fmt.exact(code) or Fraction(0) for code in codes]
    found = []
    for (low, low_code), (high, high_code) in zip(zip(exact, codes), zip(exact[1:], codes[1:])):
        positive, middle = low >= fmt.origin, (low + high) / 2
        if rounding == "nearest":
            found.append(Boundary(middle, fmt.tie_goes_up(low_code, high_code)))
        elif rounding in ("half_from_zero", "half_to_zero"):
            found.append(Boundary(middle, positive == (rounding == "half_from_zero")))
        elif rounding == "floor" or rounding == ("to_zero" if positive else "from_zero"):
            found.append(Boundary(high, True))
        else:
            found.append(Boundary(low, False))
    return tuple(found)


@cache
def _limits(fmt: NumberFormat, dtype: np.dtype) -> np.ndarray:
    scaled = (Boundary(b.position * fmt.prescale, b.inclusive) for b in fmt.boundaries())
    return _frozen(np.array([b.smallest(dtype) for b in scaled], dtype=dtype))
