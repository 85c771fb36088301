"""The resource model against what Yosys made of its library of blocks and of whole networks, and a sample
measured anew.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import cost_table
import resources as benchmark

from pyqkit.formats import parse
from pyqkit.hardware.resources import PRIOR, Resources, fifo, of_parts
from pyqkit.rtl.features import features, ram, rom
from pyqkit.rtl.generate import generate
from pyqkit.rtl.parts import Part
from pyqkit.rtl.products import product_block
from pyqkit.rtl.synthesis import synthesise
from tests.emulate.networks import everything
from tests.rtl.bench import needs_yosys

MODEL = benchmark.MODEL
MEASURED = json.loads(benchmark.MEASURED.read_text())["blocks"]


def predicted(row: dict) -> Resources:
    return of_parts(Part(*part) for part in row["parts"])


def test_library_is_met():
    """Half of the blocks within 5 % for every figure, nine in ten within 20 %."""
    for figure in PRIOR:
        errors = []
        for row in MEASURED:
            memory = row["found"]["lutram"] if figure.startswith("lut") else 0
            wanted = row["found"][figure] + memory
            if wanted >= benchmark.SMALL:
                errors.append(abs(getattr(predicted(row), figure) - wanted) / wanted)
        print(f"{figure}: {len(errors)} blocks, median {np.median(errors):.1%}, worst {max(errors):.1%}")
        assert np.median(errors) < 0.05 and np.quantile(errors, 0.9) < 0.2, figure


def test_memories_go_where_yosys_puts_them():
    wrong = [
        row["parts"][0]
        for row in MEASURED
        if (row["found"]["ramb18"] / 2 + row["found"]["ramb36"]) != predicted(row).bram36
    ]
    assert len(wrong) <= 0.05 * len(MEASURED), wrong
    assert sum(row["found"]["ramb36"] + row["found"]["ramb18"] > 0 for row in MEASURED) >= 5
    assert rom(8, 64) == {"flip-flops": 8, "constants": 8}
    assert rom(8, 2048) == {"half blocks": 1}
    assert rom(72, 512) == {"half blocks": 2}
    assert rom(4, 1) == {}
    assert ram(6, 32)["memory LUTs"] == 4 and ram(3, 64)["memory LUTs"] == 4
    assert ram(8, 2048) == {"half blocks": 1}


def test_model_is_the_fit_to_the_measurements(tmp_path, monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.setattr(benchmark, "MODEL", tmp_path / "model.json")
    benchmark.fit()
    fitted, kept = json.loads((tmp_path / "model.json").read_text()), json.loads(MODEL.read_text())
    for figure in PRIOR:
        assert fitted[figure] == pytest.approx(kept[figure], abs=2e-3), "run benchmarks/resources.py fit"


def test_the_page_is_of_what_was_measured():
    done = json.loads(benchmark.RESULTS.read_text())["networks"]
    assert (ROOT / "docs" / "resources.md").read_text() == benchmark.page(done)


def test_whole_networks_are_met():
    """None of them is in the library. Median error of at most 10 % for every figure that is estimated."""
    done = json.loads(benchmark.RESULTS.read_text())["networks"]
    assert len(done) >= 3
    for name, figure, error in benchmark.errors(done):
        print(f"{name}: {figure} {error:+.1%}")
    for figure in PRIOR:
        off = [abs(error) for _, name, error in benchmark.errors(done) if name == figure]
        assert np.median(off) < 0.10 and max(off) < 0.25, figure


def test_every_module_of_a_design_is_known():
    for name in ("e2m1", "int4", "lp4_0_3"):
        for block in generate(everything(name).graph).blocks:
            for part in block.parts:
                features(part.module, {k: v for k, v in part.parameters.items() if isinstance(v, int)})


def test_products_rank_as_measured():
    def luts(name: str) -> float:
        block = product_block(parse(name), parse(name))
        return of_parts([Part(block.module, block.parameters)]).lut_low

    assert luts("int2") < luts("int4") < luts("int8") < luts("e4m3")
    assert luts("e2m1") < luts("e3m2") < luts("e4m3")
    assert luts("lp4_0_3") < luts("lp8_1_3")


def test_deep_fifos_go_to_blocks():
    assert fifo(8, 32).bram36 == 0
    assert fifo(8, 2000).bram36 == 0.5
    assert fifo(64, 1024).bram36 == 2
    assert fifo(8, 33).lut_low > fifo(8, 3).lut_low


def test_rounding_is_upwards():
    rounded = Resources(1.1, 2.5, 3.0, 1.5, 0.2, 0.1).rounded()
    assert rounded == {"lut_low": 2, "lut_high": 3, "ff": 3, "bram36": 1.5, "dsp": 1, "carry4": 1}
    assert Resources(1, 2) * 3 + Resources(1) == Resources(4, 6)


@needs_yosys
def test_a_sample_measured_anew_is_what_was_committed(tmp_path):
    """Whatever changed in a block or in Yosys shows here."""
    sample = benchmark.sample()
    assert {row["parts"][0][0] for row, _ in sample} >= {"from_axis", "matrix_vector", "to_axis"}
    results = synthesise([circuit for _, circuit in sample], benchmark.sources(), cache=tmp_path)
    assert [asdict(now) for now in results] == [row["found"] for row, _ in sample], (
        "run benchmarks/resources.py"
    )


@needs_yosys
def test_arithmetic_measured_anew_is_what_was_committed(tmp_path):
    formats = json.loads(benchmark.COST.read_text())["formats"]
    sample = [
        (formats[name]["mac"][variant], c)
        for name in ("int4", "e2m1", "lp4_0_3")
        for kind, variant, c in cost_table.circuits(name)
        if kind == "mac"
    ]
    results = synthesise([circuit for _, circuit in sample], benchmark.sources(), cache=tmp_path)
    assert [asdict(now) for now in results] == [found for found, _ in sample], "run benchmarks/cost_table.py"
