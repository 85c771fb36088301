"""Evenly spaced levels without a zero, {-3, -1, 1, 3} and the like.

The weight grid of PalQuant (ECCV 2022).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.parse import register


@register
@dataclass(frozen=True)
class OddLevels(NumberFormat):
    """``odd2`` = {-3, -1, 1, 3}.

    ``odd1`` = {-1, 1} is the bipolar format. Code c has the value 2c - (2**width - 1).
    """

    width: int

    aliases: ClassVar[Mapping[str, str]] = dict.fromkeys(("binary", "bipolar"), "odd1")

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 8:
            raise FormatError(f"odd levels of 1 to 8 bits were expected, but {self.name} came")

    @property
    def name(self) -> str:
        return f"odd{self.width}"

    @property
    def bits(self) -> int:
        return self.width

    @property
    def description(self) -> str:
        return "odd levels, no zero (PalQuant weights)"

    @property
    def unit_exponent(self) -> int:
        return 0

    def integer(self, code: int) -> int:
        return 2 * code - (2**self.width - 1)

    @classmethod
    def parse(cls, name: str) -> OddLevels | None:
        match = re.fullmatch(r"odd(\d+)", name)
        return cls(int(match.group(1))) if match else None

    @classmethod
    def examples(cls) -> Iterator[OddLevels]:
        return (cls(width) for width in range(1, 9))
