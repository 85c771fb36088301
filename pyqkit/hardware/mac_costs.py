"""What one multiply-accumulate takes, synthesised by itself: the figures of docs/cost.md.

``benchmarks/cost_table.py`` measures them and writes `mac_costs.json`. They compare formats; what a network
takes is said by `pyqkit.hardware.resources`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "mac_costs.json"
PAIR = "*"  # between the formats of weights and activations, where they differ


@dataclass(frozen=True)
class MacCost:
    """A registered exact product and an exact accumulator with room for 256 of them, without DSPs.

    Attributes
    ----------
    luts : int
        Cells LUT1 to LUT6 of the smaller multiplier, structural or table.
    lut_low, lut_high : int
        Bounds of the sites that they take.
    ff, carry4 : int
    """

    luts: int
    lut_low: int
    lut_high: int
    ff: int
    carry4: int


def mac_cost(weights: str, acts: str) -> MacCost | None:
    """Of a pair of formats, by their names; None if the pair has not been synthesised."""
    found = _figures()
    kinds = (
        found["formats"].get(weights, {}) if weights == acts else found["pairs"].get(pair(weights, acts), {})
    )
    variants = kinds.get("mac", {}).values()
    if not variants:
        return None
    least = min(variants, key=lambda variant: variant["luts"])
    return MacCost(*(least[name] for name in MacCost.__dataclass_fields__))


def label() -> str:
    """How the figures were found."""
    return str(_figures()["label"])


def pair(weights: str, acts: str) -> str:
    """Name of two formats in the file."""
    return f"{weights}{PAIR}{acts}"


@cache
def _figures() -> dict[str, Any]:
    return json.loads(FILE.read_text())
