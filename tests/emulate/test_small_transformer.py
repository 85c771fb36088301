"""Two layers of a vision transformer whole: all engines alike, in the cycles of the schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import pyqkit
from pyqkit.accelerator import Accelerator
from pyqkit.emulate.hls import HlsEngine, Simulator
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.studies.networks.vit import VisionTransformer
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import needs_compiler
from tests.rtl.bench import FAST, needs_verilator

pytestmark = pytest.mark.long
WIDTH, HEADS, DEPTH, SIDE = 16, 2, 2, 8  # four patches and the class token


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (24, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module", params=["int8", "e3m2"])
def transformer(request: pytest.FixtureRequest, frames: np.ndarray) -> Accelerator:
    made = pyqkit.quantise(_model(), frames, weights=request.param, recipe="norms")
    return pyqkit.compile(made, torch.from_numpy(frames[:1]), board="ZCU104", target_fps=1000)


def _model() -> nn.Module:
    """With gains, positions and a class token as if it had been trained."""
    torch.manual_seed(6)
    model = VisionTransformer(WIDTH, 2 * WIDTH, HEADS, DEPTH, side=SIDE)
    nn.init.normal_(model.pos_embed, 0, 0.25)
    nn.init.normal_(model.cls_token)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return model.eval()


@needs_compiler
@needs_verilator
def test_all_engines_agree(transformer: Accelerator, frames: np.ndarray) -> None:
    graph, foldings = transformer.graph, transformer.foldings
    codes = transformer.encode(frames[:4])
    wanted = transformer.exact.run(codes)
    assert all((found[0] != found[1]).any() for found in wanted.values())
    rtl = RtlEngine(graph, foldings, flags=FAST)
    for stalls in (Stalls(0.0), Stalls(0.2, seed=7)):
        rtl.stalls = stalls
        same(wanted, rtl.run(codes))
        assert rtl.counts is not None
        if not stalls.probability:
            np.testing.assert_array_equal(rtl.counts.intervals, rtl.design.paces)
            assert rtl.counts.latency == rtl.design.latency
    same(wanted, HlsEngine(graph, foldings, flags=FAST_CPP).run(codes))


@needs_compiler
def test_two_layers_that_share_hardware_in_cpp(frames: np.ndarray) -> None:
    """All kinds of constants of a transformer's layers are switched, products of streams among them."""
    made = pyqkit.quantise(_model(), frames, weights="int8", recipe="norms")
    example = torch.from_numpy(frames[:1])
    shared = pyqkit.compile(made, example, board="ZCU104", target_fps=1000, reuse="on")
    assert shared.compiled.passes == DEPTH
    codes, engine = shared.encode(frames[:4]), Simulator(shared.designs.hls, flags=FAST_CPP)
    same(shared.exact.run(codes), engine.run(codes))
    assert engine.trips() == {process.name: process.trips for process in engine.design.processes}


def same(wanted: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])
