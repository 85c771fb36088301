"""The estimator against the generated C++ and against cycles counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.dataflow.streams import input_port, output_reader
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.graph.folding import EndFolding, Folding
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.resources import Resources, fifo, of_parts
from pyqkit.hardware.search import Search
from pyqkit.hls.generate import generate
from pyqkit.rtl import generate as rtl
from pyqkit.rtl.emitter import Fifo
from tests.graph.qonnx_builder import Builder
from tests.small_networks import mixed_layout, residual

NETWORKS = {"residual": residual, "mixed_layout": mixed_layout}


@pytest.fixture(params=NETWORKS)
def graph(request) -> Graph:
    return import_qonnx(NETWORKS[request.param]())


def convolutions(graph: Graph) -> dict[str, Convolution]:
    return {op.name: op for op in graph.operators if isinstance(op, Convolution)}


def choices(graph: Graph, op: Convolution) -> list[Folding]:
    return op.folding_space(graph.input_tensors(op)).every()


def foldings_of(graph: Graph, which: int) -> dict[str, ConvolutionFolding]:
    return {
        name: choices(graph, op)[which % len(choices(graph, op))] for name, op in convolutions(graph).items()
    }


@pytest.mark.parametrize("which", [0, 2, 5, -1])
def test_words_and_fifos_are_those_of_the_generated_design(graph, which):
    foldings = foldings_of(graph, which)
    estimator, design = Estimator(graph), generate(graph, foldings)
    declared = {}
    text = design.files["network.hpp"]
    for line in text.splitlines():
        if line.startswith("typedef pyqkit::Word<"):
            lanes, kind = line.rsplit(", ", 1)[1].rstrip(";").split("> ")
            declared[kind] = int(lanes)
    streams = {
        part[1]: declared[part[0]]
        for part in (s.split("(")[1].split(", ") for s in text.splitlines() if "PYQKIT_STREAM" in s)
    }
    for name, estimate in estimator.estimate(foldings).items():
        (output,) = next(op.outputs for op in graph.operators if op.name == name)
        assert streams[f"{output}_stream"] == estimate.lanes, name
    # The estimate is of the SystemVerilog, which reads no further, and of pixels that leave one by one.
    ahead = pixels_waiting(graph, ahead=True, foldings=foldings)
    for (tensor, op), words in estimator.fifo_words(foldings).items():
        shape, lanes, waiting = (
            graph.tensors[tensor].shape,
            streams[f"{tensor}_stream"],
            pixels_waiting(graph),
        )
        pixels = ahead[tensor, op] - waiting[tensor, op]
        found = design.fifo_words.get(f"{tensor}_to_{op}", design.fifo_words[f"{tensor}_stream"])
        assert found == words + pixels * shape[2] // lanes and pixels >= 0


def test_cycles_counted_by_hand():
    graph = import_qonnx(residual())
    layers = [op for op in graph.operators if isinstance(op, Convolution)]
    foldings = {op.name: ConvolutionFolding(1, 1) for op in layers}
    found = Estimator(graph).estimate(foldings)
    assert found[layers[0].name].cycles == 36 * 8 * 9 * 2
    assert found[layers[1].name].cycles == 36 * 8 * 9 * 8
    assert found[layers[3].name].cycles == 5 * 8
    kinds = {op.kind: op.name for op in graph.operators}
    assert found[kinds["add"]].cycles == 36 * 8
    assert found[kinds["sum_pool"]].cycles == 36 * 8
    assert found[kinds["max_pool"]].cycles == 36 * 9 * 8  # windows go out while pixels come in
    foldings[layers[1].name] = ConvolutionFolding(4, 2)
    assert Estimator(graph).estimate(foldings)[layers[1].name].cycles == 36 * 8 * 9 * 8 // 8
    # Now its input, in words of one code, is slower than the products.
    foldings[layers[3].name] = ConvolutionFolding(5, 8)
    assert Estimator(graph).estimate(foldings)[layers[3].name].cycles == 8


@pytest.mark.parametrize("which", range(0, 64, 7))
def test_cycles_are_those_of_the_blocks_in_systemverilog(graph, which):
    foldings = {
        name: choices(graph, op)[which * 5 % len(choices(graph, op))]
        for which, (name, op) in enumerate(convolutions(graph).items(), which)
    }
    found, blocks = Estimator(graph).estimate(foldings), rtl.generate(graph, foldings).cycles()
    assert {name: e.cycles for name, e in found.items() if name in blocks} == {
        n: c for n, c in blocks.items() if n in found
    }
    assert Estimator(graph).interval(foldings) == max(blocks.values())


def test_interval_is_the_slowest_operator_and_latency_is_longer(graph):
    estimator = Estimator(graph)
    foldings = foldings_of(graph, 1)
    found = estimator.estimate(foldings)
    assert estimator.interval(foldings) == max(e.cycles for e in found.values())
    assert (
        estimator.interval(foldings)
        < rtl.generate(graph, foldings).latency
        <= sum(e.cycles for e in found.values()) + estimator.interval(foldings)
    )


@pytest.mark.parametrize("which", [0, 1, -1])
def test_ends_are_the_blocks_of_the_design_that_no_operator_owns(graph, which):
    foldings: dict[str, Folding] = dict(foldings_of(graph, which))
    if which == -1:
        foldings |= {input_port(0): EndFolding(1), output_reader(0): EndFolding(1)}
    design, wanted, kinds = rtl.generate(graph, foldings), Resources(), []
    operators = {op.name for op in graph.operators}
    for block in design.blocks:
        if isinstance(block, Fifo) and block.edge[1] not in operators:
            wanted += fifo(block.outputs[0].width, design.fifos[block.edge])
            continue
        modules = [part.module for part in block.parts]
        if modules == ["fork_stream"] or block.owner not in {*operators, *graph.tensors}:
            wanted += of_parts(block.parts)
            kinds += modules
    assert {"from_axis", "frame_end", "fork_stream", "to_axis"} <= set(kinds)
    assert vars(Estimator(graph).ends(foldings)) == pytest.approx(vars(wanted)) and wanted.lut_low > 20


def test_total_is_the_sum_of_operators_and_ends(graph):
    estimator, foldings = Estimator(graph), foldings_of(graph, 1)
    parts = [*estimator.resources(foldings).values(), estimator.ends(foldings)]
    assert estimator.total(foldings).lut_low == pytest.approx(sum(r.lut_low for r in parts))
    assert estimator.total(foldings).bram36 == sum(r.bram36 for r in parts)


def test_more_parallel_layers_take_more_and_wait_less(graph):
    search = Search(Estimator(graph))
    slow, fast = search.fold_for(10**9), search.fastest()
    assert search.estimator.total(slow).lut_low < search.estimator.total(fast).lut_low
    assert search.estimator.interval(slow) > search.estimator.interval(fast)


def test_an_operator_without_estimate_is_named():
    class Strange(Operator):
        kind = "strange"

        def infer(self, inputs: list[Tensor]) -> list[Tensor]:
            return [Tensor("out", inputs[0].shape, inputs[0].format, inputs[0].low, inputs[0].high)]

    graph = import_qonnx(residual())
    graph.add(Strange("strange", [graph.outputs[0].tensor], ["out"]))
    with pytest.raises(
        TypeError, match="no estimate for operator strange; add a rule to pyqkit/hardware/operators"
    ):
        Estimator(graph).estimate({})


@pytest.mark.parametrize("pe", [1, 4])
def test_joins_of_pixels_with_more_words_than_a_shallow_fifo_do_not_starve(pe):
    b = Builder(2, 6, 6)
    y = b.quantise(b.conv(b.quantise("x", "int4", 0.25), "e2m1", 64, 2), "e2m1", 0.5)
    z = b.quantise(b.conv(b.quantise(b.conv(y, "e2m1", 64, 64), "e2m1", 2.0), "e2m1", 64, 64), "e2m1", 0.5)
    graph = import_qonnx(b.model(b.quantise(b.node("Add", y, z), "int4", 0.5)))
    foldings = {op.name: ConvolutionFolding(pe, 1) for op in graph.operators if isinstance(op, Convolution)}
    (port,) = graph.inputs
    codes = {
        port.tensor: np.random.default_rng(0).choice(graph.tensors[port.tensor].format.codes, (2, 6, 6, 2))
    }
    for name, values in HlsEngine(graph, foldings).run(codes).items():
        np.testing.assert_array_equal(values, ExactEngine(graph).run(codes)[name])
