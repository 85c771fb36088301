"""Longest paths by the fitted model: what it is made of, and what `compile` says of a clock out of reach."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import timing_model as benchmark

from pyqkit import boards
from pyqkit.accelerator import Accelerator
from pyqkit.compiled import Compiled
from pyqkit.graph.importer import import_qonnx
from pyqkit.hardware import clock, folding
from pyqkit.hardware.clock import Line, block_ns, features
from pyqkit.report import build
from pyqkit.rtl.parts import Part
from tests.small_networks import residual

MODEL = json.loads(benchmark.MODEL.read_text())


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Line]:
    made = {
        "fifo": Line(2.0, {"fifo: WIDTH": 0.5, "fifo": 0.1}, 3.0, 8.0),
        "matrix_vector": Line(1.0, {"matrix_vector: PRODUCT_STAGES": 4.0, "rom: WIDTH": 1.0}, 1.0, 9.0),
    }
    monkeypatch.setattr(clock, "_lines", lambda: made)
    return made


def test_features_are_logarithms_and_inverse_depths() -> None:
    parts = [Part("fifo", {"WIDTH": 7, "FILE": '"a.hex"', "STAGES": 3}), Part("rom", {"SIMD": 4, "LANES": 4})]
    wanted = {"fifo": 1.0, "fifo: WIDTH": 3.0, "fifo: STAGES": 0.25, "rom": 1.0, "rom: SIMD": np.log2(5)}
    assert features(parts) == pytest.approx(wanted)
    assert "rom: LANES" in features([Part("rom", {"SIMD": 4, "LANES": 2})])


def test_a_block_lies_on_the_line_of_its_first_module(lines: dict[str, Line]) -> None:
    assert block_ns((Part("fifo", {"WIDTH": 7}),)) == pytest.approx(2.0 + 0.1 + 3 * 0.5)
    unit = Part("matrix_vector", {"PRODUCT_STAGES": 1})
    assert block_ns((unit, Part("rom", {"WIDTH": 3}))) == pytest.approx(1.0 + 4 / 2 + 2)
    assert block_ns((Part("fifo", {"WIDTH": 2**60}),)) == pytest.approx(8.0 * 1.25)  # trusted no further
    assert block_ns((Part("never_measured", {}),)) == block_ns(()) == 0


@pytest.fixture(scope="module")
def accelerator() -> Accelerator:
    graph, board = import_qonnx(residual()), boards.load("PYNQ-Z2")
    return Accelerator(Compiled(graph, board, 100.0, folding.find(graph, board, 100.0, 20_000)))


def test_the_slowest_block_limits(lines: dict[str, Line], accelerator: Accelerator) -> None:
    design = accelerator.designs.rtl
    blocks = [parts for _, _, parts in clock._parts(design)]
    assert {parts[0].module for parts in blocks if parts} >= {"fifo", "matrix_vector", "sliding_window"}
    found = clock.slowest(design, accelerator.board)
    assert found.ns == max(map(block_ns, blocks))
    faster = clock.slowest(design, boards.load("ZCU104"))
    assert faster == replace(found, ns=pytest.approx(found.ns * 0.65 * 0.85))


def test_a_clock_out_of_reach_is_named_with_its_block(
    monkeypatch: pytest.MonkeyPatch, accelerator: Accelerator
) -> None:
    monkeypatch.setattr(clock, "_lines", lambda: {"max_pool": Line(10.0, {}, 10.0, 10.0)})
    assert not any("reach" in note for note in build(accelerator.designs).notes)
    monkeypatch.setattr(clock, "_lines", lambda: {"max_pool": Line(10.01, {}, 10.01, 10.01)})
    note, *_ = build(accelerator.designs).notes
    (pool,) = (op.name for op in accelerator.graph.operators if op.kind == "max_pool")
    assert note == (
        f"100 MHz may be out of reach: {pool}_block of {pool} takes 10.0 ns, 100 MHz (estimated by a model "
        "fitted to synthesised blocks); compile with --clock-mhz 99 or less, or have a closer look with "
        "pyqkit report --timing"
    )


def test_the_model_is_the_fit_to_the_measurements() -> None:
    """Lines that were not fitted to a block meet half of them within 10 %, nine in ten within 30 %."""
    fitted = benchmark.fit()
    off, kept = fitted["left_out"], MODEL["left_out"]
    assert off.pop("modules") == pytest.approx(kept["modules"]) and fitted["circuits"] == MODEL["circuits"]
    assert off == pytest.approx({name: kept[name] for name in off})
    for module, line in fitted["modules"].items():
        kept = MODEL["modules"][module]
        assert line["slopes"] == pytest.approx(kept["slopes"], abs=2e-3), "run benchmarks/timing_model.py"
        assert line["base"] == pytest.approx(kept["base"], abs=2e-3)
    assert MODEL["left_out"]["median"] < 0.1 and MODEL["left_out"]["nine_in_ten"] < 0.3
    assert benchmark.sentence(MODEL) in " ".join((ROOT / "docs" / "timing.md").read_text().split())
