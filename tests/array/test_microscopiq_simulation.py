"""Machines of family `microscopiq` in SystemVerilog: words of the definition, cycles of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.machine import named
from pyqkit.array.program import executed
from pyqkit.array.timing import frame_cycles
from pyqkit.emulate.array import ArrayEngine
from pyqkit.emulate.array_rtl import RtlArray
from pyqkit.formats import parse
from pyqkit.formats.microscopiq import BlockWeight
from pyqkit.graph.ops.convolution import Convolution
from tests.array.block_layers import directed_layer, net, network, scaled_layer
from tests.array.blocks_of_weights import random_codes
from tests.array.networks import requantised
from tests.array.random_programs import Drawn
from tests.array.simulation import Simulation, mutated
from tests.emulate.networks import Net
from tests.rtl.bench import needs_verilator

# A word of activations that ends within one of the stream, and two groups of eight columns.
SIZES = {"activation_words": 1500, "accumulators": 100, "parameter_words": 400, "program_words": 700}
MACHINES = {
    "ten": replace(named("msq8x8"), name="msq_ten", rows=10, weight_words=5000, table_words=2000, **SIZES),
    "sixteen": replace(named("msq16x16"), name="msq_sixteen", weight_words=5000, table_words=2000, **SIZES),
}
BESIDE = 11  # cycles beside the words of the stream and the program


@pytest.fixture(scope="module")
def simulations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Simulation]:
    folder = tmp_path_factory.mktemp("machines")
    return {name: Simulation.of(machine, folder / name) for name, machine in MACHINES.items()}


@needs_verilator
@pytest.mark.parametrize("name", MACHINES)
def test_random_programs(simulations: dict[str, Simulation], name: str) -> None:
    """Every word, with and without stalls; without, to the cycle."""
    simulation, words = simulations[name], 0
    for seed in range(8):
        drawn = Drawn(simulation.machine, seed)
        content = drawn.content()
        answer = simulation.send(content)
        assert answer.content == ArrayState(simulation.machine).send(content), seed
        frames = 2 * frame_cycles(simulation.machine, drawn.program)
        assert answer.cycles == len(content) // 8 + frames + BESIDE
        assert simulation.send(content, (40 + 5 * seed, 120), seed).content == answer.content, seed
        words += len(answer.last)
    assert words > 1000


@needs_verilator
def test_a_stream_of_128_bits(tmp_path: Path) -> None:
    """Items of weights that end within its words, and words of activations with exponents."""
    machine = replace(MACHINES["ten"], name="msq_wide", stream_bits=128)
    simulation = Simulation.of(machine, tmp_path / "run")
    simulation.agrees_at_random(range(4))
    for seed in range(2):
        simulation.agrees(layer(seed))


@needs_verilator
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("name", MACHINES)
def test_outliers_at_all_places(simulations: dict[str, Simulation], name: str, bits: int) -> None:
    """None to four in a block, beside each other and at its ends, against the graph's own sums."""
    simulations[name].agrees(directed_layer(bits))


@needs_verilator
@pytest.mark.parametrize("bits", [2, 4])
def test_scaled_blocks(simulations: dict[str, Simulation], bits: int) -> None:
    """Activations whose blocks have exponents, in the cycles of the model."""
    simulations["sixteen"].agrees(scaled_layer(bits))


def layer(seed: int) -> Net:
    """A convolution of any size, stride and padding, whose results are quantised."""
    random = np.random.default_rng(seed)
    made = net(parse("int8"), tuple(int(n) for n in random.integers((3, 3, 1), (8, 8, 30))), seed)
    kernel = tuple(int(n) for n in random.integers(1, 4, 2))
    stride = tuple(int(n) for n in random.integers(1, 3, 2))
    sides = tuple(int(n) for n in random.integers(0, 2, 4))
    bits, outputs = int(random.choice([2, 4])), int(random.integers(1, 50))
    codes = random_codes((outputs, *kernel, made.graph.tensors["x"].shape[2]), bits, seed)
    sums = made.add(Convolution("sums", ["x"], ["sums"], codes, BlockWeight(bits), stride, padding=sides))
    made.finish(requantised(made, "y", sums))
    return made


@needs_verilator
@pytest.mark.parametrize("name", MACHINES)
def test_layers_take_the_cycles_of_the_model(simulations: dict[str, Simulation], name: str) -> None:
    for seed in range(8):
        simulations[name].agrees(layer(seed))


@needs_verilator
def test_a_network_with_stalls(simulations: dict[str, Simulation]) -> None:
    """A microscale in it is the host's."""
    made, simulation = network(), simulations["sixteen"]
    program = compile_graph(made.graph, simulation.machine)
    found = executed(program, made.codes, simulation.transfers(program, (30, 60)))
    for port in made.graph.outputs:
        np.testing.assert_array_equal(found[port.tensor], made.values[port.tensor], port.tensor)


@needs_verilator
def test_the_engine_of_a_machine() -> None:
    made = network()
    found = ArrayEngine(made.graph, named("msq8x8"), RtlArray).run(made.codes)
    for port in made.graph.outputs:
        np.testing.assert_array_equal(found[port.tensor], made.values[port.tensor], port.tensor)


# A mistake in one block of the machine.
MUTANTS = {
    "a lane that leaks": ("pqk_array_raise.sv", "narrow ? BEFORE'(first)", "!narrow ? BEFORE'(first)"),
    "codes keep exponents": ("pqk_array_exponents.sv", "cleared = !loads", "cleared = !loads && !write[r]"),
}


@needs_verilator
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(mutant: str, tmp_path: Path) -> None:
    """By random programs of both modes."""
    mutated(tmp_path, *MUTANTS[mutant])
    machine = MACHINES["ten"]
    simulation = Simulation.of(machine, tmp_path / "run", tmp_path)
    contents = [Drawn(machine, seed).content() for seed in range(12)]
    assert any(simulation.send(content).content != ArrayState(machine).send(content) for content in contents)
