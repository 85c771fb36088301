"""Numbers of the blocks in ``rtl/array`` that do not depend on the machine."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.array.families import of
from pyqkit.array.machine import Machine

FRACTION = 6  # bits of a logarithm behind the point, in tables
WHOLE = 5  # and before it
SIGNIFICAND = 8  # bits of an entry of the log-to-linear table
SCALED = 9  # cycles from a step of POST to its scaled sum
CODED = 27  # and to its code


@dataclass(frozen=True)
class Digits:
    """Which digits four products of an element of family `integer` multiply, and what they are worth.

    Attributes
    ----------
    weights, activations : tuple of int
        Digit of the slot that each product takes.
    inner, outer : int
        Products 1 and 3 count ``4**inner`` times, then 2 and 3 ``4**outer`` times.
    """

    weights: tuple[int, int, int, int]
    activations: tuple[int, int, int, int]
    inner: int
    outer: int

    @property
    def bits(self) -> int:
        """As the port ``mode`` of ``pqk_array_matrix`` takes them."""
        chosen = (*self.activations, *self.weights)
        return sum(digit << 2 * i for i, digit in enumerate(chosen)) | self.inner << 16 | self.outer << 17


# By bits of weights and of activations. Codes of 8 bits are multiplied by nibbles, but for weights of 2 bits.
DIGITS = {
    (2, 2): Digits((0, 1, 2, 3), (0, 1, 2, 3), 0, 0),
    (4, 2): Digits((0, 1, 2, 3), (0, 0, 1, 1), 1, 0),
    (2, 4): Digits((0, 0, 1, 1), (0, 1, 2, 3), 1, 0),
    (4, 4): Digits((0, 1, 0, 1), (0, 0, 1, 1), 1, 1),
    (2, 8): Digits((0, 0, 0, 0), (0, 1, 2, 3), 1, 2),
}


def planes(machine: Machine) -> int:
    """Parts of a slot of activations that are written separately."""
    return of(machine).parts
