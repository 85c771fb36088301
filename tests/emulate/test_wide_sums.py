"""Residual sums of more than 32 bits with their requantiser: engine `exact` and the definition agree."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from tests.emulate.networks import Net


@pytest.mark.parametrize("fmt", ["lp8_1_2", "lp4_0_3", "int4", "e2m1"])
def test_sums_of_a_convolution_and_codes(fmt: str) -> None:
    """Codes of a Logarithmic Posit are no integers, although their carrier is as narrow."""
    net = Net(parse(fmt), parse(fmt), shape=(5, 4, 6))
    factors = np.array([[3564725385] * 6, [175921860444] * 6])
    net.add(Add("sum", [net.conv("conv", "x", 6), "x"], ["sum"], factors))
    net.finish(net.threshold("y", "sum"))
    assert net.graph.tensors["sum"].high.bit_length() > 32
    found = ExactEngine(net.graph).run(net.codes)
    np.testing.assert_array_equal(found["y"], net.values["y"])
