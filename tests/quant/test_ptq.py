"""Post-training methods and the search for scales."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import brevitas.nn as qnn

from pyqkit.formats import parse
from pyqkit.quant import (
    correct_bias,
    gptq,
    weight_quantizer,
)
from tests.quant.test_quantisers import made


@pytest.mark.parametrize("name", ["e2m1", "int4", "lp4_0_3", "odd2", "toy3"])
def test_post_training_methods(name: str) -> None:
    net, x = made(name, "uint4")
    before = net.conv2.weight.detach().clone()
    gptq(net, [x])
    assert not torch.equal(before, net.conv2.weight)
    bias = net.conv2.bias.detach().clone()
    correct_bias(net, [x])
    assert not torch.equal(bias, net.conv2.bias)


@pytest.mark.parametrize("name", ["e2m1", "int4", "lp4_0_3"])
def test_scale_search_lowers_the_error(name: str) -> None:
    errors = []
    for search in ("max", "mse"):
        torch.manual_seed(1)
        layer = qnn.QuantLinear(
            256, 16, bias=False, weight_quant=weight_quantizer(name, scale_search=search, scaling="float")
        )
        errors.append(float(((layer.quant_weight().value - layer.weight) ** 2).mean()))
    assert errors[1] <= errors[0]


@pytest.mark.parametrize("name", ["e2m1", "int4", "lp4_0_3", "e4m3"])
@pytest.mark.parametrize("outlier", [1.0, 4.0, 16.0])
def test_scale_search_finds_the_best_power_of_two(name: str, outlier: float) -> None:
    torch.manual_seed(0)
    layer = qnn.QuantLinear(144, 8, bias=False, weight_quant=weight_quantizer(name, scale_search="mse"))
    with torch.no_grad():
        layer.weight.copy_(torch.randn(8, 144) * 0.1)
        layer.weight[:, 0] *= outlier
        found = ((layer.quant_weight().value - layer.weight) ** 2).sum(1).double().numpy()
    weights, fmt = layer.weight.detach().double().numpy(), parse(name)
    rounded = [fmt.decode(fmt.encode(weights / 2.0**k)) * 2.0**k for k in range(-14, 4)]
    best = np.min([((r - weights) ** 2).sum(1) for r in rounded], axis=0)
    assert (found <= best * (1 + 1e-5)).all()  # float32 sums


def test_largest_weights_do_not_clip_to_half() -> None:
    # a power of two below the largest weight would clip it to as little as 1 / sqrt(2) of itself
    for name in ("int8", "e4m3", "lp8_1_3"):
        layer = qnn.QuantLinear(1, 16, bias=False, weight_quant=weight_quantizer(name))
        with torch.no_grad():
            layer.weight.copy_(torch.linspace(1, 2, 17)[:16, None])
            lost = 1 - layer.quant_weight().value / layer.weight
        assert float(lost.max()) < 0.1
