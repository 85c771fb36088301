"""The committed results of the headline designs.

They hold what they claim, and today's generator still makes those designs.
"""

from __future__ import annotations

import json
import os
import sys
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
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hardware.estimator import Estimator
from pyqkit.quant import export_qonnx

DESIGNS = sorted(path.stem for path in RESULTS.glob("*.json"))


def result(design: str) -> dict:
    return json.loads((RESULTS / f"{design}.json").read_text())


def graph(design: str, folder: Path) -> Graph:
    """The design's graph, from the committed weights."""
    if design == "mlp":
        network, example = networks.mlp_network(), np.zeros((1, networks.WIDTHS[0]), np.float32)
    else:
        if not (DATA / "resnet8_mlperftiny_cifar10.npz").is_file():
            pytest.skip(f"no evaluation data in {DATA}; set PYQKIT_DATA to the folder")
        network, example = networks.resnet8_network(DATA), np.zeros((1, 3, 32, 32), np.float32)
    networks.load(network, networks.FILES[design])
    return import_qonnx(export_qonnx(network, torch.from_numpy(example), folder / "network.onnx"))


@pytest.mark.parametrize("design", DESIGNS)
def test_results_hold_what_they_claim(design):
    found = result(design)
    assert not headline.misses(found)
    assert "before place and route; not run on a board" in found["label"]
    assert found["simulated"]["codes_differing"] == 0
    assert (
        found["simulated"]["frames_per_second"]
        == round(100e6 / found["simulated"]["interval"], 1)
        > headline.PUBLISHED[design]
    )
    assert f"resources {'synthesised' if 'synthesised' in found else 'estimated'}," in found["label"]
    if "synthesised" in found:
        total, has = found["synthesised"], boards.load("PYNQ-Z2").resources["lut"]
        assert total["lut_high"] == sum(block["lut_high"] for block in found["blocks"].values())
        assert total["lut_share"] == round(total["lut_with_memory"][1] / has, 3) <= 0.8


@pytest.mark.parametrize("design", DESIGNS)
def test_the_design_takes_the_cycles_that_were_simulated(design, tmp_path):
    found = result(design)
    network = graph(design, tmp_path)
    foldings = {name: ConvolutionFolding(*folding) for name, folding in found["folding"].items()}
    assert Estimator(network).interval(foldings) == found["simulated"]["interval"]
    assert sum(op.macs(network.input_tensors(op)) for op in network.operators) == found["macs"]
