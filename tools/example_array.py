"""Write the array that comes with the package: overlays/lpa8x8 for emulated boards, and two networks for it.

Both are small networks on scikit-learn's digits, in Logarithmic Posits: weights of 4 bits, and of 2.
"""

from __future__ import annotations

import shutil
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pyqkit import boards
from pyqkit.array.compiler import fitted
from pyqkit.array.machine import named
from pyqkit.compiled import encode
from pyqkit.compiler import read_graph
from pyqkit.emulate.array import network
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import Graph
from pyqkit.overlay import array, emulated
from pyqkit.quant import calibrate
from pyqkit.studies.datasets import digits
from pyqkit.studies.networks.digits import Layers
from pyqkit.studies.trainer import Recipe, batches, one_thread, train

ROOT = Path(__file__).parent.parent
BOARDS = ("ZCU104", "PYNQ-Z2")
ARRAY, ACTIVATIONS = "lpa8x8", "lp8_1_2"
WEIGHTS = {"digits_w4": "lp4_0_3", "digits_w2": "lp2_0_1"}  # network to format
FLOAT, QUANTISED = Recipe(20, 64, 3e-3), Recipe(8, 64, 1e-3)


def small(weights: str, quantised: bool) -> nn.Module:
    """Three convolutions and a classifier; float without quantisers."""
    layers, channels = Layers(quantised), (1, 16, 24, 32)
    parts: dict[str, nn.Module] = {"image": layers.identity(ACTIVATIONS)}
    for index, (given, made) in enumerate(pairwise(channels)):
        parts |= {
            f"conv{index}": layers.conv(given, made, 3, weights, stride=1 + (index > 0)),
            f"norm{index}": nn.BatchNorm2d(made),
            f"relu{index}": layers.relu(ACTIVATIONS),
        }
    parts |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    parts |= {"features": layers.identity(ACTIVATIONS), "classifier": layers.linear(32, 10, weights)}
    return nn.Sequential(OrderedDict(parts))


def write_overlays(name: str) -> None:
    """Of an array, for emulated boards."""
    target = ROOT / "overlays" / name / f"{name}.bit.d"
    shutil.rmtree(target, ignore_errors=True)
    for board in BOARDS:
        planned = array.plan(named(name), boards.load(board), f"{name}.{board}")
        print(emulated.write_planned(planned, target))


def main() -> None:
    x, y, x_test, y_test = digits(0)
    machine = named(ARRAY)
    for name, weights in WEIGHTS.items():
        torch.manual_seed(0)
        plain, model = small(weights, False), small(weights, True)
        with one_thread():
            train(plain, x, y, FLOAT, 0)
            model.load_state_dict(plain.state_dict(), strict=False)
            calibrate(model, batches(x)[:4])
            train(model, x, y, QUANTISED, 1)
        graph, rounded = fitted(read_graph(model, torch.from_numpy(x[:1]))[0], machine)
        network(graph, machine).save(ROOT / "notebooks" / "board" / f"{name}.zip", force=True)
        right = (_scores(graph, x_test).argmax(axis=1) == y_test).mean()
        print(f"{name}: {right:.1%} of {len(x_test)} test images right (engine exact); rounded: {rounded}")
    write_overlays(ARRAY)


def _scores(graph: Graph, x: np.ndarray) -> np.ndarray:
    (found,) = graph.decode(ExactEngine(graph).run(encode(graph, x))).values()
    return found


if __name__ == "__main__":
    main()
