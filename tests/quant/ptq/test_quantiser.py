"""Rounding is that of the format, to the last bit, by whichever way it is computed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.minifloat import Minifloat
from pyqkit.quant.ptq.quantiser import Quantiser, nearest

FORMATS = [
    *(fmt for fmt in Minifloat.examples() if fmt.maximum < 2.0**100),
    *map(parse, ("int4", "uint4", "int8narrow", "int12", "uint8z128", "lp4_0_3", "lp8_1_3", "odd2")),
]


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_equals_the_definition(fmt: NumberFormat) -> None:
    limits = fmt.limits(np.float32)
    around = [limits, np.nextafter(limits, np.float32(-np.inf)), np.nextafter(limits, np.float32(np.inf))]
    random = np.random.default_rng(0)
    spread = random.standard_normal(4000) * 2.0 ** random.uniform(-12, 12, 4000)
    x = np.concatenate([*around, fmt.values, spread, [0.0, -0.0, np.inf, -np.inf]]).astype(np.float32)
    rounded = nearest(fmt)(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(rounded, fmt.quantise(x).astype(np.float32))


@pytest.mark.parametrize("name", ["e2m1", "int4", "lp4_0_3"])
def test_gradient_passes_inside_the_range_alone(name: str) -> None:
    quantiser = Quantiser(parse(name), torch.tensor(0.5))
    edge = 0.5 * float(quantiser.format.maximum)
    x = torch.tensor([0.1, -0.2, edge, 2 * edge, -3 * edge], requires_grad=True)
    quantiser(x).sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 0, 0]


def test_channels_have_scales_of_their_own() -> None:
    quantiser = Quantiser(parse("int4"), torch.tensor([1.0, 0.25])[:, None])
    x = torch.tensor([[0.6, 9.0], [0.6, 9.0]])
    assert quantiser(x).tolist() == [[1.0, 7.0], [0.5, 1.75]]


def test_disabled_and_copied() -> None:
    quantiser = Quantiser(parse("int4"))
    copied = copy.deepcopy(quantiser)
    quantiser.enabled = False
    x = torch.tensor([0.4])
    assert quantiser(x) is x
    assert copied(x).tolist() == [0.0]
    copied.load_state_dict({"scale": torch.tensor(0.25)})
    assert copied(x).tolist() == [0.5]


@pytest.mark.parametrize("name", ["e2m1", "e3m0", "ue2m2", "e5m2", "int4", "int8", "lp4_0_3"])
def test_rounds_alike_with_and_without_gradients(name: str) -> None:
    quantiser = Quantiser(parse(name), torch.tensor(0.3))
    x = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)).mul_(4).transpose(0, 2)
    assert torch.equal(quantiser(x), quantiser(x.clone().requires_grad_()).detach())
