"""`Quantiser`: a rounding to a format, and the codes that it gives constants."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from pyqkit.formats import Boundary, Integer, NumberFormat
from pyqkit.graph.lowering.errors import Unlowerable

THRESHOLD_BITS = 8  # wider outputs are rescaled: 2**bits - 1 thresholds a channel would not fit a device
_PIECE = 1 << 18  # values that are encoded at a time
_NEAR_A_TIE = 2.0**-20  # quotients of up to 16 bits are off by far less


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A rounding to a format, as a Quant, FloatQuant, BipolarQuant or FormatQuant node describes it.

    Attributes
    ----------
    format : NumberFormat
        Of prescale 1; a scale factor in its name has moved into `scale`.
    scale : numpy.ndarray
        Real value of the format's value 1: one number, or one for each element of a shape that broadcasts.
    boundaries : tuple of Boundary
        Where rounding moves from ``format.codes[i]`` to the next code, in values of the format.
    prescale : Fraction
        Factor of `scale` that is no float (the scale factor of a Logarithmic Posit).
    """

    format: NumberFormat
    scale: np.ndarray
    boundaries: tuple[Boundary, ...]
    prescale: Fraction = Fraction(1)

    @classmethod
    def of(cls, fmt: NumberFormat, scale: np.ndarray, rounding: str = "nearest") -> Quantiser:
        """Quantiser with the boundaries of its format."""
        wide = isinstance(fmt, Integer) and fmt.bits > THRESHOLD_BITS
        if wide and rounding != "nearest":
            raise Unlowerable(
                f"rounding {rounding} to {fmt} is not supported", "round to nearest, or to at most 8 bits"
            )
        return cls(fmt.base, scale, () if wide else fmt.base.boundaries(rounding), fmt.prescale)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Codes of constants, decided exactly.

        ``value / scale >= boundary`` without rounding the quotient.
        """
        values = np.asarray(values)
        values = values if values.dtype.kind == "f" else values.astype(np.float64)
        scales = np.asarray(self.scale)
        if scales.ndim > values.ndim or any(
            s not in (1, n) for s, n in zip(scales.shape[::-1], values.shape[::-1])
        ):
            raise Unlowerable(
                f"its scale of shape {scales.shape} does not fit values of shape {values.shape}",
                "give one scale a channel",
            )
        scales = scales.reshape((1,) * (values.ndim - scales.ndim) + scales.shape)
        if (scales < 0).any():  # a grid is the same with both signs turned
            values, scales = np.where(scales < 0, -values, values), abs(scales)
        if not self.boundaries:
            return self._encode_wide(values, scales)
        codes = np.empty(values.shape, self.format.code_dtype)
        limits: dict[float, np.ndarray] = {}
        for where in np.ndindex(*scales.shape):
            scale = float(scales[where])
            if scale not in limits:
                limits[scale] = _limits(self.boundaries, Fraction(scale) * self.prescale, values.dtype)
            region = tuple(slice(None) if n == 1 else slice(i, i + 1) for i, n in zip(where, scales.shape))
            codes[region] = self._between(limits[scale], values[region])
        return codes

    def _between(self, limits: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Codes of values by the smallest number of each but the first, a piece at a time."""
        flat = values.ravel()
        codes = np.empty(flat.shape, self.format.code_dtype)
        for first in range(0, flat.size, _PIECE):
            piece = slice(first, first + _PIECE)
            codes[piece] = self.format.codes[np.searchsorted(limits, flat[piece], side="right")]
        return codes.reshape(values.shape)

    def _encode_wide(self, values: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Codes by division; a quotient next to a tie is decided in rational arithmetic."""
        assert isinstance(self.format, Integer)
        quotients = np.clip(
            values.astype(np.float64) / scales.astype(np.float64), self.format.low - 1, self.format.high + 1
        )
        stored = np.rint(quotients).astype(np.int64) + self.format.zero_point
        spread = np.broadcast_to(scales, values.shape)
        for place in np.argwhere(abs(abs(quotients - np.floor(quotients)) - 0.5) < _NEAR_A_TIE):
            at = tuple(place)
            stored[at] = round(
                Fraction(values[at].item()) / Fraction(spread[at].item()) + self.format.zero_point
            )
        return self.format.from_integers(
            np.clip(stored - self.format.zero_point, self.format.low, self.format.high)
        )


@lru_cache(maxsize=256)
def _limits(boundaries: tuple[Boundary, ...], scale: Fraction, dtype: np.dtype) -> np.ndarray:
    """Smallest number behind each boundary, in steps of `scale`; layers of a network share many."""
    found = [Boundary(b.position * scale, b.inclusive).smallest(dtype) for b in boundaries]
    limits = np.array(found, dtype)
    limits.setflags(write=False)
    return limits
