"""From a float module to codes: what is quantised is exported, compiles, and computes the same."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import onnx
from torch import nn

import pyqkit
from pyqkit.quant import export_qonnx
from pyqkit.quant.ptq import Network, Recipe, quantise
from pyqkit.quant.ptq.places import places
from pyqkit.quant.ptq.quantiser import Quantiser
from tests.quant.ptq.networks import Inverted, Residual, Shuffled, frames, seeded

NETWORKS = pytest.mark.parametrize(
    "network", [Residual, Shuffled, Inverted], ids=["Residual", "Shuffled", "Inverted"]
)


@pytest.mark.parametrize(
    ("network", "formats"),
    [
        pytest.param(Residual, {"weights": "e2m1"}, id="Residual-e2m1"),
        pytest.param(Shuffled, {"weights": "int4"}, id="Shuffled-int4"),
        pytest.param(Inverted, {"weights": "e2m1", "acts": "e3m2", "signed": True}, id="Inverted-w4a6"),
        pytest.param(Inverted, {"weights": "lp4_0_3"}, id="Inverted-lp4"),
        pytest.param(Residual, {"weights": "e2m1", "scaling": "real", "per": "tensor"}, id="Residual-real"),
    ],
)
def test_lowers_as_it_is(network: type, formats: dict[str, Any]) -> None:
    x = frames()
    accelerator = pyqkit.compile(quantise(seeded(network()), x, **formats), x[:1], target_fps=10)
    assert accelerator.graph.name == network.__name__
    reference = accelerator.verify(x[:4].numpy(), engines=["exact"])["reference"]
    assert reference["codes"] > 0 and reference["codes_differing"] == 0


@NETWORKS
def test_the_module_is_left_as_it_is(network: type) -> None:
    model, x = seeded(network()), frames()
    before, state = model(x), copy.deepcopy(model.state_dict())
    quantised = quantise(model, x)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(model(x), before)
    assert not torch.equal(quantised(x), before)


@NETWORKS
def test_wide_formats_change_little(network: type) -> None:
    model, x = seeded(network()), frames()
    with torch.no_grad():
        off = {
            n: float((quantise(model, x, weights=f"int{n}", ends=f"int{n}")(x) - model(x)).abs().max())
            for n in (4, 8, 12)
        }
    assert off[12] < off[8] / 4 < off[4] / 16


def test_only_quantisers_differ_from_the_float_network() -> None:
    model, x = seeded(Residual()), frames()
    network = Network(model, x)
    network.quantise(Recipe.of("int4"))
    for module in network.module.modules():
        if isinstance(module, Quantiser):
            module.enabled = False
    assert torch.equal(network.module(x), network.float(x))


def test_layers_have_their_names(tmp_path: Path) -> None:
    x = frames()
    path = export_qonnx(quantise(seeded(Residual()), x), x[:2], tmp_path / "net.onnx")
    names = [node.name for node in onnx.load(path).graph.node]
    assert len(set(names)) == len(names)
    assert {
        "/input.act_quant/FormatQuant",
        "/layer1.0.conv1/Conv",
        "/layer1.0.conv1.weight_quant/FloatQuant",
        "/layer1.0.relu/Relu",
        "/layer1.0.relu_1/Relu",  # the same module, called once more
        "/layer1.0.relu_1.act_quant/FormatQuant",
        "/layer1.1.down.0/Conv",
        "/fc/Gemm",
    } <= set(names)


def test_the_export_is_compared_with_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each quantiser of a traced network is found again in the file, by its path."""
    from pyqkit.quant import check

    x, seen = frames(), []
    matched = check._matched
    monkeypatch.setattr(check, "_matched", lambda *given: seen.append(matched(*given)) or seen[-1])
    quantised = quantise(seeded(Residual()), x)
    export_qonnx(quantised, x[:1], tmp_path / "net.onnx")
    paths = {name for name, module in quantised.named_modules() if isinstance(module, Quantiser)}
    assert {path for path, _ in seen[0].values()} == paths


def formats_of(module: nn.Module) -> dict[str, str]:
    return {name: part.format.name for name, part in module.named_modules() if isinstance(part, Quantiser)}


def test_formats_stand_where_they_belong() -> None:
    found = formats_of(quantise(seeded(Residual()), frames(), weights="e2m1", acts="e3m2"))
    assert found["conv1.weight_quant"] == found["fc.weight_quant"] == "e3m4"
    assert found["layer1.0.conv1.weight_quant"] == found["layer1.1.down.0.weight_quant"] == "e2m1"
    assert found["input.act_quant"] == found["adaptive_avg_pool2d.act_quant"] == "ue3m5"
    assert found["layer1.0.relu.act_quant"] == "ue3m3"
    assert "layer1.0.conv2.act_quant" not in found  # sums meet the shortcut exactly


def test_signed_forbids_unsigned_twins() -> None:
    found = formats_of(quantise(seeded(Residual()), frames(), weights="e2m1", ends="int8", signed=True))
    assert set(found.values()) == {"e2m1", "int8"}


def test_negative_frames_keep_the_sign_of_the_input() -> None:
    found = formats_of(quantise(seeded(Residual()), frames() - 0.5, weights="int4"))
    assert found["input.act_quant"] == "int8"
    assert found["relu.act_quant"] == "uint4"


def test_what_is_joined_has_one_scale_and_is_rounded_once() -> None:
    network = Network(seeded(Shuffled()), frames())
    groups = places(network.float, network.data, False).groups
    names = [[str(node.target) for node in group.nodes] for group in groups]
    assert ["relu", "relu_1", "relu_2"] in names
    network.quantise(Recipe.of("int4"))
    joined = {float(network.quantisers[f"{name}.act_quant"].scale) for name in ("relu", "relu_1", "relu_2")}
    assert len(joined) == 1


def test_a_concatenation_with_negative_numbers_is_signed() -> None:
    found = formats_of(quantise(seeded(Inverted()), frames(), weights="int4"))
    assert found["side.1.act_quant"] == "int4"
    assert found["wide.1.act_quant"] == "int4"  # hard swish falls below zero


def test_dtypes_and_arrays_of_frames() -> None:
    model, x = seeded(Residual()), frames()
    wanted = quantise(model, x)(x)
    for given in (x.numpy(), x.double(), x.numpy().astype(">f4")):
        assert torch.equal(quantise(model, given)(x), wanted)
    pixels = (x * 255).round()
    assert torch.equal(
        quantise(model, pixels.to(torch.uint8))(pixels),
        quantise(model, pixels.numpy().astype(np.uint8))(pixels),
    )


@NETWORKS
def test_layers_alone_are_rounded(network: type) -> None:
    """Every layer with weights reads rounded numbers, nobody else does."""
    recipe = Recipe.of("e2m1", "e3m2", signed=True, placement="layers")
    made = Network(seeded(network()), frames())
    made.quantise(recipe)
    assert made.module is not None
    modules = dict(made.module.named_modules())
    for node in made.module.graph.nodes:
        reads = {
            modules.get(str(given.target)) for given in node.all_input_nodes if given.op == "call_module"
        }
        rounded = any(isinstance(module, Quantiser) for module in reads)
        assert rounded == (node.op == "call_module" and node.target in made.layers), node
    formats = [quantiser.format.name for quantiser in made.quantisers.values()]
    assert set(formats) == {"e3m2", "e3m4"} and formats[0] == formats[-1] == "e3m4"
    assert made.module(frames()).isfinite().all()
