"""Networks in blocks: where blocks round nothing, constants behind them make the same codes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import block_networks

from pyqkit.formats import Integer
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.requantise import Rescale
from tests.array.block_layers import convolution, net
from tests.emulate.networks import Net


def network(integers: np.ndarray) -> Net:
    """Convolutions in blocks before a requantiser, one with a sum between."""
    made = net(Integer(16), (4, 3, 8))
    made.codes["x"] = made.values["x"] = Integer(16).from_integers(integers)
    for name in ("alone", "summed"):
        sums = convolution(made, f"{name}_sums", "x", 8, 4, kernel=3)
        if name == "summed":
            sums = made.add(Add("both", ["x", sums], ["both"], np.array([[3] * 8, [1] * 8])))
        made.add(Rescale(name, [sums], [name], Integer(16), np.full(8, 3), np.arange(8) - 4, 9, relu=True))
    made.finish("alone", "summed")
    return made


def test_blocks_that_hold_every_number_change_no_code() -> None:
    exact = network(2 * np.random.default_rng(0).integers(-127, 128, (3, 4, 3, 8)))
    found = block_networks.microscaled(exact.graph).execute(exact.codes)
    for name in ("alone", "summed"):
        np.testing.assert_array_equal(found[name], exact.values[name])
        assert len(np.unique(found[name])) > 20


def test_wider_numbers_are_rounded() -> None:
    """Negative control: the blocks are there."""
    wide = network(np.random.default_rng(0).integers(-32767, 32768, (3, 4, 3, 8)))
    found = block_networks.microscaled(wide.graph).execute(wide.codes)
    for name in ("alone", "summed"):
        assert (found[name] != wide.values[name]).any(), name
