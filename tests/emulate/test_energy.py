"""Netlists compute what their blocks do, and toggles are counted where they happen."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.emulate.energy import Runs, network_energy
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.rtl.circuits import BlockCircuit
from pyqkit.rtl.energy import LABEL, SEVEN_SERIES, Energy, energy
from pyqkit.rtl.gates import gate_level, netlists
from pyqkit.rtl.generate import Design, generate
from pyqkit.rtl.synthesis import Netlist
from tests.emulate.networks import Net
from tests.rtl.bench import needs_verilator, needs_yosys

pytestmark = [needs_verilator, needs_yosys]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def one_product() -> tuple[Net, Design]:
    """A code a frame, times a weight: a frame a cycle, and nothing but the frames changes."""
    net = Net(parse("int4"), parse("int4"), (1, 1, 1), frames=17)
    graph = net.finish(net.conv("t_fc", "x", 1, kernel=1))
    return net, generate(graph)


def from_memory() -> tuple[Net, Design]:
    """Two of eight sums of two products at a time, their weights in block RAM."""
    net = Net(parse("e2m1"), parse("e2m1"), (1, 1, 4), frames=7)
    graph = net.finish(net.conv("t_fc", "x", 8, kernel=1))
    return net, generate(graph, {"t_fc": ConvolutionFolding(2, 2, "lut", "block")})


def test_a_block_whose_inputs_do_not_change_costs_clocks_alone(cache: Path) -> None:
    net, design = one_product()
    blocks = netlists(design, cache)
    runs = Runs(gate_level(design, blocks), cache)
    still = np.full_like(net.codes["x"], net.codes["x"][1])
    first, whole = runs({"x": still[:1]}), runs({"x": still})
    spent = {
        one.block.name: energy(made, whole[one.block.name].since(first[one.block.name]))
        for one, made in blocks
    }
    unit = spent["t_fc_block"]
    flip_flops = sum(c["type"].startswith("FD") for c in netlist_of(blocks, "t_fc_block")["cells"].values())
    assert unit == Energy(clocks=unit.clocks)
    assert unit.clocks == pytest.approx(16 * flip_flops * SEVEN_SERIES.clock_pf) and flip_flops > 0
    assert spent["x_to_t_fc"].nets > 0  # pointers of a FIFO move with every word


def test_frames_cost_what_their_operators_do_and_always_the_same(cache: Path) -> None:
    net, design = one_product()
    found = network_energy(design, net.codes, "xc7z020clg400-1", cache=cache)
    assert (found.label, found.frames, found.cycles, found.static_watts) == (LABEL, 16, 1, 0.1524)
    assert found.picojoules.nets > 0
    assert sum((one.picojoules for one in found.operators), Energy()) == found.picojoules
    assert {"t_fc", "input port 0", "output port 0"} == {one.operator for one in found.operators}
    assert network_energy(design, net.codes, "xc7z020clg400-1", cache=cache) == found


def test_toggles_are_those_of_the_frames(cache: Path) -> None:
    net, design = one_product()
    blocks = netlists(design, cache)
    integers = np.arange(17) % 2 * 5  # 0101 and 0000 in turns: bits 0 and 2 change with every frame
    codes = parse("int4").from_integers(integers).reshape(net.codes["x"].shape)
    runs = Runs(gate_level(design, blocks), cache)
    first, whole = runs({"x": codes[:1]}), runs({"x": codes})
    unit = netlist_of(blocks, "t_fc_block")
    (port,) = (name for name in unit["ports"] if name.endswith("x_to_t_fc_data"))
    found = whole["t_fc_block"].since(first["t_fc_block"])
    assert found.cycles == 16
    assert [found.toggles[net] for net in unit["ports"][port]["bits"]] == [16, 0, 16, 0]


def netlist_of(blocks: list[tuple[BlockCircuit, Netlist]], name: str) -> Netlist:
    return next(made for one, made in blocks if one.block.name == name)


def codes_of(design: Design, blocks: list[tuple[BlockCircuit, Netlist]], net: Net, cache: Path) -> np.ndarray:
    runs = Runs(gate_level(design, blocks), cache)  # lives as long as its simulation
    return runs.simulator.run(net.codes)["t_fc"]


def broken(netlist: Netlist) -> Netlist:
    """Another word in the memory, in a bit that is read."""
    found = deepcopy(netlist)
    (memory,) = (c for c in found["cells"].values() if c["type"].startswith("RAMB"))
    row = memory["parameters"]["INIT_00"]
    memory["parameters"]["INIT_00"] = row[:-3] + str(1 - int(row[-3])) + row[-2:]
    return found


def test_netlists_compute_what_is_defined_and_block_rams_cost_by_access(cache: Path) -> None:
    net, design = from_memory()
    blocks = netlists(design, cache)
    assert_array_equal(codes_of(design, blocks, net, cache), net.values["t_fc"])
    mutant = [(one, broken(made) if one.block.name == "t_fc_block" else made) for one, made in blocks]
    assert (codes_of(design, mutant, net, cache) != net.values["t_fc"]).any()
    found = network_energy(design, net.codes, cache=cache)
    assert found.cycles == 8 and found.static_watts is None
    assert found.picojoules.memories == 8 * SEVEN_SERIES.ramb18_pj  # a word of four weights a cycle


def test_one_frame_is_too_few(cache: Path) -> None:
    net, design = one_product()
    with pytest.raises(UserError, match="two frames or more"):
        network_energy(design, {"x": net.codes["x"][:1]}, cache=cache)
