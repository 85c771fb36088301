"""Where a layer's weights and activations are rounded: between learned ends, or by learned steps.

Both kinds give integers to a product and a gain behind it, so what a layer computes is a sum of integers and
one real factor. Integers of few bits are exact in float32, and so is their sum up to 2**24.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from pyqkit.errors import UserError
from pyqkit.formats import FormatError, OddLevels, parse
from pyqkit.quant.palquant.between import between
from pyqkit.quant.ptq.quantiser import Quantiser

_SPREAD = 3.0  # deviations between the middle and an end, when a layer begins
_HALF_NORMAL = sqrt(1 - 2 / pi)  # deviation of the magnitude of a normal variable of deviation 1


class Rounding(Quantiser):
    """Rounds to the integers of a format; it has no scale, and nothing in a ``state_dict``."""

    def __init__(self, name: str) -> None:
        super().__init__(parse(name))
        if isinstance(self.format, OddLevels):
            self.round = _odd(int(self.format.maximum))
        self.register_buffer("scale", self.scale, persistent=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Rounding:
        copied = Rounding(self.format.name)
        copied.enabled, copied.training = self.enabled, self.training
        return copied


def _odd(top: int) -> Callable[[Tensor], Tensor]:
    """Nearest of -top, 2 - top, ..., top; ties as the format's codes have it, half to even."""
    return lambda x: x.add(top).div_(2).round_().clamp_(0, top).mul_(2).sub_(top)


class Grid(nn.Module):
    """Mixed into a layer with a `weight`: integers of its weights, of what it is given, and their gain.

    Attributes
    ----------
    act_quant, weight_quant : Rounding
    init : Tensor
        1 until the first batch has been seen, then 0.
    gives_sums : bool
        Whether the gain is left to what comes behind.
    """

    weight: Tensor
    init: Tensor
    weight_quant: Rounding
    act_quant: Rounding
    formats: tuple[str, str]  # of weights and activations, with the bits left open
    names: tuple[str, ...]  # of learned numbers
    gives_sums = False

    def set_bits(self, weight_bits: int, act_bits: int) -> None:
        """Formats of weights and activations; learned numbers that are not found yet."""
        check_bits(weight_bits, act_bits)
        weights, acts = self.formats
        self.weight_quant = Rounding(f"{weights}{weight_bits}")
        self.act_quant = Rounding(f"{acts}{act_bits}")
        self.register_buffer("init", torch.tensor([1]))

    @abstractmethod
    def integers_of_weights(self) -> Tensor:
        """Integers of the weight format, like the weights."""

    @abstractmethod
    def integers_of(self, x: Tensor) -> Tensor:
        """Integers of the activation format, like `x`."""

    @abstractmethod
    def gain(self) -> Tensor:
        """What a sum of products of integers is worth."""

    @abstractmethod
    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        """The layer itself, of any activations and weights."""

    @abstractmethod
    def start(self, x: Tensor) -> None:
        """Find learned numbers from a first batch."""

    def forward(self, x: Tensor) -> Tensor:
        if bool(self.init):
            self._begin(x)
        sums = self.product(self.integers_of(x), self.integers_of_weights())
        return sums if self.gives_sums else sums * self.gain()

    @torch.no_grad()
    def _begin(self, x: Tensor) -> None:
        if not self.training:
            raise UserError(
                "a network whose quantisers have seen a batch was expected, but one layer's have not; run a "
                "batch through it in training mode, or load a checkpoint"
            )
        self.start(x)
        self.init.zero_()

    def learned(self) -> list[nn.Parameter]:
        """Parameters of the quantisers, which are trained at a rate of their own and never decay."""
        return [parameter for name, parameter in self.named_parameters(recurse=False) if name in self.names]


def check_bits(weight_bits: int, act_bits: int) -> None:
    """Refuse widths that there is no grid of."""
    if any(not isinstance(bits, int) or not 1 <= bits <= 8 for bits in (weight_bits, act_bits)):
        raise FormatError(
            f"weights and activations of 1 to 8 bits were expected, but {weight_bits} and {act_bits} came; "
            "choose others"
        )


class LearnedEnds(Grid):
    """PalQuant's own: learned ends l and u of weights and activations, and one output scale s.

        w = 2 c - (2**bits - 1)    c = round((2**bits - 1) clip((weight - lW) / (uW - lW), 0, 1))
        a = round((2**bits - 1) clip((x - lA) / (uA - lA), 0, 1))
        y = |s| / (w_max a_max) * sum of w a

    Weights are odd integers without zero (format ``odd2``), activations 0, 1, ... (``uint2``). Padding is
    a = 0, which stands for lA. Rounding has the gradient of the identity, so ends and scale get theirs
    through the affine map and the clip. Parameters are named as in the authors' code.
    """

    uW: Tensor
    lW: Tensor
    uA: Tensor
    lA: Tensor
    output_scale: Tensor

    formats = ("odd", "uint")
    names = ("uW", "lW", "uA", "lA", "output_scale")

    def set_bits(self, weight_bits: int, act_bits: int) -> None:
        super().set_bits(weight_bits, act_bits)
        for name in self.names:
            self.register_parameter(name, nn.Parameter(torch.tensor(float(name == "output_scale"))))

    @property
    def tops(self) -> tuple[int, int]:
        """Largest integers of weights and activations."""
        return int(self.weight_quant.format.maximum), int(self.act_quant.format.maximum)

    def integers_of_weights(self) -> Tensor:
        top, _ = self.tops
        return self.weight_quant((self.weight - self.lW) / (self.uW - self.lW) * (2 * top) - top)

    def integers_of(self, x: Tensor) -> Tensor:
        _, top = self.tops
        if self.training:
            return between(x, self.lA, self.uA, top)
        return self.act_quant((x - self.lA) / (self.uA - self.lA) * top)

    def gain(self) -> Tensor:
        of_weights, of_acts = self.tops
        return self.output_scale.abs() / (of_weights * of_acts)

    def start(self, x: Tensor) -> None:
        end = _SPREAD * self.weight.std()
        low, high = x.min(), _SPREAD * x.std() / _HALF_NORMAL
        if not high > low:
            raise UserError(
                f"activations that vary were expected in a first batch, but they lie between {low:g} and "
                f"{x.max():g}; take a batch of the data"
            )
        for parameter, value in ((self.uW, end), (self.lW, -end), (self.uA, high), (self.lA, low)):
            parameter.copy_(value)
        self.output_scale.fill_(1)
        made = self.product(self.integers_of(x), self.integers_of_weights()) * self.gain()
        self.output_scale.copy_(self.product(x, self.weight).abs().mean() / made.abs().mean())


class LearnedSteps(Grid):
    """LSQ (Esser et al., ICLR 2020): one learned step of weights and one of activations.

        w = round(clip(weight / step, -2**(bits - 1), 2**(bits - 1) - 1))
        a = round(clip(x / step, 0, 2**bits - 1))
        y = weight step * activation step * sum of w a

    The gradient of a step is divided by the square root of the number of values times the largest integer.
    """

    weight_step: Tensor
    act_step: Tensor

    formats = ("int", "uint")
    names = ("weight_step", "act_step")
    _features = 1  # of one frame

    def set_bits(self, weight_bits: int, act_bits: int) -> None:
        super().set_bits(weight_bits, act_bits)
        if weight_bits == 1:
            raise FormatError("LSQ with weights of 2 to 8 bits was expected, but 1 came; choose palquant")
        for name in self.names:
            self.register_parameter(name, nn.Parameter(torch.tensor(1.0)))

    def integers_of_weights(self) -> Tensor:
        return self.weight_quant(self.weight / self._slow_weight_step())

    def integers_of(self, x: Tensor) -> Tensor:
        self._features = x[0].numel()
        return self.act_quant(x / self._slow_act_step())

    def gain(self) -> Tensor:
        return self._slow_act_step() * self._slow_weight_step()

    def _slow_weight_step(self) -> Tensor:
        return _slow(self.weight_step, self.weight.numel() * self.weight_quant.format.maximum)

    def _slow_act_step(self) -> Tensor:
        return _slow(self.act_step, self._features * self.act_quant.format.maximum)

    def start(self, x: Tensor) -> None:
        for step, values, rounding in (
            (self.weight_step, self.weight, self.weight_quant),
            (self.act_step, x, self.act_quant),
        ):
            step.copy_(2 * values.abs().mean() / sqrt(rounding.format.maximum))


def _slow(step: Tensor, count: float) -> Tensor:
    """A step whose gradient is divided by the square root of a count."""
    share = step / sqrt(count)
    return (step - share).detach() + share
