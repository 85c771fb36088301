"""A deployed network: 8-bit ends, a 16-bit stream, and the same codes in module, file and engines."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

import pyqkit
from pyqkit.graph.graph import decode_output, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layout import Permute
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.quant import export_qonnx
from pyqkit.quant.palquant import deploy, palquant
from pyqkit.quant.palquant.deploy import FixedNorm, streams
from pyqkit.quant.palquant.layers import GridConv2d
from pyqkit.quant.palquant.resnet import PalResNet
from pyqkit.studies.networks.residual import BasicBlock, Bottleneck, SmallResNet
from tests.quant.palquant.test_rewrite import begun

FRAMES = 8


def deployed(
    quantiser: str = "palquant", bits: int = 2, groups: int = 2, block: type = BasicBlock
) -> tuple[PalResNet, torch.Tensor]:
    """A network of two stages, and frames."""
    torch.manual_seed(0)
    base = SmallResNet(1, 4, stages=2, block=block)
    network = begun(palquant(base, groups, bits, bits, quantiser=quantiser))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight") and parameter.ndim == 1:  # gains of both signs
                parameter.mul_(torch.where(torch.arange(len(parameter)) % 3 == 1, -1, 1))
            if name.endswith("lA"):
                parameter.sub_(0.05)
    frames = torch.rand(32, 1, 8, 8)
    return deploy(network, frames), frames[:FRAMES]


def outputs(network: PalResNet, x: torch.Tensor) -> np.ndarray:
    """Of the module itself, in float64: every number in it is a fraction of a power of two."""
    with torch.no_grad():
        return network.double()(x.double()).numpy().astype(np.float32)


@pytest.fixture(scope="module")
def compiled() -> tuple[PalResNet, torch.Tensor, pyqkit.Accelerator]:
    network, x = deployed()
    return network, x, pyqkit.compile(network, x[:2])


def test_the_accelerator_gives_what_the_module_gives(compiled: Any) -> None:
    """Groups of 2, a cyclic shuffle, a shuffled shortcut."""
    network, x, accelerator = compiled
    found = accelerator.emulate(x.numpy())
    np.testing.assert_array_equal(found, outputs(copy.deepcopy(network), x))
    assert len(np.unique(found)) > FRAMES


@pytest.mark.long
@pytest.mark.parametrize("engine", ["hls", "rtl"])
def test_generated_hardware_gives_the_same(compiled: Any, engine: str) -> None:
    _, x, accelerator = compiled
    found = accelerator.emulate(x.numpy(), engine=engine)
    np.testing.assert_array_equal(found, accelerator.emulate(x.numpy()))


@pytest.mark.parametrize(
    "options",
    [{"groups": 3}, {"bits": 4}, {"quantiser": "lsq"}, {"block": Bottleneck}],
    ids=["three groups", "four bits", "lsq", "bottleneck"],
)
def test_others_are_exact_as_well(options: dict, tmp_path: Path) -> None:
    network, x = deployed(**options)
    graph = import_qonnx(export_qonnx(network, x[:2], tmp_path / "net.onnx"))
    (port,), (output,) = graph.inputs, graph.outputs
    codes = encode_input(port, graph.tensors[port.tensor], x.numpy())
    found = graph.execute({port.tensor: codes})[output.tensor]
    decoded = decode_output(output, graph.tensors[output.tensor], found)
    np.testing.assert_array_equal(decoded.reshape(FRAMES, -1), outputs(network, x))


def test_groups_become_grouped_convolutions_of_odd_levels(compiled: Any) -> None:
    network, _, accelerator = compiled
    found = accelerator.compiled.graph.operators
    layers = [op for op in found if isinstance(op, Convolution)]
    inside = [op for op in layers if op.name not in ("conv1", "fc")]
    assert len(inside) == sum(isinstance(m, GridConv2d) for m in network.modules()) == 6
    assert {(op.groups, op.weight_format.name) for op in inside} == {(2, "odd2")}
    assert {op.weight_format.name for op in layers if op not in inside} == {"int8"}
    # A rotation before the exchange and a shuffle on the branch; nothing else moves channels.
    moves = [list(op.channels) for op in found if isinstance(op, Permute)]
    assert moves == [[4, 5, 6, 7, 0, 1, 2, 3], [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]]
    falling = [op.falling for op in found if isinstance(op, Threshold) and op.thresholds.shape[1] == 3]
    assert any(f.any() and not f.all() for f in falling)  # the sign of a gain turns its thresholds


def test_the_stream_has_sixteen_bits_and_narrow_multipliers(compiled: Any) -> None:
    network, _, accelerator = compiled
    graph = accelerator.compiled.graph
    for op in graph.operators:
        if isinstance(op, Add):
            assert (op.multipliers == 1).all()
            assert {graph.tensors[name].format.name for name in op.inputs} == {"int16"}
        if isinstance(op, Rescale) and op.format.name == "int16" and op.name != "stream":
            assert abs(op.multiplier // np.gcd.reduce(op.multiplier)).max() < 2**11
    steps = {float(part.scale) for part in streams(network)}
    assert len(steps) == 1 and np.log2(steps.pop()) % 1 == 0
    assert sum(isinstance(part, FixedNorm) for part in network.modules()) == 5


def test_a_deployed_network_is_near_what_was_trained() -> None:
    torch.manual_seed(0)
    trained = begun(palquant(SmallResNet(1, 8), 2))
    frames = torch.rand(64, 1, 8, 8)
    made = deploy(trained, frames)
    with torch.no_grad():
        ours, theirs = made(frames), trained(frames)
    assert float((ours - theirs).abs().mean() / theirs.std()) < 0.1
    assert "layer1.0.branch.scale" not in trained.state_dict()


def test_a_network_may_be_made_deployable_before_it_is_trained() -> None:
    torch.manual_seed(0)
    network = begun(palquant(SmallResNet(1, 4), 2, deployable=True))
    assert network.conv1.weight_quant.is_quant_enabled and next(streams(network)).format.name == "int16"
    made = deploy(network, torch.rand(32, 1, 8, 8))
    assert any(isinstance(part, FixedNorm) for part in made.modules())
