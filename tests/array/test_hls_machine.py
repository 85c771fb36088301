"""Machines in C++ compute what `ArrayState` says, with our integers and with AMD's."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

import pyqkit
from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.isa import ProgramError
from pyqkit.array.machine import Machine, Mode, named
from pyqkit.array.program import Program
from pyqkit.emulate.array_hls import HlsArray
from pyqkit.formats import parse
from tests.array.block_layers import directed_layer, network, scaled_layer
from tests.array.layers import layer
from tests.array.networks import everything, moves
from tests.array.pairs import CODES, PairsOfCodes
from tests.array.products import ProductOfActivations
from tests.array.random_programs import Drawn
from tests.array.running import agrees
from tests.array.test_matrix import INTEGERS, LOGARITHMS, NARROW, NIBBLES
from tests.array.test_simulation import MACHINES, NARROW_PAIRS
from tests.array.test_simulation import NARROW as FOUR_BITS
from tests.array.test_use import digits
from tests.hls.test_benches import integers_of_amd

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
# More rows than columns; machines that come with pyqkit have as many.
BLOCKS = replace(
    named("msq8x8"), name="msq_small", rows=16, weight_words=5000, activation_words=1500, accumulators=60
)
APART = {
    "crossbar": replace(BLOCKS, name="msq_crossbar", merge="crossbar"),
    "butterfly": replace(BLOCKS, name="msq_butterfly", merge="butterfly", networks=2),
}
DRAWN = MACHINES | {"microscopiq": BLOCKS} | APART
PAIRED = {name: replace(machine, accumulators=CODES) for name, machine in MACHINES.items()}
QUICK = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w")  # to compile, not to run


def built(machine: Machine, amd: bool = False) -> HlsArray:
    """A new machine."""
    integers = integers_of_amd() if amd else None
    if amd and integers is None:
        pytest.skip("hls4ml, which carries AMD's ap_int headers, is not installed")
    return HlsArray(machine, ap_int=integers, flags=QUICK)


def made(program: Program) -> HlsArray:
    """A new machine that has a program."""
    array = built(program.machine)
    assert array.send(program.setup()) == b""
    return array


@pytest.mark.parametrize("amd", [False, True], ids=["ours", "amd"])
@pytest.mark.parametrize("name", DRAWN)
def test_random_programs(name: str, amd: bool) -> None:
    """Every field of every instruction; TLAST on the last word alone."""
    words = 0
    for seed in range(6 if amd else 24):
        content = Drawn(DRAWN[name], seed).content()
        given, lasts = built(DRAWN[name], amd).transfer(content)
        assert given == ArrayState(DRAWN[name]).send(content), seed
        assert np.flatnonzero(lasts).tolist() == [len(lasts) - 1]
        words += len(lasts)
    assert words > 300


@pytest.mark.parametrize("name", [name for name in DRAWN if name not in APART])
def test_streams_of_128_bits(name: str) -> None:
    """Random programs, and a network of the compiler."""
    machine = replace(DRAWN[name], name=f"{name}_wide", stream_bits=128)
    for seed in range(6):
        content = Drawn(machine, seed).content()
        assert built(machine).send(content) == ArrayState(machine).send(content), seed
    net = scaled_layer(4) if name == "microscopiq" else layer(name, 0)
    program = compile_graph(net.graph, machine)
    agrees(net, program, made(program))


@pytest.mark.parametrize(
    "name, activations, weights",
    [("lp", *pair) for pair in LOGARITHMS] + [("integer", *pair) for pair in INTEGERS + NIBBLES],
)
def test_all_pairs_of_codes(name: str, activations: str, weights: str) -> None:
    """256 slots times 256 activations in each mode, against the table of products."""
    pairs = PairsOfCodes.of(PAIRED[name], parse(activations), parse(weights))  # type: ignore[arg-type]
    np.testing.assert_array_equal(pairs.taken(built(PAIRED[name]).send(pairs.content)), pairs.sums)


@pytest.mark.parametrize(
    "name, activations, weights", [("lp", "lp8_1_2", "lp4_0_3"), ("integer", "uint8", "int8")]
)
def test_networks(name: str, activations: str, weights: str) -> None:
    """Programs of the compiler, against the graph's own definition."""
    machine = PAIRED[name]
    nets = [everything(activations, weights), moves(activations, weights)]
    nets += [layer(machine.family, seed) for seed in range(12)]
    for net in nets:
        program = compile_graph(net.graph, machine)
        agrees(net, program, made(program))


@pytest.mark.parametrize(
    "machine", [BLOCKS, *APART.values(), named("msq16x16")], ids=lambda machine: machine.name
)
def test_networks_of_blocks(machine: Machine) -> None:
    """Outliers at all places, layers of scaled blocks in both modes, a network with a step of the host."""
    for net in (*map(directed_layer, (2, 4)), *map(scaled_layer, (2, 4)), network()):
        program = compile_graph(net.graph, machine)
        agrees(net, program, made(program))


@pytest.mark.parametrize("name, fmt", [("lp", "lp8_1_2"), ("integer", "int4"), ("integer", "int8")])
def test_products_of_activations(name: str, fmt: str) -> None:
    drawn = ProductOfActivations.of(MACHINES[name], fmt)
    assert built(MACHINES[name]).send(drawn.content) == ArrayState(MACHINES[name]).send(drawn.content)


def test_narrow_logarithms() -> None:
    """A machine that has a mode of four bits alone."""
    machine = replace(PAIRED["lp"], name="narrow", modes=(Mode(4, 4, 34, 40),))
    for activations, weights in NARROW:
        pairs = PairsOfCodes.of(machine, parse(activations), parse(weights))  # type: ignore[arg-type]
        np.testing.assert_array_equal(pairs.taken(built(machine).send(pairs.content)), pairs.sums)
    for seed in range(4):  # slots of eight random bits, of which it looks at four
        content = Drawn(FOUR_BITS, seed, pairs=NARROW_PAIRS).content()
        assert built(FOUR_BITS).send(content) == ArrayState(FOUR_BITS).send(content), seed


def test_a_truncated_program_is_refused() -> None:
    """And the machine's engine says what it waited for."""
    content = Drawn(MACHINES["lp"], 0).content()
    with pytest.raises(
        ProgramError, match="whole frames were expected over the stream, but machine waits to"
    ):
        built(MACHINES["lp"]).send(content[:-8])


def test_an_engine() -> None:
    """Beside the others, on the machine that comes with pyqkit."""
    accelerator = pyqkit.compile(digits("lp4_0_3", "lp8_1_2"), target_fps=100)
    x = np.random.default_rng(0).normal(0, 0.5, (20, 1, 8, 8)).clip(-1.5, 1.5).astype(np.float32)
    np.testing.assert_array_equal(accelerator.emulate(x, engine="lpa4x4_hls"), accelerator(x))
