"""Layer norm and RMS norm in pieces, as exporters write them for op-sets that have no operator of either.

A mean over the channels of a pixel is no stream here. It waits, as the distance from it and the spread do,
until a pixel is divided by the root of its spread: these pieces together are a norm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

import numpy as np

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Affine, Curve, Function
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.unfinished import Unfinished

ROOT = Curve(lambda x, _: x.root(), increasing=True)
RECIPROCAL = Curve(lambda x, _: x.reciprocal())
SQUARE = Curve(lambda x, _: x.power(2))


class Kind(Enum):
    """What a statistic is."""

    MEAN = "the mean of each pixel's channels"
    DISTANCE = "the distance from the mean of each pixel's channels"
    SPREAD = "the mean square of each pixel's channels"


@dataclass(frozen=True, eq=False)
class Statistic(Unfinished):
    """A piece of a norm, in the place of a function of whole pixels.

    Attributes
    ----------
    kind : Kind
    of : Real
        What is normalised.
    centred : bool
        Whether a spread is that of distances from the mean.
    """

    kind: Kind
    of: Real
    centred: bool = False

    def alone(self) -> Unlowerable:
        """What is said where it is read by what makes no norm of it."""
        return Unlowerable(
            f"{self.kind.value} is read by something else than a layer norm or an RMS norm",
            "use torch.nn.LayerNorm or RMSNorm, or (x - mean) / sqrt(variance + epsilon) of one quantised x",
        )


def statistic_of(real: Real) -> Statistic | None:
    """The piece of a norm that a tensor is, if it is one."""
    return real.rows if isinstance(real.rows, Statistic) else None


def runs_over_channels(real: Real) -> bool:
    """Whether the last axis has other channels at each of its places."""
    channels = real.view % real.channels
    return bool((channels != channels[..., :1]).any())


def mean_of_channels(real: Real, keepdims: bool) -> Real:
    """The mean over the last axis: of numbers, or of their squares."""
    known = statistic_of(real)
    if known is None and real.functions == (SQUARE,):
        found = Statistic(Kind.SPREAD, replace(real, functions=()))
    elif known is None:
        found = Statistic(Kind.MEAN, real)
    elif known.kind is Kind.DISTANCE and real.functions == (SQUARE,):
        found = Statistic(Kind.SPREAD, known.of, centred=True)
    else:
        raise known.alone()
    view = real.view[..., :1] if keepdims else real.view[..., 0]
    return _waiting(replace(real, view=view), found)


def _waiting(real: Real, statistic: Statistic) -> Real:
    return replace(real, functions=(), pool=None, pooled=None, raw=False, rows=statistic)


def distance(left: Real, right: Real) -> Real | None:
    """``left - right`` where that is the distance of numbers from their mean."""
    known = statistic_of(right)
    if known is None or known.kind is not Kind.MEAN or right.functions or not _belongs(left, right, known):
        return None
    return _waiting(left, Statistic(Kind.DISTANCE, left))


def squared(left: Real, right: Real) -> Real | None:
    """``left * right`` where both are one tensor."""
    plain = left is right and not left.raw and left.pool is None and (left.view >= 0).all()
    return left.then(SQUARE) if plain else None


@dataclass(frozen=True, eq=False)
class Norm:
    """What pieces of a norm are together; see `row_functions.NormRows`."""

    of: Real
    epsilon: Fraction
    centred: bool


def quotient(left: Real, right: Real) -> Norm | None:
    """The norm that ``left / right`` is."""
    return _norm(left, right, (ROOT,))


def scaled(left: Real, right: Real) -> Norm | None:
    """The norm that ``left * right`` is, one of which is the reciprocal of a root."""
    return _norm(left, right, (ROOT, RECIPROCAL)) or _norm(right, left, (ROOT, RECIPROCAL))


def _norm(pixels: Real, spread: Real, wanted: tuple[Function, ...]) -> Norm | None:
    known, moved = statistic_of(spread), statistic_of(pixels)
    if known is None or known.kind is not Kind.SPREAD:
        return None
    functions = tuple(f for f in spread.functions if not _changes_nothing(f))
    first = functions[0] if functions else None
    if not isinstance(first, Affine) or functions[1:] != wanted or not first.uniform or first.factor[0] != 1:
        return None
    if known.centred:
        if moved is None or moved.kind is not Kind.DISTANCE or pixels.functions:
            return None
        pixels = replace(moved.of, view=pixels.view)
    return Norm(pixels, first.offset[0], known.centred) if _belongs(pixels, spread, known) else None


def _changes_nothing(function: Function) -> bool:
    return isinstance(function, Affine) and bool(
        (function.factor == 1).all() and (function.offset == 0).all()
    )


def _belongs(pixels: Real, statistic: Real, known: Statistic) -> bool:
    """Whether a statistic is that of the pixels that it meets, each at its own pixel."""
    of, own = known.of, (pixels.functions, pixels.pool, pixels.rows)
    if own != (of.functions, of.pool, of.rows) or not np.array_equal(pixels.offset, of.offset):
        return False
    terms = [[(term.tensor, *term.factor) for term in real.terms] for real in (pixels, of)]
    return terms[0] == terms[1] and np.array_equal(statistic.view, pixels.view[..., :1])


def check_alone(*reals: Real) -> None:
    """Refuse pieces of a norm where nothing makes a norm of them, and masks that no softmax reads."""
    for real in reals:
        if isinstance(real.rows, Unfinished):
            raise real.rows.alone()
