"""Requantisers: exact integers to the codes of a format, by thresholds or by multiply, shift and round.

Both rules are exact integer arithmetic and are the definition in all engines.

`Threshold`, for any output of up to 8 bits. Channel c has thresholds t[c, 0] <= ... <= t[c, n-2] for a format
of n values:

    steps = number of i with x >= t[c, i]
    code  = format.codes[n - 1 - steps if falling[c] else steps]

A function that rises and falls has the thresholds t[c, 0] <= ... <= t[c, m-1] of all its pieces, and the
places of the codes that follow each other:

    code  = format.codes[places[c, m - steps if falling[c] else steps]]

Lowering computes the thresholds in rational arithmetic from the format's boundaries, so no scale is ever
rounded.

`Rescale`, for integer outputs; with up to 8 bits where it equals the thresholds on every integer of the
input:

    code = clip(half_to_even((x * multiplier[c] + offset[c]) / 2**shift))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.fields import array_field, flag_field, format_field, whole_field
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator

MOST_THRESHOLDS = 1023  # a search of ten comparisons


@operator
@dataclass
class Threshold(Operator):
    """Any function of each channel (scale, batch norm, ReLU, ...) followed by rounding to a format.

    Attributes
    ----------
    format : NumberFormat
    thresholds : numpy.ndarray, int64, shape (channels, values - 1), or of any width beside `places`
        Rows do not decrease. A threshold of ``low`` of the input is always passed, one of ``high + 1`` never.
    falling : numpy.ndarray, bool, shape (channels,)
        Channels whose output falls as the input rises, or that take `places` from the end.
    places : numpy.ndarray, int64, shape (1 or channels, thresholds + 1), or None
        Of the codes that follow each other as the input rises; None where these are all codes in order.
    """

    format: NumberFormat = format_field()
    thresholds: np.ndarray = array_field(sized=True)
    falling: np.ndarray = array_field()
    places: np.ndarray | None = array_field(optional=True)

    kind = "threshold"

    @property
    def switched(self) -> frozenset[str]:
        return frozenset({"thresholds", "falling"})

    @property
    def codes(self) -> np.ndarray:
        """Codes that follow each other, (1 or channels, thresholds + 1)."""
        return self.format.codes[None] if self.places is None else self.format.codes[self.places]

    def check(self) -> None:
        table = self.thresholds
        whole = table.dtype == np.int64 and table.ndim == 2
        expect(
            whole and table.shape[1] <= MOST_THRESHOLDS and bool((np.diff(table) >= 0).all()),
            self,
            f"thresholds that decrease, or no int64 table of at most {MOST_THRESHOLDS}",
        )
        expect(self.falling.dtype == np.bool_, self, "wrong directions")
        if self.places is not None:
            whole = self.places.dtype == np.int64 and self.places.ndim == 2 and self.places.size > 0
            known = whole and 0 <= self.places.min() <= self.places.max() < len(self.format.codes)
            expect(bool(known), self, "places that are none of its codes")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        expected = (tensor.shape[2], self.codes.shape[1] - 1)
        if len(self.codes) not in (1, tensor.shape[2]):
            raise GraphError(f"places for 1 or {tensor.shape[2]} channels were expected by {self.name}")
        if self.thresholds.shape != expected or self.falling.shape != expected[:1]:
            raise GraphError(
                f"thresholds of shape {expected} were expected by {self.name}, but "
                f"{self.thresholds.shape} came"
            )
        first = (self.thresholds <= tensor.low).sum(axis=1)
        last = (self.thresholds <= tensor.high).sum(axis=1)
        steps = np.arange(expected[1] + 1)
        reached = (first[:, None] <= steps) & (steps <= last[:, None])
        integers = self.format.integers[self._by_steps()][reached]
        return [Tensor(self.outputs[0], tensor.shape, self.format, int(integers.min()), int(integers.max()))]

    def _by_steps(self) -> np.ndarray:
        """Codes by channel and number of thresholds that are reached."""
        codes = np.broadcast_to(self.codes, (len(self.falling), self.codes.shape[1]))
        return np.where(self.falling[:, None], codes[:, ::-1], codes)

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        x = to_integers(inputs[0], tensors[0].format)
        found = np.empty(x.shape, self.format.codes.dtype)
        for channel, (row, codes) in enumerate(zip(self.thresholds, self._by_steps())):
            found[..., channel] = codes[np.searchsorted(row, x[..., channel], side="right")]
        return [found]


@operator
@dataclass
class Rescale(Operator):
    """Multiply, add, shift, round half to even, saturate; for integer outputs.

    Attributes
    ----------
    format : Integer
    multiplier, offset : numpy.ndarray, int64, shape (channels,)
    shift : int
        0 to 62.
    relu : bool
        Negative results become 0 before rounding.
    """

    format: Integer = format_field()
    multiplier: np.ndarray = array_field()
    offset: np.ndarray = array_field()
    shift: int = whole_field()
    relu: bool = flag_field(default=False)

    kind = "rescale"

    @property
    def switched(self) -> frozenset[str]:
        return frozenset({"multiplier", "offset", "shift"})

    def check(self) -> None:
        expect(isinstance(self.format, Integer), self, f"the format {self.format}, which is no integer")
        expect(0 <= self.shift <= 62, self, f"the shift {self.shift}, not one from 0 to 62")
        for values in (self.multiplier, self.offset):
            expect(
                values.dtype == np.int64 and values.ndim == 1,
                self,
                "numbers for its channels that are no int64 list",
            )

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        for values in (self.multiplier, self.offset):
            expect(
                len(values) == tensor.shape[2],
                self,
                f"numbers for {len(values)} channels instead of {tensor.shape[2]}",
            )
        if self.scaled_bits(tensor) > 64:
            raise GraphError(
                f"products of at most 64 bits were expected in {self.name}, but they have "
                f"{self.scaled_bits(tensor)}"
            )
        # The result is monotone in every channel, so its ends are those of the input.
        ends = self.rounded(np.array([[tensor.low], [tensor.high]], np.int64) * np.ones_like(self.multiplier))
        return [Tensor(self.outputs[0], tensor.shape, self.format, int(ends.min()), int(ends.max()))]

    def scaled_bits(self, tensor: Tensor) -> int:
        """Width of a signed integer that holds every ``x * multiplier + offset``.

        And the half that rounding adds.
        """
        return (self.largest_scaled(tensor) + (1 << self.shift)).bit_length() + 1

    def largest_scaled(self, tensor: Tensor) -> int:
        """Bound of the magnitude of every ``x * multiplier + offset``."""
        reach = max(abs(tensor.low), abs(tensor.high))
        return max(abs(int(m)) * reach + abs(int(b)) for m, b in zip(self.multiplier, self.offset))

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        return [self.format.from_integers(self.rounded(to_integers(inputs[0], tensors[0].format)))]

    def rounded(self, x: np.ndarray) -> np.ndarray:
        """Integers of the format for exact integers of shape (..., channels)."""
        scaled = x * self.multiplier + self.offset
        if self.relu:
            scaled = np.maximum(scaled, 0)
        rounded = scaled
        if self.shift:
            floor = scaled >> self.shift
            rest = scaled - (floor << self.shift)
            half = np.int64(1) << (self.shift - 1)
            rounded = floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))
        return np.clip(rounded, self.format.low, self.format.high)
