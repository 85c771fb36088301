"""Networks of one part between two quantisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.graph.qonnx_builder import GENERAL, Builder

Build = Callable[[Builder, str], str]  # adds nodes behind a quantised tensor of 4 channels


def image(build: Build, fmt: str = "int8", last: str = "int8") -> Any:
    """A network on 4 channels of 5x4 pixels: input quantiser, what is tested, output quantiser."""
    b = Builder(4, 5, 4)
    return b.model(b.quantise(build(b, b.quantise("x", fmt, 0.25)), last, 0.5))


def vector(build: Build) -> Any:
    """The same on a vector of 6."""
    b = Builder(6)
    return b.model(b.quantise(build(b, b.quantise("x", "int8", 0.25)), "int8", 0.5))


def rounded(mode: str, fmt: str = "int4") -> Any:
    """An output quantiser with a rounding mode."""
    b = Builder(4, 5, 4)
    return b.model(
        b.quantise(b.conv(b.quantise("x", "int8", 0.25), "int4", 3, 4), fmt, 2.0, rounding_mode=mode)
    )


def quant(b: Builder, source: str, bits: int, scale: Any, **attributes: int) -> str:
    """A signed Quant node."""
    given = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
    return b.node(
        "Quant", source, b.constant(scale), b.constant(0), b.constant(bits), domain=GENERAL, **given
    )
