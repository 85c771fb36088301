"""Search for foldings, folding files, and what is said when a rate or a file cannot be had."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pyqkit import boards
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware import folding
from pyqkit.hardware.folding_types import Folding
from pyqkit.hardware.survey import Survey
from tests.small_networks import mixed_layout, residual


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_qonnx(residual())


def layers(graph: Graph) -> dict[str, Convolution]:
    return {op.name: op for op in graph.operators if isinstance(op, Convolution)}


def test_choices_are_all_divisors_least_parallel_first(graph):
    found = folding.choices(list(layers(graph).values())[1])
    assert {(f.pe, f.simd) for f in found} == {(p, s) for p in (1, 2, 4, 8) for s in (1, 2, 4, 8)}
    assert found[0] == Folding(1, 1) and found[-1] == Folding(8, 8)
    assert [f.pe * f.simd for f in found] == sorted(f.pe * f.simd for f in found)


def test_rates_are_met_with_no_more_than_needed(graph):
    board, survey = boards.load("ZCU104"), Survey(graph)
    parallel = []
    for rate in (1_000, 10_000, 50_000, 200_000):
        found = folding.find(graph, board, 100.0, rate)
        assert survey.interval(found) <= 100e6 / rate
        for name, op in layers(graph).items():
            options = folding.choices(op)
            index = options.index(found[name])
            narrower = [o for o in options[:index] if o.pe <= found[name].pe and o.simd <= found[name].simd]
            assert all(survey.interval({**found, name: o}) > 100e6 / rate for o in narrower), (name, rate)
        parallel.append(sum(f.pe * f.simd for f in found.values()))
    assert parallel == sorted(parallel) and parallel[0] == 4 < parallel[-1]


def test_without_a_rate_the_fastest_within_the_share_is_found(graph):
    board, survey = boards.load("ZCU104"), Survey(graph)
    tight = replace(board, resources={**board.resources, "lut": 20_000})
    found = folding.find(graph, tight, 100.0, None)
    assert survey.total(found).lut_high <= 0.7 * 20_000
    faster = folding.Search(survey).fold_for(survey.interval(found) - 1)
    assert survey.interval(faster) == survey.interval(found) or survey.total(faster).lut_high > 0.7 * 20_000
    assert survey.interval(folding.find(graph, board, 100.0, None)) < survey.interval(found)


def test_words_are_widened_where_a_pool_is_the_slowest():
    graph = import_qonnx(residual())
    pool = next(op.name for op in graph.operators if op.kind == "max_pool")
    search = folding.Search(Survey(graph))
    found = search.fold_for(500)
    assert search.survey.estimate(found)[pool].cycles == (36 * 8 + 36 * 9 * 8) // 8


@pytest.mark.parametrize("network", [residual, mixed_layout])
def test_an_impossible_rate_names_the_fastest_and_what_limits_it(network):
    graph = import_qonnx(network())
    board = boards.load("ZCU104")
    fastest = Survey(graph).interval(folding.Search(Survey(graph)).fold_for(1))
    with pytest.raises(UserError) as caught:
        folding.find(graph, board, 100.0, 1e9)
    assert str(caught.value).startswith(
        "a rate that ZCU104 reaches was expected, but 1e+09 frames/s came; at 100 MHz the fastest is "
        f"{1e8 / fastest:.0f} frames/s (estimated), where the parallelism of "
    )
    assert str(caught.value).endswith(" ends first; ask for less or take a larger board")


def test_the_resource_that_ends_first_is_named(graph):
    board = boards.load("ZCU104")
    tight = replace(board, resources={**board.resources, "lut": 9_000})
    with pytest.raises(UserError, match="where LUT ends first; ask for less or take a larger board$"):
        folding.find(graph, tight, 100.0, 100_000)
    tiny = replace(board, resources={**board.resources, "ff": 10})
    with pytest.raises(
        UserError, match="5 frames/s came, and the network exceeds the board's FF \\(estimated\\) at any rate; take a larger board$"
    ):
        folding.find(graph, tiny, 100.0, 5)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_rates_are_positive(graph, rate):
    with pytest.raises(UserError, match=f"^a positive rate was expected, but {rate:g} frames/s came; ask for at least 1$"):
        folding.find(graph, boards.load("ZCU104"), 100.0, rate)


def test_a_file_round_trips_and_leaves_missing_layers_unfolded(graph, tmp_path):
    names = list(layers(graph))
    wanted = {names[1]: Folding(4, 2)}
    (tmp_path / "fold.json").write_text(json.dumps(folding.to_json(wanted)))
    found = folding.read(tmp_path / "fold.json", graph)
    assert found == {name: wanted.get(name, Folding()) for name in names}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "a folding file in JSON was expected, but PATH cannot be read (Expecting property name enclosed in double quotes: line 1 column 2 "
              "(char 1)); 'pyqkit report --json' lists the layers"),
        ("[1]", "an object of layers was expected in PATH, but a list came; write {'layer': {'pe': 1, 'simd': 1}}"),
        ('{"none": {"pe": 1, "simd": 1}}', "foldings of layers were expected in PATH, but 'none' is no layer; layers are LAYERS"),
        ('{"SECOND": {"pe": 2}}', "whole numbers pe and simd were expected for 'SECOND' in PATH, but {\"pe\": 2} came; give both"),
        ('{"SECOND": {"pe": 2.0, "simd": 1}}',
         "whole numbers pe and simd were expected for 'SECOND' in PATH, but {\"pe\": 2.0, \"simd\": 1} came; give both"),
        ('{"SECOND": {"pe": 3, "simd": 1}}', "a PE that divides 8 was expected for SECOND, but 3 came; choose a divisor"),
        ('{"SECOND": {"pe": 1, "simd": 0}}', "a SIMD that divides 8 was expected for SECOND, but 0 came; choose a divisor"),
    ],
)  # fmt: skip
def test_bad_files_are_one_sentence(graph, tmp_path, text, sentence):
    names = list(layers(graph))
    path = tmp_path / "fold.json"
    path.write_text(text.replace("SECOND", names[1]))
    expected = sentence.replace("PATH", str(path)).replace("SECOND", names[1]).replace("LAYERS", ", ".join(names))
    with pytest.raises(UserError) as caught:
        folding.read(path, graph)
    assert str(caught.value) == expected
