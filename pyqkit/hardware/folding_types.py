"""How far an operator is folded in time, and what it is built of."""

from __future__ import annotations

from dataclasses import dataclass

MULTIPLIERS = ("lut", "dsp")
MEMORIES = ("auto", "lut", "block")


@dataclass(frozen=True)
class Folding:
    """Parallelism of one convolution, and where its multipliers and weights go.

    Attributes
    ----------
    pe, simd : int
        Outputs, and inputs of each, at a time.
    multiplier : str
        "lut", or "dsp" where one multiplication of integers makes a product.
    memory : str
        Of the weights: "lut", "block" for block RAM, or "auto", which leaves it to the tool, by size.
    """

    pe: int = 1
    simd: int = 1
    multiplier: str = "lut"
    memory: str = "auto"
