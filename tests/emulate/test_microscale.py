"""Blocks that share a power of two: the kernel gives the definition's integers, on ties and at both ends."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.compute import Kernel
from pyqkit.emulate.exact import ExactEngine
from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.microscale import Microscale
from tests.array.block_layers import net, scaled_layer
from tests.emulate.networks import Net
from tests.emulate.test_engines import agree, needs_compiler

SOURCES = {  # formats and factors, of which each is another type to the kernel
    "int8": ("int8", 1),
    "uint8": ("uint8", 1),
    "int16": ("int16", 1),
    "int31": ("int16", 2**15),  # as wide as its shifts allow
    "int32": ("int16", 2**16),  # wider
}
LOWEST = (-40, -8, -3, 0, 1, 5, 20, 30, 63)


def network(name: str) -> Net:
    """Blocks of 128 channels and a short one, whose largest numbers are of every size."""
    fmt, factor, channels = parse(SOURCES[name][0]), SOURCES[name][1], 172
    made = net(fmt, (3, 7, channels))
    random, integers = np.random.default_rng(0), fmt.integers[made.codes["x"]].reshape(-1, channels)
    reach = int(fmt.maximum).bit_length()
    integers[2, :128], integers[3, 128:] = 0, 0
    for row in range(4, len(integers)):  # halves of every unit, even and odd
        whole = random.integers(-128 if fmt.minimum < 0 else 0, 256, channels)
        integers[row] = (whole << row % reach >> 1).clip(fmt.minimum, fmt.maximum)
    integers[4::3, :64] >>= 3  # halves of a block of very different sizes
    made.codes["x"] = made.values["x"] = fmt.from_integers(integers).reshape(made.codes["x"].shape)
    source = "x"
    if factor > 1:
        source = made.add(Add("wide", ["x"], ["wide"], np.full((1, channels), factor)))
    for width in (8, 4):
        for lowest in LOWEST:
            tag = f"w{width}_{'m' if lowest < 0 else 'p'}{abs(lowest)}"
            made.add(Microscale(tag, [source], [tag], width, lowest))
    made.finish(*(op.name for op in made.graph.operators if op.kind == "microscale"))
    return made


@needs_compiler
@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("name", SOURCES)
def test_kernel(name: str, portable: bool) -> None:
    """Or the definition, for integers that the kernel does not hold."""
    made = network(name)
    engine = ExactEngine(made.graph, portable=portable)
    compiled = {isinstance(step.compute, Kernel) for step in engine._steps if step.result != "wide"}
    assert compiled == {name != "int32"}
    agree(made, engine.run)


@needs_compiler
@pytest.mark.parametrize("bits", [2, 4])
def test_layers(bits: int) -> None:
    agree(scaled_layer(bits), ExactEngine(scaled_layer(bits).graph).run)
