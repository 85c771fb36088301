"""What is to be made of a float network: formats, kinds of scales, and the steps that keep accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from pyqkit.errors import UserError, brief, listed
from pyqkit.formats import FormatError, Integer, LogPosit, Minifloat, NumberFormat, parse
from pyqkit.formats.base import MAX_TABLE_BITS
from pyqkit.quant.ptq.step import Step, steps

Scaling = Literal["power_of_two", "real"]
Per = Literal["channel", "tensor"]
Search = Literal["max", "percentile", "mse"]
Placement = Literal["dataflow", "layers"]


@dataclass(frozen=True)
class Recipe:
    """How a network is quantised after training.

    Attributes
    ----------
    weights, acts : NumberFormat
        Formats of weights and activations.
    end_weights, end_acts : NumberFormat
        Of the first and the last layer, and of what they read.
    steps : tuple of Step
        In the order in which they run.
    per : {"channel", "tensor"}
        One scale of weights for each output channel, or for the whole tensor. Activations have one scale.
    scaling : {"power_of_two", "real"}
        Powers of two cost hardware nothing.
    weight_scale, act_scale : {"max", "percentile", "mse"}
        Whether a scale comes from the largest magnitude, from one that few exceed, or is that of the smallest
        squared error.
    percentile : float
        Which part of the magnitudes does not saturate, in percent.
    signed : bool
        Whether tensors that are never negative have signed formats, too, and not their unsigned twins.
    placement : {"dataflow", "layers"}
        Whether numbers are rounded where the hardware rounds them, or only what layers with weights read: see
        `pyqkit.quant.ptq.places`. The second is for studies of formats, and is not exported.
    """

    weights: NumberFormat
    acts: NumberFormat
    end_weights: NumberFormat
    end_acts: NumberFormat
    steps: tuple[Step, ...] = ()
    per: Per = "channel"
    scaling: Scaling = "power_of_two"
    weight_scale: Search = "mse"
    act_scale: Search = "mse"
    percentile: float = 99.99
    signed: bool = False
    placement: Placement = "dataflow"

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("per", self.per, get_args(Per)),
            ("scaling", self.scaling, get_args(Scaling)),
            ("weight_scale", self.weight_scale, get_args(Search)),
            ("act_scale", self.act_scale, get_args(Search)),
            ("placement", self.placement, get_args(Placement)),
        ):
            if value not in choices:
                raise UserError(
                    f"{' or '.join(choices)} was expected for {name}, but {brief(value)} came; take one"
                )
        if not 0 < self.percentile <= 100:
            raise UserError(
                f"a percentile above 0 and up to 100 was expected, but {self.percentile} came; 99.99 is usual"
            )

    @classmethod
    def of(
        cls,
        weights: str,
        acts: str = "",
        ends: str = "",
        recipe: str = "",
        per: Per = "channel",
        scaling: Scaling = "power_of_two",
        weight_scale: Search = "mse",
        act_scale: Search = "mse",
        percentile: float = 99.99,
        signed: bool = False,
        placement: Placement = "dataflow",
    ) -> Recipe:
        """From names: formats as `pyqkit.formats.parse` has them, steps joined by plus signs.

        Without `acts` activations have the format of the weights. Without `ends` first and last layer have 8
        bits of the same family.

        Raises
        ------
        UserError
            For an unknown name, or a format that has no values of its own (blocks).
        """
        own, activations = _format(weights), _format(acts or weights)
        end_weights = _format(ends) if ends else _eight_bits(own)
        end_acts = _format(ends) if ends else _eight_bits(activations)
        return cls(
            own,
            activations,
            end_weights,
            end_acts,
            parse_steps(recipe),
            per,
            scaling,
            weight_scale,
            act_scale,
            percentile,
            signed,
            placement,
        )

    def act_format(self, at_end: bool, never_negative: bool) -> NumberFormat:
        """Format of a tensor: the unsigned twin where one exists and nothing is negative."""
        fmt = self.end_acts if at_end else self.acts
        twin = fmt.unsigned_twin if never_negative and not self.signed else None
        return twin or fmt

    def weight_format(self, at_end: bool) -> NumberFormat:
        """Format of a layer's weights."""
        return self.end_weights if at_end else self.weights


def parse_steps(names: str | Iterable[str]) -> tuple[Step, ...]:
    """Steps of names such as ``"equalise+gptq+round+bias"``, in the order in which they run.

    An empty string, or "none", is none.
    """
    wanted = [name.strip() for name in (names.split("+") if isinstance(names, str) else names)]
    wanted = [name for name in wanted if name and name != "none"]
    kinds: list[type[Step]] = []
    for name in wanted:
        found = steps.get(name)
        if found is None:
            known = listed(sorted(steps.names())) or "none"
            raise UserError(f"steps joined by + were expected, but {brief(name)} is none; there are {known}")
        if found in kinds:
            raise UserError(f"each step once was expected, but {brief(name)} came twice; leave one out")
        kinds.append(found)
    return tuple(found() for found in sorted(kinds, key=lambda found: found.rank))


def _format(name: str) -> NumberFormat:
    fmt = parse(name)
    if fmt.block or fmt.bits > MAX_TABLE_BITS:
        raise FormatError(
            f"a format of single values of up to {MAX_TABLE_BITS} bits was expected, but {name} came; blocks "
            "with a scale of their own are for layers of pyqkit.quant.weight_quantizer"
        )
    if not fmt.maximum < 3e38:
        raise FormatError(
            f"a format whose values fit float32 was expected, but {name} reaches {fmt.maximum:g}; choose "
            "another"
        )
    return fmt


def _eight_bits(fmt: NumberFormat) -> NumberFormat:
    """Format of 8 bits for first and last layer, of the same family."""
    if isinstance(fmt, Minifloat):
        return Minifloat(3, 4)
    return LogPosit.parse("lp8_1_3") or fmt if isinstance(fmt, LogPosit) else Integer(8)
