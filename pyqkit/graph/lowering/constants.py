"""Constants of an ONNX graph: plain arrays, and arrays that a quantiser has turned into codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd

import numpy as np

from pyqkit.formats import Integer, Microscaled, NumberFormat
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph.lowering.quantiser import Quantiser
from pyqkit.graph.ops.convolution import Convolution

_FLOAT64_BITS = 29  # integers of these times the 24 bits of a float32 scale are float64


@dataclass(frozen=True, eq=False)
class Coded:
    """A quantised constant, such as the weights of a convolution.

    Attributes
    ----------
    codes : numpy.ndarray
    quantiser : Quantiser
        Its scale has as many axes as `codes`, or none.
    shifts : numpy.ndarray or None
        Bits by which each element is shifted left (blocks with a power-of-two scale of their own).
    block : int
        Elements that share a shift, along an axis; 0 without shifts.
    """

    codes: np.ndarray
    quantiser: Quantiser
    shifts: np.ndarray | None = None
    block: int = 0

    @property
    def format(self) -> NumberFormat:
        """Format of the codes."""
        return self.quantiser.format

    @property
    def scale(self) -> np.ndarray:
        """Scale with all axes of the codes."""
        scale = np.asarray(self.quantiser.scale)
        return scale.reshape((1,) * (self.codes.ndim - scale.ndim) + scale.shape)

    def moved(self, how: Callable[[np.ndarray], np.ndarray]) -> Coded:
        """The constant after a function that only moves elements."""
        scale = (
            how(np.broadcast_to(self.scale, self.codes.shape))
            if self.scale.size > 1
            else self.scale.reshape(())
        )
        shifts = None if self.shifts is None else how(self.shifts)
        return replace(
            self, codes=how(self.codes), quantiser=replace(self.quantiser, scale=scale), shifts=shifts
        )

    def values(self) -> np.ndarray:
        """Real values, float64 (exact for formats and scales of up to 24-bit significands)."""
        values = self.format.decode(self.codes) * self.scale * float(self.quantiser.prescale)
        return values if self.shifts is None else np.ldexp(values, self.shifts)

    @classmethod
    def of_integers(cls, integers: np.ndarray, scale: np.ndarray) -> Coded:
        """Integers times their scale, as codes of the smallest signed format that holds them."""
        low, high = int(integers.min(initial=0)), int(integers.max(initial=0))
        width = max(2, signed_range_bits(low, high))
        fmt = Integer(width, narrow=low != -(2 ** (width - 1)))
        return cls(fmt.from_integers(integers), Quantiser.of(fmt, scale))

    def exact(self) -> np.ndarray:
        """Real values: float64 where that holds them, fractions of wide integers (biases have 32 bits).

        A Logarithmic Posit that is added to something passes its table.
        """
        if self.format.is_logarithmic:
            linear = self.format.integers[self.codes] * float(self.format.unit)
            return linear * self.scale * float(self.quantiser.prescale)
        if not isinstance(self.format, Integer) or self.format.bits <= _FLOAT64_BITS:
            return self.values()
        integers = self.format.to_integers(self.codes).ravel().tolist()
        scales = np.broadcast_to(self.scale, self.codes.shape).ravel().tolist()
        values = np.array([i * Fraction(s) for i, s in zip(integers, scales)], object)
        return values.reshape(self.codes.shape)


def without_common_powers(codes: np.ndarray, fmt: NumberFormat) -> tuple[np.ndarray, np.ndarray]:
    """Weights of each output divided by the largest power of two that divides them all.

    Weights stay where what comes out is no code of the format.

    Parameters
    ----------
    codes : numpy.ndarray, shape (outputs, ...)
    fmt : NumberFormat

    Returns
    -------
    codes : numpy.ndarray
    powers : numpy.ndarray of int, shape (outputs,)
        Exponents of what each output was divided by.
    """
    known = {int(fmt.integers[c]): int(c) for c in fmt.codes}
    found, powers = codes.copy(), np.zeros(len(codes), np.int64)
    for output, row in enumerate(codes):
        integers = [int(i) for i in fmt.integers[row].ravel()]
        common = gcd(*integers)
        power = (common & -common).bit_length() - 1 if common else 0
        divided = [known.get(i >> power, -1) for i in integers]
        if -1 not in divided:
            found[output], powers[output] = np.reshape(divided, row.shape), power
    return found, powers


def without_common_exponents(layer: Convolution) -> tuple[np.ndarray, np.ndarray]:
    """Exponents of a layer's blocks, less the smallest of each output; blocks of zeros have no say.

    Returns
    -------
    exponents : numpy.ndarray of uint8, shape (outputs, kernel height, kernel width, blocks)
    least : numpy.ndarray of int64, shape (outputs,)
    """
    assert layer.exponents is not None
    nonzero = layer.weight_format.integers[layer.weights] != 0
    starts = np.arange(0, nonzero.shape[-1], layer.block)
    live = np.logical_or.reduceat(nonzero, starts, axis=-1)
    exponents = layer.exponents.astype(np.int64)
    none = int(exponents.max())
    least = np.where(live, exponents, none).reshape(len(exponents), -1).min(axis=1)
    found = np.where(live, exponents - least[:, None, None, None], 0)
    return found.astype(np.uint8), least


def shared_exponents(shifts: np.ndarray, most: int) -> tuple[int, np.ndarray]:
    """The longest runs, of at most `most` weights, in which all have one shift; and the shift of each run.

    Weights may have been moved since their blocks were made: those of a linear layer behind an image have
    blocks in the order of the model, and runs in that of the stream. Weights that share nothing along their
    last axis are runs of one.

    Parameters
    ----------
    shifts : numpy.ndarray, shape (..., channels)
    most : int

    Returns
    -------
    block : int
    exponents : numpy.ndarray, shape (..., ceil(channels / block))
    """
    channels = shifts.shape[-1]
    for block in range(min(most, channels), 1, -1):
        exponents = shifts[..., ::block]
        if np.array_equal(np.repeat(exponents, block, axis=-1)[..., :channels], shifts):
            return block, np.ascontiguousarray(exponents)
    return 1, np.ascontiguousarray(shifts)


def code_blocks(values: np.ndarray, fmt: Microscaled, scale: np.ndarray, axis: int) -> Coded:
    """Quantise a constant in microscaled blocks.

    The spread of the shared exponents becomes a shift of each element.
    """
    codes, exponents = fmt.encode(np.asarray(values, np.float64) / np.asarray(scale, np.float64), axis)
    alive = fmt.element.decode(np.moveaxis(codes, axis, -1)) != 0
    used = exponents[np.logical_or.reduceat(alive, np.arange(0, alive.shape[-1], fmt.block), axis=-1)]
    lowest = int(used.min()) if used.size else 0  # blocks of zeros have no say
    spread = np.repeat(np.maximum(exponents - lowest, 0), fmt.block, axis=-1)[..., : values.shape[axis]]
    shared = Quantiser.of(fmt.element, np.asarray(scale, np.float64) * 2.0**lowest)
    if not spread.any():
        return Coded(codes, shared)
    return Coded(codes, shared, np.moveaxis(spread, -1, axis).astype(np.uint8), fmt.block)
