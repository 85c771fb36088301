"""What the paper says, tested on the lines of the study: sentences with paired 95 % intervals.

The best minifloat of a width is chosen on every second image and compared on the others, so that choosing
among several is no advantage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from pyqkit.studies.minifloat.plots import COSTS, Cost, best_recipes, front
from pyqkit.studies.minifloat.rows import FLOAT
from pyqkit.studies.minifloat.table import Line, is_integer
from pyqkit.studies.paired import Difference, difference

WIDTHS = range(4, 9)


@dataclass(frozen=True)
class Comparison:
    """The integer of a width and the minifloat that does best beside it; weights and activations alike.

    Attributes
    ----------
    gain : Difference
        Of the minifloat, on the images on which it was not chosen.
    gains : numpy.ndarray
        Of each of these images: 1, 0 or -1.
    """

    network: str
    recipe: str
    bits: int
    integer: Line
    minifloat: Line
    gain: Difference
    gains: np.ndarray


def comparisons(found: Sequence[Line]) -> list[Comparison]:
    """For each network, recipe and width of which an integer and minifloats are there."""
    same = [line for line in found if line.weights == line.acts != FLOAT]
    keys = dict.fromkeys((x.network, x.recipe, x.weight_bits, x.signed, x.act_scale, x.images) for x in same)
    made = []
    for key in sorted(keys):
        own = [
            x for x in same if (x.network, x.recipe, x.weight_bits, x.signed, x.act_scale, x.images) == key
        ]
        integers = [line for line in own if is_integer(line.weights)]
        floats = [line for line in own if not is_integer(line.weights)]
        if integers and floats:
            made.append(_compared(integers[0], floats))
    return made


def _compared(integer: Line, floats: Sequence[Line]) -> Comparison:
    best = max(floats, key=lambda line: line.right[::2].sum())
    ours, theirs = best.right[1::2], integer.right[1::2]
    return Comparison(
        integer.network,
        integer.recipe,
        integer.weight_bits,
        integer,
        best,
        difference(ours, theirs),
        ours.astype(int) - theirs,
    )


def accuracy(made: Sequence[Comparison]) -> Iterator[str]:
    """Minifloats beat integers in accuracy at 4 bits and more."""
    yield "| network | recipe | bits | integer % | best minifloat % | gain in points, 95 % |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for c in made:
        yield (
            f"| {c.network} | {c.recipe} | {c.bits} | {c.integer.top1:.2f} | {c.minifloat.weights} "
            f"{c.minifloat.top1:.2f} | {c.gain}{_verdict(c.gain)} |"
        )


def _verdict(gain: Difference) -> str:
    return "" if not gain.is_sure else " better" if gain.points > 0 else " worse"


def counted(made: Sequence[Comparison]) -> str:
    """How many comparisons from 4 bits on are decided, and for whom."""
    wide = [c for c in made if c.bits in WIDTHS]
    better = sum(c.gain.low > 0 for c in wide)
    worse = sum(c.gain.high < 0 for c in wide)
    return (
        f"Of {len(wide)} comparisons at 4 to 8 bits the minifloat is better in {better} and the integer in "
        f"{worse}; the other {len(wide) - better - worse} intervals hold zero."
    )


def fronts(found: Sequence[Line]) -> Iterator[str]:
    """Which formats of W = A nobody beats in accuracy and cost, each with the best of its recipes."""
    yield "| network | cost | formats on the front, the cheapest first |"
    yield "| --- | --- | --- |"
    for network in dict.fromkeys(line.network for line in found):
        for title, cost in COSTS.values():
            names = [f"{x.weights} ({x.top1:.2f})" for x in _front_of(found, network, cost)]
            if names:
                yield f"| {network} | {title} | {', '.join(names)} |"


def fronts_counted(found: Sequence[Line]) -> str:
    """How many formats on the fronts are integers, by cost."""
    said = []
    for title, cost in COSTS.values():
        ahead = [x for n in dict.fromkeys(x.network for x in found) for x in _front_of(found, n, cost)]
        integers = sum(is_integer(line.weights) for line in ahead)
        said.append(f"by {title} {integers} of {len(ahead)}")
    return f"Of the formats on the fronts of all networks, integers are {' and '.join(said)}."


def _front_of(found: Sequence[Line], network: str, cost: Cost) -> list[Line]:
    own = [line for line in found if line.network == network and line.weights == line.acts]
    return front(best_recipes(own), cost)


@dataclass(frozen=True)
class More:
    """By how much more one network gains by minifloats than another, on the same images."""

    recipe: str
    bits: int
    other: str
    more: Difference


def gains(made: Sequence[Comparison], network: str = "vit") -> list[More]:
    """One network beside all others, at equal bits after the same recipe."""
    return [
        More(own.recipe, own.bits, other.network, _mean(own.gains - other.gains))
        for own in made
        for other in made
        if own.network == network != other.network
        and (other.recipe, other.bits) == (own.recipe, own.bits)
        and len(other.gains) == len(own.gains)
    ]


def gains_counted(found: Sequence[More], network: str = "vit") -> str:
    """How many comparisons from 4 bits on are decided, and for whom."""
    wide = [x for x in found if x.bits in WIDTHS]
    more, less = sum(x.more.low > 0 for x in wide), sum(x.more.high < 0 for x in wide)
    return (
        f"Of {len(wide)} comparisons at 4 to 8 bits {network} gains more than the other network in "
        f"{more} and less in {less}; the other {len(wide) - more - less} intervals hold zero."
    )


def gains_table(found: Sequence[More], network: str = "vit") -> Iterator[str]:
    """A line each."""
    yield f"| recipe | bits | against | {network} gains more by, points, 95 % |"
    yield "| --- | --- | --- | --- |"
    for x in found:
        word = "" if not x.more.is_sure else " more" if x.more.points > 0 else " less"
        yield f"| {x.recipe} | {x.bits} | {x.other} | {x.more}{word} |"


def _mean(values: np.ndarray) -> Difference:
    """Of per-image values, with the interval of the normal distribution."""
    points, half = float(values.mean()), 1.959964 * float(values.std()) / sqrt(len(values))
    return Difference(100 * points, 100 * (points - half), 100 * (points + half))
