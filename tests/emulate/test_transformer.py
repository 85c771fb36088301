"""Whole vision transformers, as small as they can be, from float weights to C++ and SystemVerilog."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import pyqkit
from pyqkit.accelerator import Accelerator
from pyqkit.array.host import HostStep
from pyqkit.array.machine import named
from pyqkit.array.program import Segment
from pyqkit.emulate.array import ArrayEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.engines import Engine
from pyqkit.studies.networks.vit import HybridTransformer, VisionTransformer
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import needs_compiler
from tests.rtl.bench import needs_verilator

WIDTH, HEADS, SIDE = 32, 4, 8
SIZE = (WIDTH, 2 * WIDTH, HEADS, 1)
FORMS: dict[str, Callable[[], nn.Module]] = {
    "norms behind": lambda: VisionTransformer(*SIZE, patch=2, side=SIDE),
    "norms in front": lambda: VisionTransformer(*SIZE, patch=2, side=SIDE, norm_first=True),
    "hybrid": lambda: HybridTransformer(*SIZE, side=SIDE),
}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, (24, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module", params=FORMS)
def transformer(request: pytest.FixtureRequest, frames: np.ndarray) -> Accelerator:
    """One layer of four heads in int8, its gains and positions as if it had been trained."""
    torch.manual_seed(4)
    model = FORMS[request.param]()
    for name, parameter in model.named_parameters():
        if name in ("cls_token", "pos_embed"):
            nn.init.normal_(parameter, 0, 0.5)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    made = pyqkit.quantise(model.eval(), frames, weights="int8", recipe="norms")
    return pyqkit.compile(made, torch.from_numpy(frames[:1]), board="ZCU104", target_fps=1000)


def test_a_transformer_as_the_reference_says(transformer: Accelerator, frames: np.ndarray) -> None:
    kinds = [op.kind for op in transformer.graph.operators]
    pooled = "max_pool" in kinds  # the hybrid, whose tokens are weighted by another softmax
    found_kinds = [kinds.count(kind) for kind in ("softmax", "matrix_product", "layer_norm")]
    assert found_kinds == [1 + pooled, 2 + pooled, 3]
    found = transformer.verify(frames[:3], engines=("exact",))["reference"]
    assert found["codes"] > 3 * 16 * WIDTH and found["codes_differing"] == 0
    norms = [layer for layer in transformer.report().layers if layer.operator == "layer_norm"]
    assert max(layer.resources.lut_high for layer in norms) < 8000  # 15,000 with float32 gains


@needs_compiler
def test_a_transformer_in_cpp(transformer: Accelerator, frames: np.ndarray) -> None:
    same(transformer, frames[:3], HlsEngine(transformer.graph, transformer.foldings, flags=FAST_CPP))


@pytest.mark.long
@needs_verilator
def test_a_transformer_in_systemverilog(transformer: Accelerator, frames: np.ndarray) -> None:
    same(transformer, frames[:3], transformer.engine("rtl"))


def same(transformer: Accelerator, x: np.ndarray, engine: Engine) -> None:
    """All codes of an engine are those of `exact`, and frames differ."""
    codes = transformer.encode(x)
    found, wanted = engine.run(codes), transformer.exact.run(codes)
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])
        assert (wanted[name][0] != wanted[name][1]).any()


def test_an_array_computes_the_layers_with_weights_and_its_host_the_rest(
    transformer: Accelerator, frames: np.ndarray
) -> None:
    engine = ArrayEngine(transformer.graph, named("int8x8"))
    steps = engine.program.steps
    hosted = [op.kind for step in steps if isinstance(step, HostStep) for op in step.graph.operators]
    assert {"matrix_product", "softmax", "layer_norm"} <= set(hosted) and "convolution" not in hosted
    assert sum(isinstance(step, Segment) for step in steps) >= 5
    same(transformer, frames[:3], engine)
