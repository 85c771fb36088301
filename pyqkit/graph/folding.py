"""How an operator is folded in time, and what it is built of.

An operator offers *axes*, each a number of things at a time that divides a total, and *choices*, words that
say what it is built of without changing its streams or its cycles. A folding is a setting of both: a frozen
dataclass of the operator's own, with a field of the same name for every axis (1 by default) and every choice
(the first option by default). Searches, files, reports and FINN nodes read axes and choices and know no
operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import product
from math import prod

from pyqkit.errors import UserError, brief

MULTIPLIERS = ("lut", "dsp", "dsp2", "dsp4")
MEMORIES = ("auto", "lut", "block")


@dataclass(frozen=True)
class Folding:
    """The setting of an operator that offers nothing, and the base of all others."""


@dataclass(frozen=True)
class EndFolding(Folding):
    """Codes in a beat of an AXI4-Stream, which enter or leave a network in a cycle."""

    lanes: int = 1


@dataclass(frozen=True)
class Axis:
    """Things done at a time, a divisor of how many there are.

    Attributes
    ----------
    name : str
        Of the field of the folding, in lower case.
    total : int
    most : int, optional
        The largest divisor that can be had; `total` by default.
    optional : bool
        Whether a file may leave it out, for one thing at a time.
    """

    name: str
    total: int
    most: int | None = None
    optional: bool = False

    @property
    def divisors(self) -> list[int]:
        """All values, in order."""
        most = self.total if self.most is None else self.most
        return [n for n in range(1, most + 1) if self.total % n == 0]


@dataclass(frozen=True)
class Need:
    """What an option of a choice needs an axis to be: a multiple of a number, perhaps at most another."""

    axis: str
    multiple: int = 1
    most: int | None = None

    def met(self, folding: Folding) -> bool:
        """Whether a folding has it."""
        value = getattr(folding, self.axis)
        return value % self.multiple == 0 and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"that {self.multiple} divides" if self.most is None else f"of at most {self.most}"


@dataclass(frozen=True)
class Choice:
    """What an operator is built of: streams and cycles are the same with every option.

    Attributes
    ----------
    name : str
        Of the field of the folding.
    options : tuple of str
        The default first.
    refusals : mapping of str to str
        For options that this operator cannot have: the reason, as what was expected and what came.
    needs : mapping of str to tuple of Need
        For options that not every setting of the axes can have.
    """

    name: str
    options: tuple[str, ...]
    refusals: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, tuple[Need, ...]] = field(default_factory=dict)

    @property
    def possible(self) -> list[str]:
        """Options that the operator can have with some setting of the axes."""
        return [option for option in self.options if option not in self.refusals]

    def possible_at(self, folding: Folding) -> list[str]:
        """Options that the operator can have with a setting of the axes."""
        return [option for option in self.possible if not self.lacking(option, folding)]

    def lacking(self, option: str, folding: Folding) -> list[Need]:
        """What an option needs and a setting of the axes does not have."""
        return [need for need in self.needs.get(option, ()) if not need.met(folding)]


@dataclass(frozen=True)
class FoldingSpace:
    """Everything that an operator offers.

    Attributes
    ----------
    type : type of Folding
    axes : tuple of Axis
    choices : tuple of Choice
    """

    type: type[Folding]
    axes: tuple[Axis, ...] = ()
    choices: tuple[Choice, ...] = ()

    def every(self) -> list[Folding]:
        """All settings of the axes, the least parallel first; of equal parallelism the most square."""
        settings = product(*(axis.divisors for axis in self.axes))
        names = [axis.name for axis in self.axes]
        ordered = sorted(settings, key=lambda values: (prod(values), max(values, default=1)))
        return [self.type(**dict(zip(names, values))) for values in ordered]

    def variants(self, folding: Folding) -> list[Folding]:
        """A setting of the axes with all possible choices, the defaults first."""
        names = [choice.name for choice in self.choices]
        settings = product(*(choice.possible_at(folding) for choice in self.choices))
        return [replace(folding, **dict(zip(names, options))) for options in settings]

    def plain(self, folding: Folding) -> Folding:
        """The same setting of the axes with the default choices."""
        return replace(folding, **{choice.name: choice.options[0] for choice in self.choices})

    def check(self, folding: Folding, operator: str) -> None:
        """Refuse a folding that does not divide an operator, or builds it of what it cannot be built of.

        Raises
        ------
        UserError
        """
        if type(folding) is not self.type:
            raise UserError(
                f"a {self.type.__name__} was expected for {operator}, but a {type(folding).__name__} came; "
                "take the folding of its own operator"
            )
        for axis in self.axes:
            value = getattr(folding, axis.name)
            if value < 1 or axis.total % value or value > (axis.most or axis.total):
                most = "" if axis.most is None else f" and is at most {axis.most}"
                raise UserError(
                    f"a {axis.name.upper()} that divides {axis.total}{most} was expected for {operator}, but "
                    f"{value} came; choose a divisor"
                )
        for choice in self.choices:
            _check_choice(choice, folding, operator)


def _check_choice(choice: Choice, folding: Folding, operator: str) -> None:
    option = getattr(folding, choice.name)
    if option not in choice.options:
        raise UserError(
            f"a {choice.name} of {', '.join(choice.options)} was expected for {operator}, but "
            f"{brief(option)} came; choose one of them"
        )
    if option in choice.refusals:
        raise UserError(f"{choice.refusals[option]}; choose {choice.name} {choice.possible[0]}")
    for need in choice.lacking(option, folding):
        raise UserError(
            f"a {need.axis.upper()} {need} was expected for {operator} with {option}, but "
            f"{getattr(folding, need.axis)} came; choose another one, or {choice.name} {choice.possible[0]}"
        )


def settings(folding: Folding) -> dict[str, int | str]:
    """Axes and choices of a folding by name, as files and reports show them."""
    return {item.name: getattr(folding, item.name) for item in fields(folding)}
