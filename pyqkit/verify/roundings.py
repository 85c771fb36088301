"""What one rounding of float32 is worth, and several of them."""

from __future__ import annotations

UNIT = 2.0**-24  # unit roundoff of float32
SMALLEST = 2.0**-149
SMOOTH = 8  # roundings of a function that a library approximates


def gamma(roundings: int) -> float:
    """Largest relative error of a product of so many factors ``1 + d``."""
    return roundings * UNIT / (1 - roundings * UNIT)
