"""Search for foldings, folding files, and what is said when a rate or a file cannot be had."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from pyqkit import boards
from pyqkit.boards import Board
from pyqkit.dataflow.streams import input_port
from pyqkit.errors import UserError
from pyqkit.graph.folding import EndFolding, Folding
from pyqkit.graph.graph import Graph
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.hardware import folding
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.search import Search
from tests.graph.qonnx_builder import Builder
from tests.small_networks import mixed_layout, residual

CLOCK_MHZ = 100.0


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_qonnx(residual())


def layers(graph: Graph) -> dict[str, Convolution]:
    return {op.name: op for op in graph.operators if isinstance(op, Convolution)}


def price(found: Resources, board: Board) -> float:
    """The share of the board that a design takes, summed over its resources."""
    has = board.resources
    return (
        found.lut_high / has["lut"]
        + found.ff / has["ff"]
        + found.bram36 / has["bram36"]
        + found.dsp / has["dsp"]
    )


def chain() -> Any:
    """Three layers whose widths divide one another badly: 6 channels, then 4, then 10 outputs.

    An image of one column has no pixels side by side, so that there are not too many designs.
    """
    b = Builder(2, 5, 1)
    x = b.quantise(b.conv(b.quantise("x", "int4", 0.25), "e2m1", 6, 2), "e2m1", 0.5)
    x = b.quantise(b.conv(x, "e3m2", 4, 6, strides=[2, 2]), "e2m1", 0.5)
    return b.model(b.conv(x, "int4", 10, 4, 1))


def joined() -> Any:
    """A residual block: both branches decide the width of the words that are added."""
    b = Builder(2, 5, 5)
    y = b.quantise(b.conv(b.quantise("x", "int4", 0.25), "e2m1", 2, 2), "e3m2", 0.5)
    z = b.quantise(b.conv(b.quantise(b.conv(y, "int4", 3, 2), "e2m1", 0.5), "int4", 2, 3), "e3m2", 0.5)
    return b.model(
        b.node(
            "MaxPool",
            b.quantise(b.node("Add", y, z), "e2m1", 0.5),
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
        )
    )


def column() -> Any:
    """Layers of wide products, which DSPs can make, over an image of one column."""
    b = Builder(2, 6, 1)
    x = b.quantise(b.conv(b.quantise("x", "int8", 0.25), "int4", 2, 2), "int8", 0.5)
    y = b.quantise(b.conv(x, "int8", 8, 2, 1), "int4", 0.5)
    return b.model(b.conv(y, "e2m1", 6, 8, strides=[2, 1]))


def wide() -> Any:
    """A layer of many weights."""
    b = Builder(256, 1, 1)
    return b.model(b.conv(b.quantise("x", "int4", 0.25), "int4", 64, 256, 1))


def every_choice(estimator: Estimator, op: Convolution) -> list[Folding]:
    """All foldings of a layer with all of their variants."""
    return [variant for plain in estimator.space(op).every() for variant in estimator.variants(op, plain)]


@pytest.fixture(scope="module", params=[chain, joined, column], ids=lambda make: make.__name__)
def every_design(request) -> tuple[Graph, list[tuple[int, Resources]]]:
    """Interval and resources of every folding that a small network has, with every multiplier and memory."""
    graph = import_qonnx(request.param())
    estimator = Estimator(graph, CLOCK_MHZ)
    options = {name: every_choice(estimator, op) for name, op in layers(graph).items()}
    (port,) = graph.inputs
    options[input_port(0)] = [EndFolding(lanes) for lanes in estimator.entries[port.tensor]]
    designs = (dict(zip(options, picked)) for picked in itertools.product(*options.values()))
    return graph, [(estimator.interval(d), estimator.total(d)) for d in designs]


def test_choices_are_all_divisors_least_parallel_first(graph):
    op = list(layers(graph).values())[1]
    found = op.folding_space(graph.input_tensors(op)).every()
    assert {(f.pe, f.simd) for f in found} == {(p, s) for p in (1, 2, 4, 8) for s in (1, 2, 4, 8)}
    assert found[0] == ConvolutionFolding(1, 1) and found[-1] == ConvolutionFolding(8, 8, pixels=2)
    parallel = [f.pe * f.simd * f.pixels for f in found]
    assert parallel == sorted(parallel)


def test_no_design_that_meets_a_rate_is_cheaper(every_design):
    graph, designs = every_design
    board = boards.load("PYNQ-Z2")
    search = folding.search_for(graph, board, CLOCK_MHZ)
    intervals = sorted({interval for interval, _ in designs})
    for interval in intervals:
        found = search.fold_for(interval)
        assert search.estimator.interval(found) <= interval
        cheapest = min(price(resources, board) for i, resources in designs if i <= interval)
        assert price(search.estimator.total(found), board) == pytest.approx(cheapest, rel=1e-9)
    assert search.fold_for(intervals[0] - 1) is None
    assert search.estimator.interval(search.fastest()) == intervals[0]
    assert set(intervals) <= set(search.intervals())


@pytest.mark.parametrize("share", [0.05, 0.06, 0.08, 0.1, 0.2, 1.0])
def test_no_design_that_fits_a_share_is_faster(every_design, share):
    graph, designs = every_design
    board = boards.load("PYNQ-Z2")
    found = Estimator(graph, CLOCK_MHZ).interval(folding.find(graph, board, CLOCK_MHZ, None, share))
    fitting = [interval for interval, resources in designs if not folding.exceeded(resources, board, share)]
    if fitting:
        assert found == min(fitting)
    else:
        assert Estimator(graph, CLOCK_MHZ).total(
            folding.find(graph, board, CLOCK_MHZ, None, share)
        ).lut_high == min(r.lut_high for _, r in designs)


def test_too_many_combinations_of_widths_are_thinned(every_design, monkeypatch):
    graph, designs = every_design
    monkeypatch.setattr("pyqkit.hardware.search.STATES", 3)
    thinned, board = folding.search_for(graph, boards.load("PYNQ-Z2"), CLOCK_MHZ), boards.load("PYNQ-Z2")
    for interval in (max(i for i, _ in designs), thinned.estimator.interval(thinned.fastest())):
        found = thinned.fold_for(interval)
        assert thinned.estimator.interval(found) <= interval
        assert price(thinned.estimator.total(found), board) >= min(
            price(r, board) for i, r in designs if i <= interval
        ) * (1 - 1e-9)


def test_rates_are_met_and_cost_more_the_higher_they_are(graph):
    board, estimator = boards.load("ZCU104"), Estimator(graph, CLOCK_MHZ)
    prices = []
    for rate in (1_000, 10_000, 50_000, 200_000):
        found = folding.find(graph, board, CLOCK_MHZ, rate)
        assert estimator.interval(found) <= 100e6 / rate
        prices.append(price(estimator.total(found), board))
    assert prices == sorted(prices) and prices[0] < prices[-1]


def test_what_is_exceeded_becomes_dearer():
    graph, board = import_qonnx(wide()), boards.load("PYNQ-Z2")
    boards_of = (replace(board, resources={**board.resources, "bram36": blocks}) for blocks in (100, 0))
    estimator = Estimator(graph, CLOCK_MHZ)
    cheapest, none = (estimator.total(folding.find(graph, b, CLOCK_MHZ, 1_000)) for b in boards_of)
    assert cheapest.bram36 > 0 == none.bram36 and cheapest.lut_high < none.lut_high


def test_without_a_rate_the_fastest_within_the_share_is_found(graph):
    board, estimator = boards.load("ZCU104"), Estimator(graph, CLOCK_MHZ)
    tight = replace(board, resources={**board.resources, "lut": 8_000})
    found = folding.find(graph, tight, CLOCK_MHZ, None)
    assert estimator.total(found).lut_high <= 0.7 * 8_000
    faster = folding.next_step(folding.search_for(graph, tight, CLOCK_MHZ), estimator.interval(found))
    assert faster is None or (
        faster.interval < estimator.interval(found) and faster.resources.lut_high > 0.7 * 8_000
    )
    assert estimator.interval(folding.find(graph, board, CLOCK_MHZ, None)) < estimator.interval(found)


def test_words_are_widened_where_a_pool_is_the_slowest():
    graph = import_qonnx(residual())
    pool = next(op.name for op in graph.operators if op.kind == "max_pool")
    search = Search(Estimator(graph, CLOCK_MHZ))
    assert search.estimator.estimate(search.fold_for(36 * 9))[pool].cycles == 36 * 9 * 8 // 8


@pytest.mark.parametrize("network", [residual, mixed_layout])
def test_an_impossible_rate_names_the_fastest_and_what_limits_it(network):
    graph = import_qonnx(network())
    board = boards.load("ZCU104")
    search = Search(Estimator(graph, CLOCK_MHZ))
    fastest = search.fastest()
    with pytest.raises(UserError) as caught:
        folding.find(graph, board, CLOCK_MHZ, 1e9)
    assert str(caught.value) == (
        "a rate that ZCU104 reaches was expected, but 1e+09 frames/s came; at 100 MHz the fastest is "
        f"{1e8 / search.estimator.interval(fastest):.0f} frames/s (estimated), where the parallelism of "
        f"{folding.bottleneck(search.estimator, fastest)} ends first; ask for less or take a larger board"
    )


def test_the_resource_that_ends_first_is_named(graph):
    board = boards.load("ZCU104")
    tight = replace(board, resources={**board.resources, "lut": 5_000})
    with pytest.raises(UserError, match="where LUT ends first; ask for less or take a larger board$"):
        folding.find(graph, tight, CLOCK_MHZ, 100_000)
    tiny = replace(board, resources={**board.resources, "ff": 10})
    with pytest.raises(
        UserError,
        match=r"5 frames/s came, and the network takes [\d,]+ FF \(estimated\), of which the board has "
        r"10, at any rate; take a larger",
    ):
        folding.find(graph, tiny, CLOCK_MHZ, 5)


@pytest.mark.parametrize("share", [0, -0.5, 1.5, float("nan")])
def test_shares_are_shares(graph, share):
    with pytest.raises(
        UserError,
        match=f"^a share of the LUTs above 0 and up to 1 was expected, but {share:g} came; 0.7 leaves room",
    ):
        folding.find(graph, boards.load("ZCU104"), CLOCK_MHZ, None, share)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), float("-inf"), 1e-310, 9e-4])
def test_rates_that_nobody_can_want(graph, rate):
    with pytest.raises(
        UserError,
        match=f"^a rate of at least 0.001 frames/s was expected, but {rate:g} came; leave it out for the "
        "fastest$",
    ):
        folding.find(graph, boards.load("ZCU104"), CLOCK_MHZ, rate)


def test_a_file_round_trips_and_leaves_missing_layers_unfolded(graph, tmp_path):
    names, path = list(layers(graph)), tmp_path / "fold.json"
    wanted = {name: folding.find(graph, boards.load("ZCU104"), CLOCK_MHZ, 50_000)[name] for name in names}
    folding.write(wanted, path)
    assert folding.read(path, graph) == wanted
    assert len(path.read_text().splitlines()) == len(names) + 2  # a line to edit for each layer
    with pytest.raises(
        UserError,
        match="^a new file was expected, but .*fold.json exists; choose another name or pass --force$",
    ):
        folding.write(wanted, path)
    folding.write({names[1]: ConvolutionFolding(4, 2)}, path, force=True)
    assert folding.read(path, graph) == {
        name: ConvolutionFolding(4, 2) if name == names[1] else ConvolutionFolding() for name in names
    }
    assert list(tmp_path.iterdir()) == [path]
    kinds = {names[1]: ConvolutionFolding(4, 2, "dsp", "block"), names[2]: ConvolutionFolding(memory="lut")}
    folding.write(kinds, path, force=True)
    assert {name: f for name, f in folding.read(path, graph).items() if name in kinds} == kinds
    path.write_text(f'{{"{names[1]}": {{"pe": 4, "simd": 2}}}}')  # a file that names no kinds
    assert folding.read(path, graph)[names[1]] == ConvolutionFolding(4, 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "{",
            "a folding file in JSON was expected, but PATH cannot be read (Expecting property name enclosed "
            "in double quotes: line 1 column 2 (char 1)); 'pyqkit report --json' lists the layers",
        ),
        (
            "[1]",
            "an object of layers was expected in PATH, but a list came; write {'layer': {'pe': 1, "
            "'simd': 1}}",
        ),
        (
            '{"none": {"pe": 1, "simd": 1}}',
            "foldings of layers were expected in PATH, but 'none' is no layer; layers are LAYERS",
        ),
        (
            '{"SECOND": {"pe": 2}}',
            "whole numbers pe and simd were expected for 'SECOND' in PATH, but {\"pe\": 2} came; "
            "give all of them",
        ),
        (
            '{"SECOND": {"pe": 2.0, "simd": 1}}',
            'whole numbers pe and simd were expected for \'SECOND\' in PATH, but {"pe": 2.0, "simd": '
            "1} came; give all of them",
        ),
        (
            '{"SECOND": {"pe": 1, "simd": 1, "ram": "block"}}',
            "pe and simd, and perhaps pixels and the words multiplier and memory, were expected for 'SECOND' "
            "in PATH, but "
            '{"pe": 1, "simd": 1, "ram": "block"} came; leave out the rest',
        ),
        (
            '{"SECOND": {"pe": 1, "simd": 1, "multiplier": "cpu"}}',
            "a multiplier of lut, dsp, dsp2, dsp4 was expected for SECOND, but 'cpu' came; choose one "
            "of them",
        ),
        (
            '{"SECOND": {"pe": 1, "simd": 1, "multiplier": "dsp2"}}',
            "a PE that 2 divides was expected for SECOND with dsp2, but 1 came; choose another one, or "
            "multiplier lut",
        ),
        (
            '{"SECOND": {"pe": 1, "simd": 1, "memory": "disk"}}',
            "a memory of auto, lut, block was expected for SECOND, but 'disk' came; choose one of them",
        ),
        (
            '{"SECOND": {"pe": 3, "simd": 1}}',
            "a PE that divides 8 was expected for SECOND, but 3 came; choose a divisor",
        ),
        (
            '{"SECOND": {"pe": 1, "simd": 0}}',
            "a SIMD that divides 8 was expected for SECOND, but 0 came; choose a divisor",
        ),
    ],
)
def test_bad_files_are_one_sentence(graph, tmp_path, text, sentence):
    names = list(layers(graph))
    path = tmp_path / "fold.json"
    path.write_text(text.replace("SECOND", names[1]))
    expected = (
        sentence.replace("PATH", str(path)).replace("SECOND", names[1]).replace("LAYERS", ", ".join(names))
    )
    with pytest.raises(UserError) as caught:
        folding.read(path, graph)
    assert str(caught.value) == expected
