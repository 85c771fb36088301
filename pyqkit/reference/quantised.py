"""Values of the reference: real numbers in double-double arithmetic, and what quantisers make of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.lowering.quantise import Quantiser
from pyqkit.reference.doubledouble import DoubleDouble


@dataclass(frozen=True, eq=False)
class Quantised:
    """A tensor that a quantiser made.

    Attributes
    ----------
    content : numpy.ndarray
        Integers of a linear format, codes of a Logarithmic Posit (both: zero is 0).
    format : NumberFormat
    scale : DoubleDouble
        Real value of one integer step (linear), or of the value 1 (logarithmic); broadcasts to `content`.
    ties : int
        Elements that lay exactly on a boundary when they were rounded.
    """

    content: np.ndarray
    format: NumberFormat
    scale: DoubleDouble
    ties: int = 0

    @property
    def integers(self) -> np.ndarray:
        """Integers as float64, sent through the log-to-linear table if logarithmic."""
        return (self.format.integers[self.content] if self.format.is_logarithmic else self.content).astype(np.float64)

    @property
    def real(self) -> DoubleDouble:
        """Real values."""
        step = self.scale * DoubleDouble.of(float(self.format.unit)) if self.format.is_logarithmic else self.scale
        return DoubleDouble.of(self.integers) * step

    def codes(self) -> np.ndarray:
        """Codes of the format."""
        if self.format.is_logarithmic:
            return self.content
        if isinstance(self.format, Integer):
            return self.format.from_integers(self.content)
        place = {int(self.format.integers[c]): int(c) for c in self.format.codes}
        ordered = np.array(sorted(place))
        return np.array([place[int(i)] for i in ordered], self.format.code_dtype)[np.searchsorted(ordered, self.content)]


Value = np.ndarray | DoubleDouble | Quantised


def real_of(value: Value) -> DoubleDouble:
    """Any value as real numbers."""
    if isinstance(value, Quantised):
        return value.real
    return value if isinstance(value, DoubleDouble) else DoubleDouble.of(value)


def quantise(source: Value, quantiser: Quantiser) -> Quantised:
    """Round a value, and count its ties."""
    fmt, ties = quantiser.format, 0
    if isinstance(source, np.ndarray):
        scale = np.asarray(quantiser.scale)
        codes = Quantiser(fmt, scale.reshape(()) if scale.size == 1 else scale, quantiser.boundaries, quantiser.prescale).encode(source)
    else:
        codes, ties = _encode(real_of(source), quantiser)
    step = DoubleDouble.of(quantiser.scale) * DoubleDouble.of_fraction(quantiser.prescale)
    if fmt.is_logarithmic:
        return Quantised(codes, fmt, step, ties)
    integers = fmt.to_integers(codes) if isinstance(fmt, Integer) else fmt.integers[codes]
    return Quantised(integers, fmt, step * DoubleDouble.of(float(fmt.unit)), ties)


def _encode(x: DoubleDouble, quantiser: Quantiser) -> tuple[np.ndarray, int]:
    """Codes, ``x >= boundary * scale`` decided in double-double, and how many elements lay on a boundary."""
    scales = np.asarray(quantiser.scale, np.float64)
    if scales.size > 1:
        pieces = np.empty(x.high.shape, quantiser.format.code_dtype)
        spread, ties = np.broadcast_to(scales, x.high.shape), 0
        for scale in np.unique(scales):
            at = spread == scale
            single = Quantiser(quantiser.format, np.asarray(scale), quantiser.boundaries, quantiser.prescale)
            pieces[at], found = _encode(x.map(lambda a, at=at: a[at]), single)  # type: ignore[misc]
            ties += found
        return pieces, ties
    scale = Fraction(float(scales.ravel()[0])) * quantiser.prescale
    if not quantiser.boundaries:
        return _encode_wide(x, quantiser.format, float(scale)), 0
    ends = [DoubleDouble.of_fraction(b.position * scale) for b in quantiser.boundaries]
    highs, lows = np.array([e.high for e in ends]), np.array([e.low for e in ends])
    inclusive = np.array([b.inclusive for b in quantiser.boundaries])
    index = np.searchsorted(highs, x.high, side="left")
    nearest = np.minimum(index, len(highs) - 1)
    same_high, same_low = highs[nearest] == x.high, x.low == lows[nearest]
    passed = (x.low > lows[nearest]) | (same_low & inclusive[nearest])
    return quantiser.format.codes[index + (same_high & passed)], int((same_high & same_low).sum())


def _encode_wide(x: DoubleDouble, fmt: NumberFormat, scale: float) -> np.ndarray:
    assert isinstance(fmt, Integer)  # only integers are wider than their boundaries are listed
    quotient = x.divided(scale)
    floor = np.floor(quotient.high)
    floor = floor - ((floor == quotient.high) & (quotient.low < 0))
    rest = quotient + DoubleDouble.of(-floor)
    half = DoubleDouble.of(np.full(floor.shape, 0.5))
    up = half.less(rest) | ((rest.high == 0.5) & (rest.low == 0) & (floor % 2 == 1))
    return fmt.from_integers(np.clip(floor + up, fmt.low, fmt.high))
