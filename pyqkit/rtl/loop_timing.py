"""When words enter and leave hardware that frames pass several times.

A pass begins with what the one before gave. So the schedule finds times pass by pass: those of all passes
before are known, and say when the words of the next one come back. Blocks know nothing of what is to come, so
that times do not change when there are more passes behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyqkit.rtl.timing import FIFO_LATENCY, Schedule, Times, Timing, in_turn


@dataclass
class Enter(Timing):
    """A frame of a first input, then `passes` - 1 of a second, a word a cycle without latency.

    Attributes
    ----------
    words : int
        Of a frame.
    passes : int
    turn : int or None
        Cycles between frames, once they are known.
    """

    words: int
    passes: int
    turn: int | None = field(default=None, init=False, compare=False)

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words

    def coming_back(self, left: Times) -> Times:
        """When words of those that `left` stand at the second input."""
        again, _ = Leave(self.words, self.passes).apart(left)
        return in_turn(again) + FIFO_LATENCY

    def _schedule(self, available: list[Times]) -> Schedule:
        outside, back = available
        count = (len(outside) + len(back)) // self.words
        first = np.repeat(np.arange(count) % self.passes == 0, self.words)
        earliest = np.empty(count * self.words, outside.dtype)
        earliest[first], earliest[~first] = outside, back
        taken = in_turn(earliest)
        return [taken[first], taken[~first]], taken


@dataclass
class Leave(Timing):
    """A word a cycle without latency: back, or out of the loop in the last pass.

    Attributes
    ----------
    words : int
        Of a frame.
    passes : int
    """

    words: int
    passes: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words

    def apart(self, left: Times) -> list[Times]:
        """Times of the words that go back, and of those that go on."""
        last = np.arange(len(left)) // self.words % self.passes == self.passes - 1
        return [left[~last], left[last]]

    def _schedule(self, available: list[Times]) -> Schedule:
        taken = in_turn(available[0])
        return [taken], taken
