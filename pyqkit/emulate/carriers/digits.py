"""Sums in int64 of several passes, each of products of a digit of the activations and one of the weights.

Digits are words, and what a pass sums of them is in int32, so that a pass is the kernel of int16. With two
digits each, ``(a + b * 2**k) * (c + d * 2**k)`` takes three passes (Karatsuba and Ofman, 1962): ``a * c``,
``b * d`` and ``(a + b) * (c + d)``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES
from pyqkit.emulate.compute import Call, Kernel, one_after_the_other, prepared
from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.layers import Carrier, Compute, Factors, carries
from pyqkit.emulate.operands import Operands
from pyqkit.emulate.requantiser import Requantiser

MOST_DIGITS = 3  # of an operand
_TYPES = (*KERNEL_TYPES, np.dtype(np.int64))  # of activations and other branches
_WORD = 2**15


class _Plane(ctypes.Structure):
    """`Plane` of kernels/digits.cpp."""

    _fields_ = [("shift", ctypes.c_int32 * 2), ("mask", ctypes.c_int32 * 2)]


class _Digits(ctypes.Structure):
    """`Digits` of kernels/digits.cpp."""

    _fields_ = [
        ("window", ctypes.c_int32 * 15),
        *((name, ctypes.c_int32) for name in ("type", "planes", "passes", "other_type", "wide")),
        *(
            (name, ctypes.c_void_p)
            for name in ("plane", "plane_of", "worth", "weights", "scale", "factor", "requantiser")
        ),
    ]


@dataclass(frozen=True)
class Digit:
    """Bits of an activation; those above `shift` if `bits` is 0."""

    shift: int
    bits: int

    def range(self, low: int, high: int) -> tuple[int, int]:
        """Of the digit of numbers from `low` to `high`."""
        return (0, 2**self.bits - 1) if self.bits else (low >> self.shift, high >> self.shift)


@dataclass(frozen=True, eq=False)
class Pass:
    """Digits of activations that are added up, weights they are multiplied by, and what that is worth."""

    digits: tuple[Digit, ...]
    weights: np.ndarray
    worth: int

    def fits(self, low: int, high: int) -> bool:
        """Whether both are words and sums of their products are of 32 bits."""
        ranges = [digit.range(low, high) for digit in self.digits]
        least, most = (sum(ends) for ends in zip(*ranges))
        rows = np.abs(self.weights.reshape(len(self.weights), -1).astype(np.int64))
        words = least >= -_WORD and most < _WORD and rows.max() < _WORD
        return bool(words and max(-least, most) * int(rows.sum(axis=1).max()) <= INT32)


def passes(operands: Operands) -> list[Pass] | None:
    """The fewest passes that are exact for these operands, None if there are none."""
    for tried in sorted(_ways(operands), key=len):
        if all(each.fits(operands.low, operands.high) for each in tried):
            return tried
    return None


def _ways(operands: Operands) -> Iterator[list[Pass]]:
    width = max(-operands.low, operands.high, 1).bit_length()
    weight_width = int(np.abs(operands.weights).max()).bit_length() + 1
    for count, weight_count in product(range(1, MOST_DIGITS + 1), repeat=2):
        bits, weight_bits = -(-width // count), -(-weight_width // weight_count)
        digits, parts = _digits(bits, count), _parts(operands.weights, weight_bits, weight_count)
        yield [
            Pass((digit,), part, 2 ** (bits * i + weight_bits * j))
            for (i, digit), (j, part) in product(enumerate(digits), enumerate(parts))
        ]
    bits = -(-max(width, weight_width) // 2)
    (a, b), (c, d), base = _digits(bits, 2), _parts(operands.weights, bits, 2), 2**bits
    yield [Pass((a,), c, 1 - base), Pass((b,), d, base * base - base), Pass((a, b), c + d, base)]


def _digits(bits: int, count: int) -> list[Digit]:
    return [Digit(bits * i, bits if i < count - 1 else 0) for i in range(count)]


def _parts(weights: np.ndarray, bits: int, count: int) -> list[np.ndarray]:
    """Digits of weights, all but the last from -2**(bits - 1) to 2**(bits - 1) - 1."""
    rest, found = weights.astype(np.int64), []
    for _ in range(count - 1):
        half = 2 ** (bits - 1)
        low = ((rest + half) & (2 * half - 1)) - half
        found.append(low)
        rest = (rest - low) >> bits
    return [*found, rest]


@carries("int16 digits")
class Digits(Carrier):
    """Wider integers, such as those of e4m3."""

    joins = True
    joined_bits = 64
    result_type = np.dtype(np.int64)

    @cached_property
    def _passes(self) -> list[Pass] | None:
        operands = self.layer.operands
        if operands is None or not self.layer.suits_dense_kernels or operands.lookup is not None:
            return None
        # what passes add may wrap on the way, the whole does not
        return passes(operands) if self.layer.out.low >= -(2**63) and self.layer.out.high < 2**63 else None

    def rate(self) -> float:
        return 55 / len(self._passes) if self._passes else 0

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        layer, found = self.layer, self._passes
        assert layer.library is not None and layer.operands is not None and found is not None
        call: Any = layer.library.pyqkit_convolve_digits
        inside = requantiser is not None and requantiser.fits_kernels
        planes = list(dict.fromkeys(each.digits for each in found))
        structures = (_Plane * len(planes))(*map(_plane, planes))
        plane_of = np.array([planes.index(each.digits) for each in found], np.int32)
        worth = np.array([each.worth for each in found], np.int64)
        weights = np.stack([Operands(each.weights, 0, 0).panels(2, 0)[0] for each in found])
        both = ((), ()) if factors is None else (factors.sums, factors.other)
        scale, factor = (np.ascontiguousarray(f, np.int64) for f in both)

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            what = _Digits(
                (ctypes.c_int32 * 15)(len(x[0]), *layer.window()),
                _TYPES.index(x[0].dtype),
                len(planes),
                len(found),
                _TYPES.index(x[1].dtype) if factors else 0,
                int(requantiser is not None and requantiser.sum_type == np.int64),
                ctypes.addressof(structures),
                *(array.ctypes.data for array in (plane_of, worth, weights, scale, factor)),
                requantiser.address if requantiser is not None and inside else None,
            )
            what.keep = structures, plane_of, worth, weights, scale, factor, requantiser
            sums = result if inside or requantiser is None else np.empty(result.shape, np.int64)
            run = prepared(call, ctypes.byref(what), x[0], x[1] if factors else None, sums)
            if requantiser is None or inside:
                return run
            return one_after_the_other(run, requantiser.bind(sums, result, layer.library))

        return Kernel(bind)


def _plane(digits: tuple[Digit, ...]) -> _Plane:
    shifts, masks = (ctypes.c_int32 * 2)(), (ctypes.c_int32 * 2)()
    for place, digit in enumerate(digits):
        shifts[place], masks[place] = digit.shift, 2**digit.bits - 1 if digit.bits else -1
    return _Plane(shifts, masks)
