"""The operator `microscale`: real activations to blocks of integers, their exponents held in a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats.base import FormatError
from pyqkit.formats.microscale import Microscaled
from pyqkit.formats.microscopiq.blocks import Window


@dataclass(frozen=True, eq=False)
class Scaled:
    """Blocks of a tensor.

    Attributes
    ----------
    codes : numpy.ndarray
        Of the element, in the shape of the tensor.
    exponents : numpy.ndarray, int32, shape (..., ceil(length / block))
    clamped : int
        Exponents that the window moved; blocks of zeros, which have the lowest, do not count.
    """

    codes: np.ndarray
    exponents: np.ndarray
    clamped: int


def microscale(x: np.ndarray, fmt: Microscaled, window: Window) -> Scaled:
    """Blocks along the last axis: largest magnitude, rule, shift, half to even, saturate.

    With at most eight exponents in the window, sums of products stay exact integers of moderate width.

    Parameters
    ----------
    x : numpy.ndarray, shape (..., length)
        Finite.
    fmt : Microscaled
        Such as ``mx128_int8narrow``, whose magnitudes reach 127.
    window : Window
        Calibrated; one exponent alone makes the scale static.
    """
    x = np.asarray(x, np.float64)
    if not np.isfinite(x).all():
        raise FormatError("finite activations were expected, but NaN or infinity came; check the input")
    blocks = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % fmt.block)])
    blocks = blocks.reshape(*x.shape[:-1], -1, fmt.block)
    wanted = fmt.scale_exponents(blocks)
    held = wanted.clip(window.lowest, window.highest)
    moved = (held != wanted) & (blocks != 0).any(-1)
    codes = fmt.element.encode(np.ldexp(blocks, -held[..., None]))
    return Scaled(codes.reshape(*x.shape[:-1], -1)[..., : x.shape[-1]], held, int(moved.sum()))
