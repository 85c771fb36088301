"""Layers whose products share DSPs: the codes of the definition, in both languages and in as many cycles."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hls import generate as hls
from pyqkit.rtl.generate import generate
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree
from tests.rtl.bench import FAST, needs_verilator


def layers(activations: str, weights: str) -> tuple[Net, dict[str, ConvolutionFolding]]:
    """Columns of one to many lanes, groups, weights in blocks, memories of both kinds and one word alone."""
    net = Net(parse(activations), parse(weights), shape=(5, 6, 24), frames=3)
    random = np.random.default_rng(0)
    exponents = random.integers(0, 3, (4, 3, 3, 3))
    net.finish(
        net.conv("wide", "x", 4),
        net.conv("odd", "x", 4, 1),
        net.conv("grouped", "x", 8, groups=2),
        net.conv("blocks", "x", 4, block=8, exponents=exponents),
        net.conv("whole", "x", 2, (5, 6), padding=(0, 0, 0, 0)),
    )
    foldings = {
        "wide": ConvolutionFolding(4, 24, "dsp2", "block"),
        "odd": ConvolutionFolding(2, 3, "dsp2", "lut"),
        "grouped": ConvolutionFolding(4, 4, "dsp2"),
        "blocks": ConvolutionFolding(2, 12, "dsp2"),
        "whole": ConvolutionFolding(2, 1, "dsp2"),
    }
    return net, foldings


@needs_verilator
@pytest.mark.parametrize(("activations", "weights"), [("ue2m2", "e2m1"), ("uint8z3", "int8")])
def test_products_that_share_dsps_change_no_code(activations: str, weights: str) -> None:
    net, foldings = layers(activations, weights)
    plain = generate(net.graph, {name: ConvolutionFolding(f.pe, f.simd) for name, f in foldings.items()})
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    assert engine.design.text.count("pqk_packed_products") == 5
    agree(net, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval == plain.interval
    assert engine.counts.latency == pytest.approx(engine.design.latency, rel=0.02)
    engine.stalls = Stalls(0.3, seed=5)
    agree(net, engine.run)
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)
    assert hls.generate(net.graph, foldings).files["parameters.hpp"].count("pyqkit::PackedProduct<") == 5
