"""A whole vision transformer, as small as one can be, from float weights to C++."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import pyqkit
from pyqkit.accelerator import Accelerator
from pyqkit.emulate.hls import HlsEngine
from pyqkit.studies.networks.vit import VisionTransformer
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import needs_compiler

WIDTH, TOKENS = 32, 17  # sixteen patches and the class token


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, (24, 3, 16, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def transformer(frames: np.ndarray) -> Accelerator:
    """One layer of four heads, norms behind the sums, in int8."""
    torch.manual_seed(4)
    model = VisionTransformer(WIDTH, 2 * WIDTH, 4, 1)
    model.pos_embed = nn.Parameter(torch.randn(1, TOKENS, WIDTH) / 4)
    nn.init.normal_(model.cls_token)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    made = pyqkit.quantise(model.eval(), frames, weights="int8", recipe="norms")
    return pyqkit.compile(made, torch.from_numpy(frames[:1]), board="ZCU104", target_fps=1000)


def test_a_transformer_as_the_reference_says(transformer: Accelerator, frames: np.ndarray) -> None:
    kinds = [op.kind for op in transformer.graph.operators]
    assert [kinds.count(kind) for kind in ("softmax", "matrix_product", "layer_norm")] == [1, 2, 3]
    found = transformer.verify(frames[:3], engines=("exact",))["reference"]
    assert found["codes"] > 3 * TOKENS * WIDTH and found["codes_differing"] == 0
    norms = [layer for layer in transformer.report().layers if layer.operator == "layer_norm"]
    assert max(layer.resources.lut_high for layer in norms) < 8000  # 15,000 with float32 gains


@needs_compiler
def test_a_transformer_in_cpp(transformer: Accelerator, frames: np.ndarray) -> None:
    same(transformer, frames[:3], HlsEngine(transformer.graph, transformer.foldings, flags=FAST_CPP))


def same(transformer: Accelerator, x: np.ndarray, engine: HlsEngine) -> None:
    """All codes of an engine are those of `exact`, and frames differ."""
    codes = transformer.encode(x)
    found, wanted = engine.run(codes), transformer.exact.run(codes)
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])
        assert (wanted[name][0] != wanted[name][1]).any()
