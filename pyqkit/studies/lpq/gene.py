"""The gene of a layer: a Logarithmic Posit, and how far its scale is from the one of the least error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyqkit.formats.logposit import LogPosit

LARGEST_EXPONENT = 3
PACKED_WIDTHS = (2, 4, 8)  # words that share a slot of eight bits evenly
ALL_WIDTHS = tuple(range(2, 9))


@dataclass(frozen=True)
class Gene:
    """LP<n, es, rs, sf> of a layer's weights.

    Attributes
    ----------
    word, exponent_size, regime_size : int
        n, es, rs.
    shift : float
        sf minus that of the least squared error in this layer and format. So a gene that takes another word
        keeps a sensible scale.
    """

    word: int
    exponent_size: int
    regime_size: int
    shift: float

    @property
    def format(self) -> LogPosit:
        """Its format, `prescale` 1."""
        return LogPosit(self.word, self.exponent_size, self.regime_size)


def shapes(word: int) -> Iterator[tuple[int, int]]:
    """Pairs of es and rs that a word may have."""
    for exponent_size in range(largest_exponent(word) + 1):
        for regime_size in range(1, word):
            yield exponent_size, regime_size


def largest_exponent(word: int) -> int:
    """The largest es of a word: more would leave no significand."""
    return min(LARGEST_EXPONENT, max(0, word - 3))


def neighbours(word: int, widths: Sequence[int]) -> set[int]:
    """A word, and the next narrower and wider one."""
    place = widths.index(word)
    return set(widths[max(0, place - 1) : place + 2])
