"""Where tensors lie in the activation memory, and equal items of other memories once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.array.compiler.plan import Plan
from pyqkit.array.machine import Machine
from pyqkit.array.tensors import Layout


class Pool:
    """Items of a memory, each piece of them once."""

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []
        self.size = 0
        self._known: dict[object, int] = {}

    def address(self, items: np.ndarray) -> int:
        """Where these items stand."""
        key = items.shape, items.tobytes() if items.dtype != object else repr(items.tolist())
        if key not in self._known:
            self._known[key] = self.size
            self.pieces.append(items)
            self.size += len(items)
        return self._known[key]


def allocate(
    machine: Machine, layouts: dict[str, Layout], plans: Sequence[Plan], kept: set[str]
) -> dict[str, int] | None:
    """Addresses of tensors; those that live at one time do not overlap. None if they do not fit.

    Parameters
    ----------
    layouts : dict of str to Layout
        Of what the plans read and write.
    plans : sequence of Plan
    kept : set of str
        Tensors that are needed at the end.
    """
    lives = _lives(layouts, plans, kept)
    placed: dict[str, int] = {}
    for name in sorted(lives, key=lambda name: lives[name][0]):
        first, last = lives[name]
        others = sorted(
            (placed[other], placed[other] + layouts[other].words)
            for other in placed
            if lives[other][0] <= last and first <= lives[other][1]
        )
        placed[name] = _gap(others, layouts[name].words)
        if placed[name] + layouts[name].words > machine.activation_words:
            return None
    return placed


def _lives(layouts: dict[str, Layout], plans: Sequence[Plan], kept: set[str]) -> dict[str, tuple[int, int]]:
    """First and last pass that touches each tensor; inputs are there before the first one."""
    touched: dict[str, list[int]] = {name: [] for name in layouts}
    for index, plan in enumerate(plans):
        for name in plan.work.reads | ({plan.work.output} & touched.keys()):
            touched[name].append(index)
    made = {plan.work.output for plan in plans}
    ends = {name: len(plans) if name in kept else -1 for name in touched}
    return {
        name: (min(found) if name in made else -1, max([*found, ends[name]]))
        for name, found in touched.items()
    }


def _gap(taken: list[tuple[int, int]], words: int) -> int:
    """The lowest address with so many free words, between what is taken (in order)."""
    at = 0
    for low, high in taken:
        if at + words <= low:
            break
        at = max(at, high)
    return at
