"""Machines whose halves of outliers meet in networks: words of the definition, cycles of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph
from pyqkit.array.isa import ProgramError
from pyqkit.array.machine import Machine, named
from pyqkit.array.program import Program, executed
from pyqkit.array.report import report
from pyqkit.array.waits import segment_cycles, waits
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.formats.microscopiq import BlockWeight
from pyqkit.graph.ops.convolution import Convolution
from tests.array.block_layers import directed_layer, net, network, scaled_layer
from tests.array.simulation import Simulation
from tests.array.test_microscopiq_simulation import MACHINES as MERGED
from tests.array.test_microscopiq_simulation import layer
from tests.emulate.networks import Net
from tests.rtl.bench import needs_verilator

EIGHT = replace(MERGED["ten"], name="eight_apart", rows=8)


def butterfly(machine: Machine, networks: int) -> Machine:
    """One whose rows share so many networks."""
    return replace(machine, name=f"{machine.name}_{networks}", merge="butterfly", networks=networks)


MACHINES = {
    "one": butterfly(EIGHT, 1),
    "crossbars": replace(EIGHT, merge="crossbar"),
    "two": butterfly(MERGED["sixteen"], 2),
    "eight": butterfly(EIGHT, 8),
}
NAMES = [pytest.param(name, marks=pytest.mark.long if name in ("two", "eight") else ()) for name in MACHINES]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Simulation]:
    """The simulation of a machine, built when it is first asked for."""
    folder = tmp_path_factory.mktemp("machines")
    return cache(lambda name: Simulation.of(MACHINES[name], folder / name))


@needs_verilator
@pytest.mark.parametrize("name", NAMES)
def test_random_programs(simulated: Callable[[str], Simulation], name: str) -> None:
    """Every word, with and without stalls; without, to the cycle."""
    simulated(name).agrees_at_random(range(8 if name == "two" else 2))


@needs_verilator
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_outliers_at_all_places(simulated: Callable[[str], Simulation], name: str, bits: int) -> None:
    """None to four in a block, beside each other and at its ends, against the graph's own sums."""
    simulated(name).agrees(directed_layer(bits))


@needs_verilator
@pytest.mark.parametrize("name", NAMES)
def test_layers_take_the_cycles_of_the_model(simulated: Callable[[str], Simulation], name: str) -> None:
    for seed in range(8 if name == "two" else 2):
        simulated(name).agrees(layer(seed))


@needs_verilator
@pytest.mark.parametrize("name", NAMES)
def test_a_network(simulated: Callable[[str], Simulation], name: str) -> None:
    """Streams stall, too; a microscale in it is the host's."""
    simulation, made = simulated(name), network()
    program = compile_graph(made.graph, simulation.machine)
    found = executed(program, made.codes, simulation.transfers(program, (30, 60)))
    for port in made.graph.outputs:
        np.testing.assert_array_equal(found[port.tensor], made.values[port.tensor], port.tensor)


@needs_verilator
@pytest.mark.long
@pytest.mark.parametrize("bits", [2, 4])
def test_scaled_blocks(simulated: Callable[[str], Simulation], bits: int) -> None:
    simulated("two").agrees(scaled_layer(bits))


@needs_verilator
@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_bit_has_the_sign_of_the_outlier(
    simulated: Callable[[str], Simulation], name: str
) -> None:
    """1.5 times 32, and 8 from the row above: 56; minus 1.5 times 32, and 8: minus 40. In quarters."""
    made = net(parse("int8"), (1, 1, 2))
    made.codes["x"][:] = np.array([8, 32])
    values = np.zeros((2, 16), np.int64)
    values[0, [2, 13]], values[1, [2, 13]] = 4, (6, -6)
    weights = BlockWeight(2).of_integers(values.reshape(-1, 8)).reshape(2, 16).T.reshape(16, 1, 1, 2)
    made.finish(made.add(Convolution("layer", ["x"], ["layer"], weights, BlockWeight(2))))
    half = 1 << made.graph.tensors["layer"].format.bits - 1
    sums = (made.values["layer"].reshape(-1, 16).astype(np.int64) ^ half) - half
    assert (sums[:, [2, 13]] == [4 * 56, 4 * -40]).all() and not np.delete(sums, [2, 13], axis=1).any()
    simulated(name).agrees(made)


def both(made: Net, machine: Machine) -> tuple[Program, Program]:
    """A network for a machine, and for the one that merges when weights are loaded."""
    merged = replace(machine, merge="load", networks=1)
    return compile_graph(made.graph, machine), compile_graph(made.graph, merged)


@pytest.mark.parametrize("name", MACHINES)
def test_programs_are_the_same(name: str) -> None:
    """Byte for byte, and for either machine; what rows wait for is told of the layer."""
    apart, merged = both(network(), MACHINES[name])
    assert apart.setup() == merged.setup() and apart.instructions == merged.instructions
    check(merged, apart.machine)
    longer = sum(segment_cycles(apart)) - sum(segment_cycles(merged))
    runs = sum(type(i).__name__ == "Run" for i in apart.instructions)
    assert (sum(waits(apart)) > 0) == (name in ("one", "two")) and sum(waits(merged)) == 0
    assert longer <= sum(waits(apart)) + 4 * runs
    assert report(apart).frame_cycles == sum(segment_cycles(apart))


def test_lists_that_do_not_route_are_refused() -> None:
    """Places 0 and 5 are those that the butterfly cannot join."""
    made = compile_graph(directed_layer(4).graph, MACHINES["one"])
    bits = np.unpackbits(made.weights, axis=1, bitorder="little")
    bits[0, 32] = 1
    bits[0, 36:60] = np.unpackbits(np.array([5 << 3, 0, 0], np.uint8), bitorder="little")
    with pytest.raises(ProgramError, match="but a list of outliers does not route"):
        check(replace(made, weights=np.packbits(bits, axis=1, bitorder="little")))


@pytest.mark.parametrize(
    ("machine", "changed", "came"),
    [
        ("msq8x8", {"merge": "tree"}, "halves merged at 'tree'"),
        ("msq8x8", {"networks": 2}, "2 networks, not 1 to 1"),
        ("msq8x8", {"merge": "butterfly", "networks": 9}, "9 networks, not 1 to 8"),
        ("int8x8", {"merge": "crossbar"}, "'crossbar'"),
    ],
)
def test_what_cannot_be_built_is_refused(machine: str, changed: dict[str, object], came: str) -> None:
    with pytest.raises(UserError, match=f"was expected, but .*{machine}.* has {came}"):
        compile_graph(network().graph, replace(named(machine), **changed))  # type: ignore[arg-type]
