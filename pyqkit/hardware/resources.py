"""Resources of the SystemVerilog blocks: a linear model of what each block is made of.

It is fitted to what Yosys makes of a library.

`benchmarks/resources.py` measures the library (`measured_blocks.json`) and fits the coefficients
(`resource_model.json`); what is counted of each block stands in `pyqkit.rtl.features`. On whole
networks that are not in the library, the lower and upper LUT figures and the flip-flops are off by a few per
cent; `docs/resources.md` lists every one. Everything is 7-series, before place and route; nothing here was
compared with Vivado.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from operator import add
from pathlib import Path

from pyqkit.rtl.features import EXACT, features
from pyqkit.rtl.parts import Part

LABEL = "estimated by a model fitted to Yosys, xc7, before place and route"
# what one of a feature is taken to cost before anything was measured: the fit starts there
PRIOR = {"lut_low": 0.8, "lut_high": 1.1, "ff": 1.0, "carry4": 0.1}


@dataclass(frozen=True)
class Resources:
    """Resources of one block or of a network.

    Attributes
    ----------
    lut_low, lut_high : float
        LUTs, those used as memory included, if small ones share a site wherever they may, and if none does.
    ff : float
    bram36 : float
        Blocks of 36 kbit; halves are possible.
    dsp : float
    carry4 : float
        Carry chains of four bits.
    """

    lut_low: float = 0
    lut_high: float = 0
    ff: float = 0
    bram36: float = 0
    dsp: float = 0
    carry4: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*map(add, vars(self).values(), vars(other).values()))

    def __mul__(self, count: int) -> Resources:
        return Resources(*(a * count for a in vars(self).values()))

    def rounded(self) -> dict[str, int | float]:
        """Whole LUTs, flip-flops, DSPs and carry chains, and blocks in halves."""
        return {name: value if name == "bram36" else ceil(value) for name, value in vars(self).items()}


@cache
def _coefficients() -> dict[str, dict[str, float]]:
    text = (Path(__file__).parent / "resource_model.json").read_text()
    return {name: values for name, values in json.loads(text).items() if isinstance(values, dict)}


def of_parts(parts: Iterable[Part]) -> Resources:
    """What modules of ``rtl/`` take together."""
    total = Resources()
    for part in parts:
        numbers = tuple((name, value) for name, value in part.parameters.items() if isinstance(value, int))
        total += _of(part.module, numbers) * part.count
    return total


def fifo(width: int, words: int) -> Resources:
    """A FIFO of `words` words of `width` bits."""
    return _of("fifo", (("WIDTH", width), ("DEPTH", words)))


@cache
def _of(module: str, numbers: tuple[tuple[str, int], ...]) -> Resources:
    found = features(module, dict(numbers))
    luts = found.pop("memory LUTs", 0)
    exact = {"bram36": found.pop("half blocks", 0) / 2, "dsp": found.pop("DSPs", 0)}
    assert not set(found) & set(EXACT)
    low, high, ff, carry = (_weighed(found, figure) for figure in PRIOR)
    return Resources(low + luts, max(low, high) + luts, ff, carry4=carry, **exact)


def _weighed(found: Mapping[str, float], figure: str) -> float:
    coefficients = _coefficients()[figure]
    return sum(
        coefficients.get(name, PRIOR[figure]) * amount
        for name, amount in found.items()
        if relevant(name, figure)
    )


def relevant(name: str, figure: str) -> bool:
    """Whether a figure grows with a feature.

    Flip-flops are a feature of their own, all others make LUTs and carries.
    """
    return name.endswith(": flip-flops") == (figure == "ff")
