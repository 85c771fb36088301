"""Layers whose products share DSPs: the codes of the definition, in both languages and in as many cycles."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hardware.resources import of_parts
from pyqkit.hls import generate as hls
from pyqkit.rtl.circuits import BlockCircuit, circuits_of
from pyqkit.rtl.generate import generate, library
from pyqkit.rtl.synthesis import synthesise
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree
from tests.rtl.bench import FAST, needs_verilator, needs_yosys


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


@needs_verilator
@pytest.mark.parametrize(("activations", "weights"), [("uint4", "int4"), ("ue2m2", "e2m1")])
def test_pixels_that_share_dsps_change_no_code(activations: str, weights: str) -> None:
    """Two neighbouring pixels of a result at a time: rows of an even and an odd number, blocks, one word."""
    net, _ = layers(activations, weights)
    foldings = {
        "wide": ConvolutionFolding(4, 24, "dsp4", "block", pixels=2),
        "odd": ConvolutionFolding(2, 3, "dsp4", "lut", pixels=2),
        "grouped": ConvolutionFolding(4, 4, "dsp4", pixels=2),
        "blocks": ConvolutionFolding(2, 12, "dsp4", pixels=2),
        "whole": ConvolutionFolding(2, 1, "dsp2"),
    }
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    assert engine.design.text.count("pqk_packed_products") == 5
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=5)
    agree(net, engine.run)
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)


@needs_yosys
def test_yosys_takes_the_dsps_of_the_model() -> None:
    """One for two products, one for four, and nothing of the terms' sums outside of them."""
    net, _ = layers("uint4", "int4")
    foldings = {
        "wide": ConvolutionFolding(4, 6, "dsp2", "block"),
        "odd": ConvolutionFolding(2, 3, "dsp2"),
        "grouped": ConvolutionFolding(4, 4, "dsp4", pixels=2),
    }
    design = generate(net.graph, foldings)
    units = [one for one in circuits_of(design) if one.block.owner in foldings and _multiplies(one)]
    library_text = {path.name: path.read_text() for path in library().glob("*.sv")}
    found = synthesise([one.circuit for one in units], library_text)
    assert [cells.dsp for cells in found] == [12, 3, 8]
    assert [of_parts(one.parts).dsp for one in units] == [12, 3, 8]
    for one, cells in zip(units, found):
        products = int(one.parts[0].parameters["PE"]) * {"wide": 6, "odd": 3, "grouped": 4}[one.block.owner]
        print(f"{one.block.owner}: {products} products a cycle, {cells}")


def _multiplies(one: BlockCircuit) -> bool:
    return one.parts[0].module == "matrix_vector"
