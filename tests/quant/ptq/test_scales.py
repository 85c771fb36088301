"""Scales: what each way of finding them promises."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pyqkit.formats import parse
from pyqkit.quant.ptq.scales import scales

NAMES = pytest.mark.parametrize("name", ["int4", "e2m1", "ue2m2", "e3m2", "lp4_0_3", "lp8_1_3", "odd2"])


def rows(name: str, outlier: float = 1.0) -> torch.Tensor:
    """Eight channels of normal numbers, one of them large; no negative ones for unsigned formats."""
    numbers = (
        torch.randn(8, 288, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 1, 8)[:, None]
    )
    numbers[:, 0] *= outlier
    return numbers.abs() if name.startswith("u") else numbers


def errors(numbers: torch.Tensor, name: str, scale: torch.Tensor) -> np.ndarray:
    fmt, x = parse(name), numbers.double().numpy()
    by = scale.double().numpy()[:, None]
    return ((fmt.quantise(x / by) * by - x) ** 2).sum(1)


@NAMES
@pytest.mark.parametrize("outlier", [1.0, 16.0])
def test_no_power_of_two_has_a_smaller_error(name: str, outlier: float) -> None:
    numbers = rows(name, outlier)
    found = scales(numbers, parse(name), "mse", power_of_two=True)
    np.testing.assert_array_equal(torch.log2(found), torch.log2(found).round())
    every = [errors(numbers, name, torch.full((8,), 2.0**k)) for k in range(-24, 8)]
    assert (errors(numbers, name, found) <= np.min(every, axis=0) * (1 + 1e-5)).all()


@NAMES
def test_real_scales_have_no_larger_error(name: str) -> None:
    numbers = rows(name, 4.0)
    real, power, largest = (
        errors(numbers, name, scales(numbers, parse(name), how, power_of_two=power))
        for how, power in (("mse", False), ("mse", True), ("max", False))
    )
    assert (real <= power).all() and (real <= largest * (1 + 1e-5)).all()
    assert real.sum() < power.sum()


@NAMES
def test_the_largest_number_fits(name: str) -> None:
    numbers, fmt = rows(name, 4.0), parse(name)
    for power in (False, True):
        found = scales(numbers, fmt, "max", power_of_two=power, may_saturate=False)
        assert (numbers.abs().amax(1) <= found * fmt.maximum * (1 + 1e-6)).all()


def test_a_percentile_leaves_out_what_is_rare() -> None:
    numbers = torch.cat([torch.linspace(0, 1, 1000), torch.tensor([1000.0])])[None]
    found = scales(numbers, parse("int8"), "percentile", power_of_two=False, percentile=99.9)
    assert float(found) * 127 == pytest.approx(1.0)
    assert float(
        scales(numbers, parse("int8"), "percentile", False, percentile=100.0)
    ) * 127 == pytest.approx(1000)


@pytest.mark.parametrize("how", ["max", "percentile", "mse"])
def test_channels_of_zeros_have_the_scale_of_others(how: str) -> None:
    numbers = rows("e2m1")
    numbers[3] = 0
    found = scales(numbers, parse("e2m1"), how, power_of_two=True)
    assert float(found[3]) == float(found.max()) > 0
    assert scales(torch.zeros(2, 4), parse("e2m1"), how, power_of_two=True).tolist() == [1.0, 1.0]
