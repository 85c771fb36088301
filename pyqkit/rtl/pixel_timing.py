"""When words move through blocks that find a number of each pixel, and use it for all words of the pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.rtl.timing import Schedule, Times, Timing, in_turn


@dataclass
class Opening(Timing):
    """Words of a first input; the first of every `fold` with a word of the second.

    Attributes
    ----------
    words : int
    latency : int
    fold : int
    pace : int
        A word may come this often, counted from the very first one.
    """

    words: int
    latency: int
    fold: int
    pace: int = 1

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words * self.pace

    def _schedule(self, available: list[Times]) -> Schedule:
        words, opens = available
        earliest, first = words.copy(), slice(None, None, self.fold)
        earliest[first] = np.maximum(earliest[first], opens)
        turns = -(-(earliest - earliest[0]) // self.pace)
        taken = earliest[0] + self.pace * in_turn(turns)
        return [taken, taken[first]], taken + self.latency


@dataclass
class Serial(Timing):
    """A word of output for every word, a cycle after `steps` cycles in which no other is taken."""

    words: int
    steps: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words * self.steps

    def _schedule(self, available: list[Times]) -> Schedule:
        taken = in_turn(available[0], self.steps)
        return [taken], taken + self.steps + 1
