"""Codes in a beat of a network's ends: as the folding says, up to 256 bits, in both languages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

from pyqkit.dataflow.streams import entries
from pyqkit.emulate.hls import DeadlockError, HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.errors import UserError
from pyqkit.formats import Integer
from pyqkit.graph.folding import EndFolding, Folding
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.graph.ops.layout import Reshape
from pyqkit.hardware import folding
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.search import Search
from tests.emulate.networks import Net, port
from tests.emulate.test_engines import FAST
from tests.rtl.bench import FAST as FAST_RTL
from tests.rtl.bench import mutated, needs_verilator

NARROW, OUT = "input port 0", "output port 0"


def flattened() -> Net:
    """A grey image of 6 x 7, flattened, and a layer whose sums leave."""
    net = Net(Integer(8), Integer(3), (6, 7, 1))
    flat = net.add(Reshape("flat", ["x"], ["flat"], (1, 1, 42)))
    out = net.conv("dense", flat, 32, 1)
    net.graph.outputs = [port(out, net.graph.tensors[out])]
    return net


def foldings(lanes: int, out_lanes: int, pe: int = 8) -> dict[str, Folding]:
    return {
        "dense": ConvolutionFolding(pe, 42),
        NARROW: EndFolding(lanes),
        OUT: EndFolding(out_lanes),
    }


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize(("lanes", "out_lanes"), [(1, 1), (7, 4), (21, 16)])
def test_cpp(lanes: int, out_lanes: int) -> None:
    net = flattened()
    engine = HlsEngine(net.graph, foldings(lanes, out_lanes), flags=FAST)
    assert_array_equal(engine.run(net.codes)["dense"], net.values["dense"])
    assert engine.design.inputs[0].lanes == lanes and engine.design.outputs[0].lanes == out_lanes


@needs_verilator
def test_rtl_is_as_fast_as_its_beats() -> None:
    """42 codes enter in 2 beats and 32 sums leave in 2, while the layer takes 4 cycles."""
    net = flattened()
    for lanes, out_lanes, interval, stalls in ((1, 1, 42, None), (21, 16, 4, None), (21, 16, 4, Stalls())):
        engine = RtlEngine(net.graph, foldings(lanes, out_lanes), stalls=stalls, flags=FAST_RTL)
        (given,), (taken,) = engine.design.inputs, engine.design.outputs
        assert (given.beats, taken.beats) == (42 // lanes, 32 // out_lanes)
        assert_array_equal(engine.run(net.codes)["dense"], net.values["dense"])
        assert engine.design.interval == interval and engine.counts is not None
        assert stalls or engine.counts.interval == interval


@needs_verilator
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("pqk_to_axis.sv", "tlast = last && end_data", "tlast = last"),  # every frame ends a packet
        ("pqk_frame_end.sv", "out_data  = in_data", "out_data  = !in_data"),  # all frames but those
    ],
    ids=["every_frame", "other_frames"],
)
def test_packets_that_end_elsewhere_are_noticed(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    net, include = flattened(), mutated(tmp_path, [(file, right, wrong)])
    engine = RtlEngine(net.graph, foldings(7, 4), include=include, flags=FAST_RTL)
    with pytest.raises(DeadlockError, match="TLAST is not on the last beat of a packet of out_0"):
        engine.run(net.codes)


def test_widths_of_an_entry() -> None:
    assert entries(flattened().graph, 0) == [1, 2, 3, 7, 14, 21]  # 8, 16, 32, 64, 128, 256 bits
    image = Net(Integer(8), Integer(3), (4, 4, 3))
    image.graph.outputs = [port("x", image.graph.tensors["x"])]
    assert entries(image.graph, 0) == [3], "a beat holds codes of one pixel"


def test_the_search_lets_codes_in_as_fast_as_the_rate_asks() -> None:
    graph = flattened().graph
    search = Search(Estimator(graph))
    for cycles, lanes in ((42, 1), (21, 2), (14, 3), (8, 7), (2, 21)):
        found = search.fold_for(cycles)
        assert found is not None and search.estimator.interval(found) <= cycles
        entering = found.get(NARROW, EndFolding(1))
        assert isinstance(entering, EndFolding) and lanes <= entering.lanes < 2 * lanes
    assert search.fold_for(1) is None, "more than 256 bits do not enter"


def test_outputs_are_as_wide_as_the_rate_asks() -> None:
    graph = flattened().graph
    estimator = Estimator(graph)
    bits = graph.tensors["dense"].format.bits
    for pe, lanes in ((1, None), (32, 256 // bits // 16 * 16)):
        chosen: dict[str, Folding] = {"dense": ConvolutionFolding(pe, 42), NARROW: EndFolding(21)}
        found = folding.wider_outputs(estimator, chosen)
        assert found == ({} if lanes is None else {OUT: EndFolding(lanes)})
    named = {"dense": ConvolutionFolding(32, 42), NARROW: EndFolding(21), OUT: EndFolding(4)}
    assert folding.wider_outputs(estimator, named) == {}


def test_folding_files_name_ends(tmp_path: Path) -> None:
    graph, path = flattened().graph, tmp_path / "fold.json"
    data = {"dense": {"pe": 2, "simd": 6}, NARROW: {"lanes": 14}, OUT: {"lanes": 8}}
    path.write_text(json.dumps(data))
    found = folding.read(path, graph)
    assert found == {"dense": ConvolutionFolding(2, 6), NARROW: EndFolding(14), OUT: EndFolding(8)}
    assert folding.from_json(folding.to_json(found), graph, "here") == found
    assert list(folding.check({}, graph, "here")) == ["dense"], "ends are as usual unless they are named"


@pytest.mark.parametrize(
    ("port", "lanes", "sentence"),
    [
        (NARROW, 42, "a LANES that divides 42 and is at most 32 was expected for input port 0, but 42 came"),
        (NARROW, 5, "a LANES that divides 42 and is at most 32 was expected for input port 0, but 5 came"),
        (OUT, 0, "a LANES that divides 32 .* was expected for output port 0, but 0 came"),
        ("input port 1", 1, "but 'input port 1' is no layer; layers are dense"),
    ],
)
def test_ends_that_cannot_be(port: str, lanes: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        folding.from_json({port: {"lanes": lanes}}, flattened().graph, "here")
