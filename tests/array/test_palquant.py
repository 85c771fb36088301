"""PalQuant's networks on an array of integers: one machine, groups and bits chosen by the program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array import machine
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.isa import Run
from pyqkit.array.program import Program
from pyqkit.array.shared import together
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.layout import Permute
from tests.array.networks import requantised
from tests.array.running import agrees
from tests.emulate.networks import Net

INT8 = machine.named("int8x8")
FRAMES = 3


def modes(program: Program) -> set[str]:
    """Modes of its products, those that only move codes among them."""
    runs = (i for i in program.instructions if isinstance(i, Run))
    return {program.machine.modes[run.mode].name for run in runs}


def small_resnet(bits: int, groups: int, folder: Path) -> Net:
    """A ResNet of two stages as hardware has it, and frames."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("brevitas")
    from pyqkit.graph.importer import import_qonnx
    from pyqkit.quant import export_qonnx
    from pyqkit.quant.palquant import deploy, palquant
    from pyqkit.studies.networks.residual import SmallResNet
    from tests.quant.palquant.test_rewrite import begun

    torch.manual_seed(bits + groups)
    network = begun(palquant(SmallResNet(1, 8, stages=2), groups, bits, bits))
    frames = torch.rand(16, 1, 8, 8)
    made = deploy(network, frames)
    return drawn(import_qonnx(export_qonnx(made, frames[:1], folder / f"{bits}_{groups}.onnx")))


def drawn(graph: Graph, frames: int = FRAMES) -> Net:
    """The last ones of frames that are drawn for a graph, and what it makes of them."""
    (port,) = graph.inputs
    tensor = graph.tensors[port.tensor]
    net = Net(tensor.format, tensor.format, tensor.shape)
    net.graph, net.codes = graph, {tensor.name: net.codes["x"][-frames:].astype(tensor.format.code_dtype)}
    net.values = graph.execute(net.codes, keep=True)
    return net


def one_machine_runs(kinds: list[tuple[int, int]], folder: Path) -> None:
    """Networks that are loaded together and called in turn, with nothing left to the host."""
    more = {"program_words": 4096, "parameter_words": 2048, "weight_words": 32768, "table_words": 16384}
    array = replace(INT8, **more)
    nets = [small_resnet(*kind, folder) for kind in kinds]
    programs = together([compile_graph(net.graph, array) for net in nets])
    state = ArrayState(array)
    for program in programs:
        check(program)
        assert len(program.steps) == 1
        state.send(program.setup())
    for (bits, _), net, program in zip(kinds, nets, programs):
        (output,) = net.graph.outputs
        assert len(np.unique(net.values[output.tensor])) > 8
        assert ("W4A2" in modes(program)) == (bits == 2) and "W4A4" in modes(program)  # the ends: 8 bits
        agrees(net, program, state)


def test_networks_of_two_and_of_four_bits(tmp_path: Path) -> None:
    one_machine_runs([(2, 2), (4, 1)], tmp_path)


@pytest.mark.long
def test_networks_of_all_groups_and_bits(tmp_path: Path) -> None:
    one_machine_runs([(2, 2), (2, 3), (2, 4), (4, 1), (8, 1)], tmp_path)


def layer(bits: int, groups: int, channels: int = 32, rotate: bool = False) -> Net:
    """A convolution in groups, each as wide as the dense one, with codes of as many bits behind it."""
    net = Net(parse(f"uint{bits}"), parse(f"odd{bits}"), shape=(6, 5, channels * groups), frames=FRAMES)
    source = "x"
    if rotate:
        moved = np.roll(np.arange(channels * groups), -channels).tolist()
        source = net.add(Permute("rotated", ["x"], ["rotated"], moved))
    net.finish(
        requantised(net, "y", net.conv("conv", source, channels * groups, groups=groups), falling=True)
    )
    return net


def slots(program: Program) -> int:
    """Cycles in which words of positions enter the elements: what products alone take."""
    runs = (i for i in program.instructions if isinstance(i, Run))
    return sum(run.tiles * run.positions for run in runs)


@pytest.mark.parametrize("bits, on, groups", [(4, 2, 2), (4, 2, 3), (4, 2, 4), (8, 4, 2), (8, 2, 4)])
def test_many_bits_on_few(bits: int, on: int, groups: int) -> None:
    """A layer of M bits takes M squared / K squared / G times the cycles of G groups of K bits."""
    dense, grouped = layer(bits, 1), layer(on, groups, rotate=True)
    programs = [compile_graph(net.graph, INT8) for net in (dense, grouped)]
    for net, program in zip((dense, grouped), programs):
        agrees(net, program)
    assert modes(programs[1]) == {f"W{on}A{on}"}
    first, second = (slots(program) for program in programs)
    assert first * on**2 * groups == second * bits**2


def test_groups_narrower_than_a_word_take_a_wider_mode() -> None:
    """Odd levels have no zero for channels of another group; weights of 4 bits do."""
    net = layer(2, 4, channels=8)
    program = compile_graph(net.graph, INT8)
    assert modes(program) == {"W4A2"}
    agrees(net, program)
    with pytest.raises(UserError, match="weights of odd8, which have no zero .* multiple of 8 ch"):
        compile_graph(layer(8, 1, channels=12).graph, INT8)
    outputs = Net(parse("uint2"), parse("odd2"), shape=(4, 4, 32))
    outputs.finish(outputs.conv("conv", "x", 11))  # columns without an output need no weight
    program = compile_graph(outputs.graph, INT8)
    assert modes(program) == {"W2A2"}
    agrees(outputs, program)


def with_modes(*names: str) -> machine.Machine:
    return replace(INT8, name="lacking", modes=tuple(mode for mode in INT8.modes if mode.name in names))


@pytest.mark.parametrize("bits, kept", [(4, ("W2A2", "W4A2")), (4, ("W2A8",)), (8, ("W2A2", "W2A8"))])
def test_bits_that_a_machine_lacks_are_refused(bits: int, kept: tuple[str, ...]) -> None:
    """The layer, what it needs and what there is."""
    there = f"in a mode out of {', '.join(kept)}"
    with pytest.raises(
        UserError, match=f"but y cannot be multiplied.*{there}.*uint{bits} times odd{bits} came; use"
    ):
        compile_graph(layer(bits, 2).graph, with_modes(*kept))


@pytest.mark.parametrize("mode", ["W4A2", "W4A4"])
def test_a_machine_without_products_of_two_bits_takes_wider_ones(mode: str) -> None:
    net = layer(2, 2)
    program = compile_graph(net.graph, with_modes(mode))
    assert modes(program) == {mode}
    agrees(net, program)
