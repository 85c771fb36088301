"""From weights to blocks: which are outliers, what blocks share, and which weights make room.

The exponent E of inliers follows a rule; the largest inlier of the macro-block is `top`, and n the largest
magnitude of a slot:

    floor   E = floor(log2(top / n)), the paper's equation 1 with the rounding of its code
    mse     the E from floor - 2 to floor + 1 with the smallest squared error of the inliers

The exponent of outliers is always that of the smallest squared error, since their hidden bit is one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from pyqkit.errors import brief
from pyqkit.formats.base import FormatError
from pyqkit.formats.microscopiq.routing import MICRO, MOST, choices
from pyqkit.formats.microscopiq.tensor import (
    HIGHEST,
    LOWEST,
    MACRO,
    MicroscopiqTensor,
    Plan,
    Slots,
    in_blocks,
    in_micros,
)

Rule = Literal["floor", "mse"]
SIGMAS = 3.0  # an outlier is farther from the mean of its macro-block


@dataclass(frozen=True)
class Window:
    """Exponents that are allowed, of inliers, and of outliers at their least significant bit.

    A bound on their spread is a bound on the width of sums.
    """

    lowest: int = LOWEST
    highest: int = HIGHEST

    def __post_init__(self) -> None:
        if not LOWEST <= self.lowest <= self.highest <= HIGHEST:
            raise FormatError(
                f"a window of exponents from {LOWEST} to {HIGHEST} was expected, but {self.lowest} to "
                f"{self.highest} came; let it begin below its end"
            )


@dataclass(frozen=True)
class Counts:
    """What became of weights and exponents.

    Attributes
    ----------
    outliers : int
        Kept, each of which pruned one place.
    demoted : int
        Beyond four of a micro-block: they became inliers, and saturate.
    pruned : int
        Weights that are zero to make room; places behind the end of a row are none.
    clamped : int
        Exponents that the window moved.
    """

    outliers: int = 0
    demoted: int = 0
    pruned: int = 0
    clamped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))


@dataclass(frozen=True)
class Blocks:
    """How weights are cut into blocks.

    Attributes
    ----------
    slots : Slots
    rule : {"mse", "floor"}
    window : Window
    """

    slots: Slots
    rule: Rule = "mse"
    window: Window = Window()

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise FormatError(f"the rule mse or floor was expected, but {brief(self.rule)} came; take one")

    def plan(self, x: np.ndarray, cost: np.ndarray | None = None) -> tuple[Plan, Counts]:
        """Blocks of rows.

        Parameters
        ----------
        x : numpy.ndarray, float64, shape (rows, length)
        cost : numpy.ndarray, optional
            What a zero instead of each weight would cost, likewise; squares of weights by default.
        """
        away = outliers(x)
        inlier, clamped = self.inlier_exponents(x, away)
        micro = in_micros(x)
        outer, uppers, lowers, counts = self.micro_plan(
            micro, in_micros(away), micro**2 if cost is None else in_micros(cost), x.shape[1]
        )
        return Plan(inlier, outer, uppers, lowers), counts + Counts(clamped=clamped)

    def inlier_exponents(self, x: np.ndarray, away: np.ndarray) -> tuple[np.ndarray, int]:
        """Of macro-blocks, int16 (rows, macro-blocks), and how many the window moved.

        Blocks without any inlier but zero have the lowest exponent of the window.
        """
        inliers = _in_macros(np.where(away, 0.0, x))
        top = np.abs(inliers).max(-1)
        wanted = _floor_log2(top / self.slots.largest)
        if self.rule == "mse":
            wanted = self._best(inliers, wanted[..., None] + np.arange(-2, 2))
        return self._held(np.where(top > 0, wanted, self.window.lowest))

    def _best(self, inliers: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        scaled = np.ldexp(inliers[..., None, :], -candidates[..., None])
        error = np.rint(scaled).clip(-self.slots.largest, self.slots.largest) - scaled
        size = np.ldexp((error**2).sum(-1), 2 * (candidates - candidates[..., :1]))
        return np.take_along_axis(candidates, size.argmin(-1)[..., None], -1)[..., 0]

    def _held(self, wanted: np.ndarray) -> tuple[np.ndarray, int]:
        held = wanted.clip(self.window.lowest, self.window.highest)
        return held.astype(np.int16), int((held != wanted).sum())

    def micro_plan(
        self, micro: np.ndarray, away: np.ndarray, cost: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Counts]:
        """Exponents of outliers, upper and lower places (see `Plan`), and what became of weights.

        Parameters
        ----------
        micro, away, cost : numpy.ndarray, shape (rows, micro-blocks, 8)
            Weights, which of them are outliers, and what a zero costs.
        length : int
            Elements of a row.
        """
        kept = _largest(np.abs(micro), away)
        shape = micro.shape[:2]
        exponents, places = np.zeros(shape, np.int16), np.zeros((2, *shape, MOST), np.uint8)
        flagged = kept.any(-1)
        clamped = 0
        if flagged.any():
            found = self.outlier_exponents(np.abs(micro[flagged]), kept[flagged])
            held, clamped = self._held(found - self.slots.fraction)
            exponents[flagged] = held + self.slots.fraction
            places[:, flagged] = _distributed(kept[flagged], cost[flagged])
        plan = Plan(np.zeros((len(micro), 0), np.int16), exponents, *places)
        inside = (np.arange(shape[1] * MICRO) < length).reshape(-1, MICRO)
        count = int(kept.sum())
        counts = Counts(count, int(away.sum()) - count, int((plan.pruned & inside).sum()), clamped)
        return exponents, places[0], places[1], counts

    def outlier_exponents(self, magnitude: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Those that blocks of outliers share, of the smallest squared error.

        Parameters
        ----------
        magnitude, kept : numpy.ndarray, shape (blocks, places)
            Every block has one or more that are kept.
        """
        one = 1 << self.slots.fraction
        top = _floor_log2(np.where(kept, magnitude, 0).max(-1))
        candidates = top[:, None] + np.arange(1, -4, -1)
        fine = np.ldexp(magnitude[:, None, :], self.slots.fraction - candidates[..., None])
        error = np.where(kept[:, None, :], np.rint(fine).clip(one, 2 * one - 1) - fine, 0)
        size = np.ldexp((error**2).sum(-1), 2 * (candidates - candidates[:, :1]))
        return np.take_along_axis(candidates, size.argmin(-1)[:, None], -1)[:, 0]


def encode(
    x: np.ndarray, bits: int, rule: Rule = "mse", window: Window = Window()
) -> tuple[MicroscopiqTensor, Counts]:
    """Rows of weights in MicroScopiQ's encoding, each rounded by itself.

    Parameters
    ----------
    x : numpy.ndarray, shape (rows, length)
        For hardware a row holds the weights of one input, one for each output: all of a block meet one
        activation.
    bits : {2, 4}
    rule : {"mse", "floor"}
    window : Window

    Examples
    --------
    >>> row = np.array([[1.0, -1.0, 0.5, 0.0, 1.0, -1.0, 1.0, 0.25, *[1.0] * 16, 9.0]])
    >>> tensor, counts = encode(row, bits=2)
    >>> counts.outliers, counts.pruned, tensor.stored_bits
    (1, 0, 108)
    >>> float(tensor.decode()[0, -1])
    8.0
    """
    x, slots = checked_rows(x), Slots(bits)
    plan, counts = Blocks(slots, rule, window).plan(x)
    return MicroscopiqTensor(slots, x.shape[1], plan, plan.codes(in_micros(x), slots)), counts


def checked_rows(x: np.ndarray) -> np.ndarray:
    """Rows as float64; a FormatError if they are none, or not all finite."""
    x = np.asarray(x)
    if x.ndim != 2 or not x.size or x.dtype.kind not in "fiu":
        raise FormatError(f"rows of weights were expected, but {x.dtype} {x.shape} came; give a matrix")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        raise FormatError(
            f"finite weights were expected, but {int((~np.isfinite(x)).sum())} of {x.size} are NaN or "
            "infinite; find out where they come from"
        )
    return x


def spread_window(x: np.ndarray, bits: int, rule: Rule = "mse", spread: int = 7) -> Window:
    """The window of a layer: from `spread` below the largest exponent of its blocks to that.

    Layers of zeros have a window that ends at 0.
    """
    slots = Slots(bits)
    plan, _ = Blocks(slots, rule).plan(checked_rows(x))
    found = np.concatenate(
        [
            plan.inlier_exponents[plan.inlier_exponents > LOWEST],
            plan.outlier_exponents[plan.flags] - slots.fraction,
        ]
    )
    highest = int(found.max()) if found.size else 0
    return Window(max(LOWEST, highest - spread), highest)


def outliers(x: np.ndarray) -> np.ndarray:
    """Weights farther than `SIGMAS` deviations from the mean of their macro-block: bool, (rows, length).

    A block of up to ten weights has none, as none can be so far away.
    """
    blocks = _in_macros(x)
    there = _in_macros(np.ones((1, x.shape[1])))
    count = there.sum(-1)
    mean = blocks.sum(-1) / count
    away = (blocks - mean[..., None]) * there
    deviation = np.sqrt((away**2).sum(-1) / count)
    far = np.abs(away) > SIGMAS * deviation[..., None]
    return far.reshape(len(x), -1)[:, : x.shape[1]]


def _in_macros(x: np.ndarray) -> np.ndarray:
    return in_blocks(x, MACRO)


def _floor_log2(x: np.ndarray) -> np.ndarray:
    """floor(log2(x)), exact; of 0 some number."""
    return np.frexp(x)[1].astype(np.int32) - 1


def _largest(magnitude: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Of the outliers of a micro-block the four largest, the first ones of equals."""
    order = np.argsort(np.where(away, -magnitude, 1.0), axis=-1, kind="stable")[..., :MOST]
    kept = np.zeros_like(away)
    np.put_along_axis(kept, order, True, -1)
    return kept & away


def _distributed(kept: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Upper and lower places of blocks with outliers: the cheapest that route, uint8 (2, blocks, 4)."""
    places = np.zeros((2, len(kept), MOST), np.uint8)
    masks = kept @ (1 << np.arange(MICRO))
    for mask in np.unique(masks):
        uppers = tuple(place for place in range(MICRO) if mask >> place & 1)
        found, blocks = choices(uppers), masks == mask
        best = (cost[blocks] @ found.members.T).argmin(-1)
        places[0, blocks, : len(uppers)] = uppers
        places[1, blocks, : len(uppers)] = found.lowers[best]
    return places
