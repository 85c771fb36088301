"""Functions of whole pixels that wait for a quantiser: softmax, layer norm and RMS norm.

They read one quantised tensor, and what they make is rounded once: what stands between them and the quantiser
is a gain and an offset of each channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.graph.conventions import exponential_table
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Affine, Fractions
from pyqkit.graph.lowering.norms import check_alone
from pyqkit.graph.lowering.real import Real, fractions
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.ops.layer_norm import EPSILON_BITS, LayerNorm
from pyqkit.graph.ops.softmax import Softmax

_BEHIND = "put a quantiser (QuantIdentity) behind the softmax or the norm"


class RowFunction(Protocol):
    """A function of all channels of a pixel, or of each group of them."""

    def emit(
        self,
        lowering: Lowering,
        tensor: str,
        gain: Fractions,
        offset: Fractions,
        fmt: NumberFormat,
        name: str,
    ) -> Tensor:
        """The operator that rounds ``gain[c] * function + offset[c]``, in values of a format, to codes."""
        ...


@dataclass(frozen=True)
class SoftmaxRows:
    """Softmax of each of equal groups of channels.

    Attributes
    ----------
    groups : int
    step : Fraction
        What an integer of the scores is worth.
    causal : bool
        See `pyqkit.graph.ops.softmax.Softmax`.
    """

    groups: int
    step: Fraction
    causal: bool = False

    def emit(
        self,
        lowering: Lowering,
        tensor: str,
        gain: Fractions,
        offset: Fractions,
        fmt: NumberFormat,
        name: str,
    ) -> Tensor:
        if any(offset) or any(g != gain[0] or g <= 0 for g in gain):
            raise Unlowerable("its shares have a scale for each channel, or an offset", _BEHIND)
        significands, exponents = self._table(lowering.graph.tensors[tensor])
        (numerator,), (denominator,) = _whole(gain[:1])
        return lowering.emit(
            Softmax,
            name,
            [tensor],
            format=fmt,
            significands=significands,
            exponents=exponents,
            groups=self.groups,
            gain_numerator=int(numerator),
            gain_denominator=int(denominator),
            causal=self.causal,
        )

    def _table(self, tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
        fmt = tensor.format
        significands, exponents = np.zeros((2, 2**fmt.bits), np.int64)
        numbers = [self.step * int(integer) for integer in fmt.integers[fmt.codes]]
        try:
            significands[fmt.codes], exponents[fmt.codes] = exponential_table(numbers)
        except ValueError as error:
            raise Unlowerable(str(error), "check the scale of the scores") from None
        return significands, exponents


@dataclass(frozen=True)
class NormRows:
    """Layer norm, or RMS norm, of all channels of a pixel.

    Attributes
    ----------
    epsilon : Fraction
        As the network says it.
    step : Fraction
        What an integer is worth.
    centred : bool
    """

    epsilon: Fraction
    step: Fraction
    centred: bool

    def emit(
        self,
        lowering: Lowering,
        tensor: str,
        gain: Fractions,
        offset: Fractions,
        fmt: NumberFormat,
        name: str,
    ) -> Tensor:
        channels = lowering.graph.tensors[tensor].shape[2]
        # d / sqrt(v + e) of the operator, whose d is n times the distance from the mean and v n**2 times the
        # variance; with RMS norms d is n * x and v is n**2 times the mean square.
        scaled = self.epsilon * channels**2 / self.step**2
        gains, offsets = _whole(gain if self.step > 0 else -gain), _whole(offset)
        _check_bits([scaled], EPSILON_BITS)
        return lowering.emit(
            LayerNorm,
            name,
            [tensor],
            format=fmt,
            gain_numerators=gains[0],
            gain_denominators=gains[1],
            offset_numerators=offsets[0],
            offset_denominators=offsets[1],
            epsilon_numerator=scaled.numerator,
            epsilon_denominator=scaled.denominator,
            centred=self.centred,
        )


def _whole(values: Iterable[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators, int64."""
    known = list(values)
    _check_bits(known, 63)
    numerators = np.array([value.numerator for value in known], np.int64)
    return numerators, np.array([value.denominator for value in known], np.int64)


def _check_bits(values: Iterable[Fraction], bits: int) -> None:
    if any(max(abs(value.numerator), value.denominator) >> bits for value in values):
        raise Unlowerable(
            f"one of its factors has a numerator or a denominator of more than {bits} bits",
            "take powers of two as scales of what stands before and behind it",
        )


def gain_and_offset(real: Real) -> tuple[Fractions, Fractions]:
    """What the functions behind a row function do, which has to be a factor and an offset of each channel."""
    check_alone(real)
    gain, offset = fractions(1, real.channels), fractions(0, real.channels)
    for function in real.functions:
        if not isinstance(function, Affine):
            raise Unlowerable("a function follows a softmax or a norm without a quantiser between", _BEHIND)
        gain, offset = gain * function.factor, offset * function.factor + function.offset
    return gain, offset
