"""Layer norm and RMS norm: the real result of integers, rounded once, by integers whose squares decide."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pyqkit.formats import Boundary, NumberFormat
from pyqkit.graph.fields import array_field, flag_field, format_field, whole_field
from pyqkit.graph.folding import Axis, Folding, FoldingSpace
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect, to_integers
from pyqkit.graph.ops import operator
from pyqkit.graph.ops.nearest import WIDEST, Place, nearest_codes

_INT64 = 2**63  # v is such an integer; float64 has it to a unit in the last place
EPSILON_BITS = 127  # of its numerator and its denominator: those of float32 over the square of such a scale


@dataclass(frozen=True)
class LayerNormFolding(Folding):
    """Parallelism of one norm.

    Attributes
    ----------
    pe : int
        Channels at a time.
    """

    pe: int = 1


@operator
@dataclass
class LayerNorm(Operator):
    """``nearest code to gain[c] * d[c] / sqrt(v + epsilon) + offset[c]`` for every pixel.

    Of n channels x with the sum s, ``d = n * x - s`` and ``v = n * (sum of x**2) - s**2``; without
    `centred`, as in an RMS norm, s counts as 0. What a unit of x is worth cancels, but for epsilon, which is
    ``n**2`` over its square times the epsilon of the network.

    A code has reached a boundary b where ``d**2`` over ``v + epsilon`` has passed the square of ``(b -
    offset) / gain`` on the side that the signs say: rational numbers, so that nothing is lost.

    Attributes
    ----------
    format : NumberFormat
        Of the result.
    gain_numerators, gain_denominators, offset_numerators, offset_denominators : numpy.ndarray, int64
        For each channel, in values of the format; denominators are positive.
    epsilon_numerator, epsilon_denominator : int
    centred : bool
    """

    format: NumberFormat = format_field()
    gain_numerators: np.ndarray = array_field(sized=True)
    gain_denominators: np.ndarray = array_field(sized=True)
    offset_numerators: np.ndarray = array_field(sized=True)
    offset_denominators: np.ndarray = array_field(sized=True)
    epsilon_numerator: int = whole_field(least=1)
    epsilon_denominator: int = whole_field(least=1)
    centred: bool = flag_field(default=True)

    kind = "layer_norm"
    folding_type = LayerNormFolding

    @property
    def switched(self) -> frozenset[str]:
        rows = [f"{row}_{part}s" for row in ("gain", "offset") for part in ("numerator", "denominator")]
        return frozenset({*rows, "epsilon_numerator", "epsilon_denominator"})

    @property
    def epsilon(self) -> Fraction:
        """What is added to v."""
        return Fraction(self.epsilon_numerator, self.epsilon_denominator)

    def check(self) -> None:
        rows = self.gain_numerators, self.gain_denominators, self.offset_numerators, self.offset_denominators
        sound = all(row.dtype == np.int64 and row.shape == rows[0].shape and row.ndim == 1 for row in rows)
        expect(sound and rows[0].size > 0, self, "gains and offsets that are no rows of int64 of one length")
        expect(min(int(rows[i].min()) for i in (1, 3)) > 0, self, "a denominator that is not positive")
        wide = max(self.epsilon_numerator, self.epsilon_denominator) >> EPSILON_BITS
        expect(not wide, self, f"an epsilon of more than {EPSILON_BITS} bits")
        expect(self.format.bits <= WIDEST, self, f"results in {self.format}, of more than {WIDEST} bits")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        channels = tensor.shape[2]
        if len(self.gain_numerators) != channels:
            raise GraphError(
                f"a gain for each of {channels} channels was expected by {self.name}, but "
                f"{len(self.gain_numerators)} came; normalise all channels of a pixel"
            )
        largest = max(abs(tensor.low), abs(tensor.high))
        if 2 * (channels * largest) ** 2 >= _INT64:
            raise GraphError(
                f"channels whose squares add up to less than 2**62 were expected by {self.name}, but "
                f"{channels} of {tensor.format} came; quantise to fewer bits before the norm"
            )
        return [Tensor.of(self.outputs[0], tensor.shape, self.format)]

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        return FoldingSpace(LayerNormFolding, (Axis("pe", tensors[0].shape[2]),))

    def moments(self, integers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """d, and v with an axis of 1, int64."""
        channels = integers.shape[-1]
        sums = integers.sum(axis=-1, keepdims=True) * int(self.centred)
        squares = np.square(integers).sum(axis=-1, keepdims=True)
        return channels * integers - sums, channels * squares - np.square(sums)

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        moved, spread = self.moments(to_integers(inputs[0], tensors[0].format).astype(np.int64))
        scaled = moved * self._floats(self.gain_numerators, self.gain_denominators)
        scaled = scaled / np.sqrt(spread + float(self.epsilon))
        offset = self._floats(self.offset_numerators, self.offset_denominators)

        def reaches(place: Place, boundary: Boundary) -> bool:
            channel = place[-1]
            gain = Fraction(int(self.gain_numerators[channel]), int(self.gain_denominators[channel]))
            rest = boundary.position - Fraction(
                int(self.offset_numerators[channel]), int(self.offset_denominators[channel])
            )
            share = gain * int(moved[place])
            left = _signed_square(share) / (int(spread[(*place[:-1], 0)]) + self.epsilon)
            right = _signed_square(rest)
            return left > right or (boundary.inclusive and left == right)

        size = np.abs(scaled) + np.abs(offset)
        return [nearest_codes(self.format, scaled + offset, size, reaches)]

    @staticmethod
    def _floats(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
        return np.array([n / d for n, d in zip(numerators.tolist(), denominators.tolist())])


def _signed_square(number: Fraction) -> Fraction:
    """The square with the number's sign: it rises with the number."""
    return number * abs(number)
