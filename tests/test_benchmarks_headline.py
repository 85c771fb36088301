"""The committed results of the headline designs.

They hold what they claim, and today's generator still makes those designs.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("PYQKIT_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "benchmarks" / "results" / "headline"
sys.path.insert(0, str(ROOT / "benchmarks"))

import headline
import headline_networks as networks

from pyqkit import boards
from pyqkit.graph.graph import Graph
from pyqkit.graph.importer import import_qonnx
from pyqkit.hardware import folding
from pyqkit.hardware.estimator import Estimator
from pyqkit.quant import export_qonnx

DESIGNS = sorted(path.stem for path in RESULTS.glob("*.json"))


def result(design: str) -> dict:
    return json.loads((RESULTS / f"{design}.json").read_text())


def graph(network: str, folder: Path) -> Graph:
    """A network from the committed weights; of a published file it is left to who has that."""
    if network == "palquant":
        module, frames, _ = networks.palquant_network()
        return import_qonnx(export_qonnx(module, torch.from_numpy(frames[:1]), folder / "network.onnx"))
    if network == "mlp":
        module, example = networks.mlp_network(), np.zeros((1, networks.WIDTHS[0]), np.float32)
    elif network == "resnet8" and (DATA / "resnet8_mlperftiny_cifar10.npz").is_file():
        module, example = networks.resnet8_network(DATA), np.zeros((1, 3, 32, 32), np.float32)
    else:
        pytest.skip(f"no data of {network} in {DATA}; set PYQKIT_DATA to the folder")
    networks.load(module, networks.FILES[network])
    return import_qonnx(export_qonnx(module, torch.from_numpy(example), folder / "network.onnx"))


@pytest.mark.parametrize("design", DESIGNS)
def test_results_hold_what_they_claim(design):
    found = result(design)
    assert found["wanted"] == json.loads(json.dumps(asdict(headline.DESIGNS[design])))
    assert "before place and route; not run on a board" in found["label"]
    simulated = found["simulated"]
    assert simulated["codes_differing"] == 0
    clock = found["wanted"]["clock_mhz"]
    assert clock in boards.load(headline.BOARD).clocks["reachable_mhz"]
    assert simulated["frames_per_second"] == round(clock * 1e6 / simulated["interval"], 1)
    assert f"resources {'synthesised' if 'synthesised' in found else 'estimated'}," in found["label"]
    if "synthesised" in found:
        total, blocks = found["synthesised"], found["blocks"].values()
        assert total["lut_high"] == sum(block["lut_high"] for block in blocks)
        assert total["ns"] == max(block["ns"] for block in blocks)


@pytest.mark.parametrize("design", DESIGNS)
def test_what_a_design_falls_short_of_is_in_the_table(design):
    (row,) = [line for line in RESULTS.with_suffix(".md").read_text().splitlines() if f"| {design} |" in line]
    found = result(design)
    assert row.endswith(f"| {'; '.join(headline.misses(found)) or 'nothing'} |")
    cells = [cell.strip() for cell in row.split("|")]
    mhz = float(cells[3])
    assert cells[5] == f"{mhz * 1e6 / found['simulated']['interval']:,.0f}"
    assert mhz in boards.load(headline.BOARD).clocks["reachable_mhz"]
    if "synthesised" in found:
        assert mhz <= 0.9 * found["synthesised"]["logic_mhz"]


@pytest.mark.parametrize("design", DESIGNS)
def test_the_design_takes_the_cycles_that_were_simulated(design, tmp_path):
    found = result(design)
    network = graph(found["wanted"]["network"], tmp_path)
    foldings = folding.from_json(found["folding"], network, design)
    assert Estimator(network, found["clock_mhz"]).interval(foldings) == found["simulated"]["interval"]
    assert sum(op.macs(network.input_tensors(op)) for op in network.operators) == found["macs"]
