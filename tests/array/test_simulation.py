"""Machines in SystemVerilog compute what `ArrayState` says, in as many cycles as the model says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array import marks
from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.machine import Machine, Mode, named
from pyqkit.array.program import executed
from pyqkit.array.timing import depths, frame_cycles
from tests.array.layers import layer
from tests.array.networks import everything, moves
from tests.array.products import ProductOfActivations
from tests.array.random_programs import Drawn
from tests.array.simulation import Simulation, mutated
from tests.rtl.bench import needs_verilator

# Memories that are no powers of two; rows and columns that are none, and do not divide one another.
SIZES = {"activation_words": 1500, "accumulators": 60, "parameter_words": 400, "program_words": 700}
MACHINES = {
    "lp": replace(named("lpa4x4"), name="lp_small", weight_words=5000, table_words=5000, **SIZES),
    "integer": replace(
        named("int8x8"), name="int_small", rows=6, columns=5, weight_words=5000, table_words=5000, **SIZES
    ),
}
# One that multiplies codes of four bits alone: it does not look at the other bits of a slot.
NARROW = replace(MACHINES["lp"], name="lp_narrow", modes=(Mode(4, 4, 34, 40),))
NARROW_PAIRS = [("lp4_1_2", "lp4_0_3"), ("lp4_1_3", "lp4_1_3")]
SEEDS = range(12)
# Cycles beside the words of the stream and the program: the instructions that come over the stream.
BESIDE = 11


@pytest.fixture(scope="module")
def simulations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Simulation]:
    folder = tmp_path_factory.mktemp("machines")
    return {name: Simulation.of(machine, folder / name) for name, machine in MACHINES.items()}


def expected(machine: Machine, content: bytes) -> bytes:
    return ArrayState(machine).send(content)


@needs_verilator
@pytest.mark.parametrize("name", MACHINES)
def test_random_programs(simulations: dict[str, Simulation], name: str) -> None:
    """Every word, with and without stalls; without, to the cycle."""
    simulation, words = simulations[name], 0
    for seed in SEEDS:
        drawn = Drawn(simulation.machine, seed)
        content = drawn.content()
        answer = simulation.send(content)
        assert answer.content == expected(simulation.machine, content), seed
        assert np.flatnonzero(answer.last).tolist() == [len(answer.last) - 1]
        frames = 2 * frame_cycles(simulation.machine, drawn.program)
        assert answer.cycles == len(content) // 8 + frames + BESIDE
        stalled = simulation.send(content, (40 + 5 * seed, 120), seed)
        assert stalled.content == answer.content, seed
        assert stalled.cycles > answer.cycles
        words += len(answer.last)
    assert words > 50 * len(SEEDS)


@needs_verilator
@pytest.mark.parametrize("name", MACHINES)
def test_streams_of_128_bits(name: str, tmp_path: Path) -> None:
    """Half as many words, items of memories that end within one, and sums that fill half of one."""
    machine = replace(MACHINES[name], name=f"{name}_wide", stream_bits=128)
    simulation = Simulation.of(machine, tmp_path / "run")
    simulation.agrees_at_random(range(3))
    for seed in range(2):
        simulation.agrees(layer(name, seed))


@needs_verilator
def test_random_programs_of_narrow_codes(tmp_path: Path) -> None:
    simulation = Simulation.of(NARROW, tmp_path / "run")
    for seed in range(6):
        drawn = Drawn(NARROW, seed, pairs=NARROW_PAIRS)
        content = drawn.content()
        answer = simulation.send(content)
        assert answer.content == expected(NARROW, content), seed
        assert answer.cycles == len(content) // 8 + 2 * frame_cycles(NARROW, drawn.program) + BESIDE


@needs_verilator
@pytest.mark.parametrize(
    "name, activations, weights",
    [
        ("lp", "lp8_1_2", "lp4_0_3"),
        ("lp", "lp4_1_2", "lp2_0_1"),
        ("lp", "lp5_0_2", "lp5_0_2"),
        ("integer", "int4", "int4"),
        ("integer", "uint8", "int8"),
        ("integer", "e1m2", "e2m1"),
        ("integer", "int2", "int4"),
    ],
)
def test_networks(simulations: dict[str, Simulation], name: str, activations: str, weights: str) -> None:
    """Programs that the compiler made, against the graph's own definition."""
    simulation = simulations[name]
    for net in (everything(activations, weights), moves(activations, weights)):
        program = compile_graph(net.graph, simulation.machine)
        found = executed(program, net.codes, simulation.transfers(program, (30, 60)))
        for port in net.graph.outputs:
            np.testing.assert_array_equal(found[port.tensor], net.values[port.tensor], port.tensor)


@needs_verilator
@pytest.mark.parametrize("name, fmt", [("lp", "lp4_1_2"), ("integer", "int4")])
def test_parts_take_the_cycles_of_the_model(simulations: dict[str, Simulation], name: str, fmt: str) -> None:
    """Marks, which change nothing else, say so of every part of every frame."""
    simulation, net = simulations[name], everything(fmt, fmt)
    plain = compile_graph(net.graph, simulation.machine)
    program = marks.marked(plain)
    marked_call, call = (next(one.execution(net.codes)).content for one in (program, plain))
    answer = simulation.send(program.setup() + marked_call)
    assert answer.content == simulation.send(plain.setup() + call).content
    parts = marks.parts(plain)
    assert {layer for part in parts for layer in part.layers} >= {"input", "first", "strided", "results"}
    wanted = [*(part.cycles for part in parts), depths(plain.machine).repeat] * len(net.codes["x"])
    np.testing.assert_array_equal(np.diff(answer.marks.astype(np.int64)), wanted[:-1])


@needs_verilator
@pytest.mark.parametrize("name, fmt", [("lp", "lp8_1_2"), ("integer", "int4"), ("integer", "int8")])
def test_products_of_activations(simulations: dict[str, Simulation], name: str, fmt: str) -> None:
    """Codes that the post-processor has written become weights, beside weights of the stream."""
    machine = simulations[name].machine
    drawn = ProductOfActivations.of(machine, fmt)
    answer = simulations[name].send(drawn.content)
    assert answer.content == expected(machine, drawn.content)
    assert answer.cycles == len(drawn.content) // 8 + frame_cycles(machine, drawn.instructions) + BESIDE
    stalled = simulations[name].send(drawn.content, (80, 120))
    assert stalled.content == answer.content


@needs_verilator
@pytest.mark.parametrize("name", MACHINES)
def test_layers_take_the_cycles_of_the_model(simulations: dict[str, Simulation], name: str) -> None:
    for seed in range(6):
        simulations[name].agrees(layer(name, seed))


# Words of activations, items of weights, accumulators of machines of two sizes.
BUFFERS = [(1500, 2048, 256), (1500, 128, 256), (200, 2048, 64), (180, 96, 20)]


@pytest.mark.long
@needs_verilator
@pytest.mark.parametrize("buffers", BUFFERS, ids=str)
@pytest.mark.parametrize("base", ["lpa4x4", "lpa8x8"])
def test_two_hundred_layers(base: str, buffers: tuple[int, int, int], tmp_path: Path) -> None:
    """Each of them drawn by seed, on machines of two sizes with four sizes of buffers, to the cycle."""
    activations, weights, sums = buffers
    sizes = {"activation_words": activations, "weight_words": weights, "accumulators": sums}
    array = replace(named(base), name="drawn", program_words=8192, parameter_words=2048, **sizes)
    simulation = Simulation.of(array, tmp_path / "run")
    for seed in range(200):
        simulation.agrees(layer("lp", seed))


# A mistake in one block of each machine.
MUTANTS = {
    "modes mixed up": ("pqk_array_matrix.sv", ".quarters(mode[0])", ".quarters(mode[1])"),
    "stale tile": ("pqk_array_run.sv", "counts && fresh", "counts && fresh && tap_x == 0"),
    "off by one": ("pqk_array_run.sv", "at + step_column_l", "at + step_column_l + 1'b1"),
    "wrong zero": ("pqk_array_activations.sv", "blank ? pad : slot", "blank ? pad ^ 8'h10 : slot"),
    "leaking lane": ("pqk_array_lp_element.sv", "begins = i == 0 || quarters", "begins = i == 0"),
}


@needs_verilator
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(mutant: str, tmp_path: Path) -> None:
    """By random programs of each mode."""
    mutated(tmp_path, *MUTANTS[mutant])
    machine = MACHINES["lp"]
    simulation = Simulation.of(machine, tmp_path / "run", tmp_path)
    contents = [Drawn(machine, seed).content() for seed in range(4)]
    assert any(simulation.send(content).content != expected(machine, content) for content in contents)
