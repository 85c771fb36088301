"""Cycles of PalQuant's networks: whole layers, counted products, and the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import palquant_cycles as benchmark
from palquant_layers import SMALL, Layer, Passes

from pyqkit.array import report
from pyqkit.array.compiler import compile_graph

# Products of 2 by 2 bits of the authors' graph, in millions, without stem and head.
COUNTED = {(18, 1): 6782, (18, 2): 3468, (34, 1): 14181, (34, 2): 7168}
RATIOS = {("excluded", 2): 1.956, ("excluded", 3): 1.304, ("excluded", 4): 0.978, ("8 bits", 2): 1.195}


@pytest.mark.parametrize("bits, groups", [(2, 2), (4, 1)])
def test_tiles_come_in_pairs_that_take_equally_long(bits: int, groups: int) -> None:
    layer, found = Layer("second", 9, 64, 64), dict[str, int]()
    graph = Passes(layer, bits, layer.outputs * groups, groups).with_stream()
    for section in report.report(compile_graph(graph, benchmark.MACHINE)).layers:
        name = section.layers[-1]
        found[name] = found.get(name, 0) + section.cycles
    assert found == {part: benchmark.cycles(layer, bits, part, groups * 4) for part in found}


def test_the_page_is_of_the_figures() -> None:
    found = json.loads((FOLDER / "results" / "palquant_cycles.json").read_text())
    page = (FOLDER / "results" / "palquant_cycles.md").read_text()
    assert page == benchmark.page(found["networks"], found["small"])
    for row in found["networks"]:
        depth, groups, ends, own = row["depth"], row["groups"], row["ends"], row["cost"]
        if ends == "excluded" and (depth, groups) in COUNTED:
            assert round(own["products"] / 1e6) == COUNTED[depth, groups]
        if depth == 18 and (ends, groups) in RATIOS and row["bits"] == 2:
            assert row["speed_up"]["products"] == pytest.approx(RATIOS[ends, groups], abs=6e-4)


def test_small_layers_take_the_cycles_of_the_page() -> None:
    found = json.loads((FOLDER / "results" / "palquant_cycles.json").read_text())
    chosen = slice(None, None, 4)
    assert found["small"][chosen] == benchmark.small_layers(chosen)
    assert len(found["small"]) == len(SMALL)
