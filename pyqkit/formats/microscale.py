"""Microscaled blocks (OCP MX 1.0): elements of any format that share one power-of-two scale per block.

The shared exponent E of a block follows a named rule; emax is the exponent of the largest power of two of the
element:

    floor   E = floor(log2(amax)) - emax: the OCP rule; the largest elements may saturate
    ceil    E = ceil(log2(amax)) - emax: never saturates, wastes up to one bit
    even    as floor, of amax rounded half to even to the element's significand bits
    mse     the E in floor-1 .. floor+2 with the smallest squared error of the block (the smaller E on a tie)

Exponents come from frexp, never from a floating-point logarithm, and are held to the range of E8M0: from -127
to 127.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyqkit.formats.base import MAX_TABLE_BITS, FormatError, NumberFormat
from pyqkit.formats.encoding import SharedExponents
from pyqkit.formats.parse import parse, register

RULES = ("floor", "ceil", "even", "mse")
MAX_BLOCK = 2**16
EXPONENT_BITS = 8
_LOWEST, _HIGHEST = -127, 127
_ALIASES = {  # OCP MX 1.0
    "mxfp4": "mx32_e2m1",
    "mxfp4_e2m1": "mx32_e2m1",
    "mxfp6_e2m3": "mx32_e2m3",
    "mxfp6_e3m2": "mx32_e3m2",
    "mxfp8_e4m3": "mx32_e4m3fn",
    "mxfp8_e5m2": "mx32_e5m2ieee",
    "mxint8": "mx32_int8",
}
_SCALES = "is what the shared scales of blocks are stored in; name the blocks, such as 'mx32_e2m1'"
_ELSEWHERE = {
    "mxfp6": "is one of two formats; take 'mx32_e2m3' or 'mx32_e3m2'",
    "mxfp8": "is one of two formats; take 'mx32_e4m3fn' or 'mx32_e5m2ieee'",
    "nvfp4": "has scales that are no powers of two; the nearest is 'mx16_e2m1'",
    **dict.fromkeys(("e8m0", "e8m0fnu", "float8_e8m0fnu"), _SCALES),
}


@register
@dataclass(frozen=True)
class Microscaled:
    """Blocks of `block` elements along one axis.

    ``mx32_e2m1`` (rule floor), ``mx16_int8_ceil``, ``mx128_int2_mse``.

    Parameters
    ----------
    element : NumberFormat
        Any format with a zero and a table of values.
    block : int
        Elements that share a scale, 1 to `MAX_BLOCK`.
    rule : {"floor", "ceil", "even", "mse"}

    Examples
    --------
    Two blocks of four elements; each has an exponent of its own.

    >>> fmt = parse("mx4_e2m1")
    >>> codes, exponents = fmt.encode([1.0, 2.0, 3.0, 6.0, 0.1, 0.2, 0.3, 0.6])
    >>> exponents
    array([ 0, -3], dtype=int32)
    >>> fmt.decode(codes, exponents)
    array([1.    , 2.    , 3.    , 6.    , 0.125 , 0.1875, 0.25  , 0.5   ])
    """

    element: NumberFormat
    block: int = 32
    rule: str = "floor"

    aliases: ClassVar[Mapping[str, str]] = _ALIASES
    elsewhere: ClassVar[Mapping[str, str]] = _ELSEWHERE

    def __post_init__(self) -> None:
        if (
            not isinstance(self.element, NumberFormat)
            or not self.element.has_zero
            or self.element.bits > MAX_TABLE_BITS
        ):
            raise FormatError(
                f"an element format with a zero and up to {MAX_TABLE_BITS} bits was expected in a "
                f"microscaled block, but {self.element} came"
            )
        if not 1 <= self.block <= MAX_BLOCK or self.rule not in RULES:
            raise FormatError(
                f"a block of 1 to {MAX_BLOCK} elements and a rule out of {', '.join(RULES)} were "
                f"expected, but {self.name} came"
            )

    @property
    def name(self) -> str:
        return f"mx{self.block}_{self.element.name}" + ("" if self.rule == "floor" else f"_{self.rule}")

    @property
    def encoding(self) -> SharedExponents:
        """How blocks are stored whose scales may be any: that of E8M0, from 0 for 2**-127."""
        return SharedExponents(self.element, self.block, EXPONENT_BITS)

    @property
    def bits(self) -> float:
        """Bits an element takes, its share of the 8-bit scale included."""
        return self.encoding.bits

    @property
    def description(self) -> str:
        return f"blocks of {self.block} {self.element.name}, shared power of two ({self.rule})"

    @property
    def largest_exponent(self) -> int:
        """emax: exponent of the largest power of two that an element reaches."""
        return int(np.frexp(self.element.maximum)[1]) - 1

    def scale_exponents(self, x: np.ndarray) -> np.ndarray:
        """Shared exponents of blocks.

        Parameters
        ----------
        x : numpy.ndarray, shape (..., block)

        Returns
        -------
        numpy.ndarray, int32, shape (...)
            Blocks of zeros get the smallest exponent, -127.
        """
        x = np.asarray(x, dtype=np.float64)
        if np.isnan(x).any():
            raise FormatError(
                f"numbers were expected to encode as {self.name}, but NaN came; remove NaNs before quantising"
            )
        largest = np.minimum(np.abs(x).max(axis=-1), np.finfo(np.float64).max)
        # largest = significand * 2**exponent, significand in [0.5, 1)
        significand, exponent = np.frexp(largest)
        shared = exponent - 1 - self.largest_exponent
        if self.rule == "ceil":
            shared = shared + (significand > 0.5)
        elif self.rule == "even":
            steps = 2.0 ** (getattr(self.element, "significand_bits", self.largest_exponent) + 1)
            shared = shared + (np.rint(significand * steps) / steps >= 1.0)
        elif self.rule == "mse":
            shared = self._least_error(x, shared)
        return np.clip(np.where(largest > 0, shared, _LOWEST), _LOWEST, _HIGHEST).astype(np.int32)

    def _least_error(self, x: np.ndarray, shared: np.ndarray) -> np.ndarray:
        floor = np.clip(shared, _LOWEST, _HIGHEST)[..., None]
        candidates = np.clip(shared[..., None] + np.arange(-1, 3), _LOWEST, _HIGHEST)
        scaled = np.ldexp(x[..., None, :], -candidates[..., None])
        # In units of the floor rule's scale, so that squares of the largest and smallest numbers neither
        # overflow nor vanish.
        error = np.ldexp(self.element.quantise(scaled) - scaled, (candidates - floor)[..., None])
        # Only of blocks far beyond the largest scale, whose candidates are all that one.
        with np.errstate(over="ignore"):
            best = np.argmin((error**2).sum(axis=-1), axis=-1)
        return np.take_along_axis(candidates, best[..., None], axis=-1)[..., 0]

    def _blocks(self, x: np.ndarray, axis: int) -> np.ndarray:
        moved = np.moveaxis(np.asarray(x), axis, -1)
        missing = -moved.shape[-1] % self.block
        # Zeros never change a block's maximum.
        padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(0, missing)])
        return padded.reshape(*padded.shape[:-1], -1, self.block)

    def encode(self, x: np.ndarray, axis: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the shape of `x`, and one exponent a block.

        The blocked axis is last, ceil(length / block) long.
        """
        x = np.asarray(x, dtype=np.float64)
        blocks = self._blocks(x, axis)
        exponents = self.scale_exponents(blocks)
        codes = self.element.encode(np.ldexp(blocks, -exponents[..., None]))
        flat = codes.reshape(*codes.shape[:-2], -1)[..., : x.shape[axis]]
        return np.moveaxis(flat, -1, axis), exponents

    def decode(self, codes: np.ndarray, exponents: np.ndarray, axis: int = -1) -> np.ndarray:
        """Values of `encode`'s result, float64."""
        blocks = self._blocks(codes, axis)
        values = np.ldexp(self.element.decode(blocks), exponents[..., None])
        flat = values.reshape(*values.shape[:-2], -1)[..., : codes.shape[axis]]
        return np.moveaxis(flat, -1, axis)

    def quantise(self, x: np.ndarray, axis: int = -1) -> np.ndarray:
        """Values that `x` is rounded to, float64."""
        return self.decode(*self.encode(x, axis), axis)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, name: str) -> Microscaled | None:
        match = re.fullmatch(r"mx(\d+)_(.+?)(?:_(floor|ceil|even|mse))?", name)
        if not match:
            return None
        element = parse(match.group(2))
        return cls(element, int(match.group(1)), match.group(3) or "floor")

    @classmethod
    def examples(cls) -> Iterator[Microscaled]:
        for element in ("e2m1", "e3m2", "e2m3", "e4m3", "e5m2", "int8", "int4", "int2", "lp4_0_3"):
            for rule in RULES:
                yield cls(parse(element), 32, rule)
