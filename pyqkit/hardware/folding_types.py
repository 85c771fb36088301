"""How far an operator is folded in time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Folding:
    """Parallelism of one convolution: `pe` outputs and `simd` inputs of each at a time."""

    pe: int = 1
    simd: int = 1
