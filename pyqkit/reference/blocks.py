"""Shared exponents of microscaled blocks (OCP MX), from the rule in the format's name.

With amax the largest magnitude of a block and emax the exponent of the element's largest value:

    floor   floor(log2(amax)) - emax
    ceil    ceil(log2(amax)) - emax
    even    as floor, of amax rounded half to even to the significand bits of the element
    mse     of floor - 1 to floor + 2 the one with the smallest squared error, the smaller one on a tie

all held to -127 .. 127, the range of E8M0. A block of zeros takes -127.
"""

from __future__ import annotations

import numpy as np

from pyqkit.formats import Microscaled, Minifloat
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.rounding import Grid, decide

_LOWEST, _HIGHEST = -127, 127


def shared_exponents(x: np.ndarray, fmt: Microscaled, axis: int) -> np.ndarray:
    """The shared exponent of every element.

    Parameters
    ----------
    x : numpy.ndarray of float64
        In units of the tensor's scale.
    fmt : Microscaled
    axis : int
        Blocks lie along this axis; the last one may be shorter.

    Returns
    -------
    numpy.ndarray of int, of the shape of `x`
    """
    last = np.moveaxis(x, axis, -1)
    found = np.empty(last.shape, np.int64)
    for first in range(0, last.shape[-1], fmt.block):
        part = last[..., first : first + fmt.block]
        found[..., first : first + fmt.block] = _of_block(part, fmt)[..., None]
    return np.moveaxis(found, -1, axis)


def _of_block(part: np.ndarray, fmt: Microscaled) -> np.ndarray:
    largest = np.minimum(abs(part).max(axis=-1), np.finfo(np.float64).max)
    significand, exponent = np.frexp(largest)  # significand in [1/2, 1)
    end = int(np.frexp(fmt.element.maximum)[1])
    found = exponent - end
    if fmt.rule == "ceil":
        found = found + (significand != 0.5)
    elif fmt.rule == "even":
        # the largest value of an integer is 2**emax and more, written with emax bits behind the leading one
        bits = fmt.element.significand_bits if isinstance(fmt.element, Minifloat) else end - 1
        found = found + (np.rint(np.ldexp(significand, bits + 1)) == 2.0 ** (bits + 1))
    elif fmt.rule == "mse":
        found = _least_error(part, fmt, found)
    return np.where(largest == 0, _LOWEST, np.clip(found, _LOWEST, _HIGHEST))


def _least_error(part: np.ndarray, fmt: Microscaled, floor: np.ndarray) -> np.ndarray:
    element = fmt.element
    grid = Grid.of_format(element.base)
    unit = DoubleDouble.of_fraction(element.prescale * (1 if element.is_logarithmic else element.unit))
    step = float(unit.high)
    errors = []
    for more in (-1, 0, 1, 2):
        scaled = np.ldexp(part, -np.clip(floor + more, _LOWEST, _HIGHEST)[..., None])
        rest = grid.levels[decide(DoubleDouble.of(scaled), unit, grid).index] * step - scaled
        errors.append(
            (np.ldexp(rest, (np.clip(floor + more, _LOWEST, _HIGHEST) - floor)[..., None]) ** 2).sum(axis=-1)
        )
    return floor - 1 + np.argmin(errors, axis=0)
