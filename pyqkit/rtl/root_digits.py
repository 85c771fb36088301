"""Which digits of a root each of several blocks finds, `rtl/pqk_norm_root.sv`."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from pyqkit.rtl.pipelining import CARRY_NS, MARGIN

_SMALLEST_NS = 2.5  # of a sum, from the word to the word, without its carry chain
_SUM = 4  # bits that a sum has more than the root has digits


@dataclass(frozen=True)
class Segment:
    """What one block finds.

    Attributes
    ----------
    digits : int
        Of the root.
    found : int
        Those that are known behind it.
    parts : int
        Cycles that each digit takes: parts of a sum.
    """

    digits: int
    found: int
    parts: int

    @property
    def steps(self) -> int:
        """Cycles of a root."""
        return self.digits * self.parts


def segments(root_bits: int, words: int, clock_mhz: float) -> list[Segment]:
    """Blocks in turn that find a root of so many bits, each in as many cycles as a pixel has words.

    As few blocks as can, and these about as long.
    """
    most = _by_cycles(root_bits, words, words, clock_mhz)
    shorter = (_by_cycles(root_bits, cycles, words, clock_mhz) for cycles in range(1, words + 1))
    return next(found for found in shorter if len(found) == len(most))


def _by_cycles(root_bits: int, cycles: int, words: int, clock_mhz: float) -> list[Segment]:
    """Blocks that take so many cycles at most, but for those that do not find a digit in them."""
    found: list[Segment] = []
    known = 0
    while known < root_bits:
        digits, parts = 1, _parts(known + 1, words, clock_mhz)
        while known + digits < root_bits:
            more = _parts(known + digits + 1, words, clock_mhz)
            if (digits + 1) * more > cycles:
                break
            digits, parts = digits + 1, more
        known += digits
        found.append(Segment(digits, known, parts))
    return found


def _parts(found: int, words: int, clock_mhz: float) -> int:
    """Of the sums of a root of so many digits; no more than a pixel has cycles."""
    period = 1000 / clock_mhz * (1 - MARGIN)
    most = max(8, int((period - _SMALLEST_NS) / CARRY_NS))
    return min(words, ceil((found + _SUM) / most))
