"""Algorithm 1: against a plain loop over the inverse Hessian, and what it does for a layer's outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pyqkit.errors import UserError
from pyqkit.formats.microscopiq import encode, pack, spread_window, unpack
from pyqkit.quant.microscopiq import Options, microscopiq
from pyqkit.quant.microscopiq.layer import MAX_SWEEPS
from pyqkit.quant.ptq.moments import matched, squared_error


def problem(groups: int = 1, outputs: int = 40, columns: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weights with outliers, and moments of inputs that depend on each other."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(groups, outputs, columns, generator=random, dtype=torch.float64)
    weight *= 1 + 9 * (torch.rand(weight.shape, generator=random) < 0.04)
    x = torch.randn(groups, columns, 4 * columns, generator=random, dtype=torch.float64)
    mixed = torch.randn(groups, columns, columns, generator=random, dtype=torch.float64) @ x + 2 * x
    return weight, mixed @ mixed.mT / x.shape[-1]


def eliminated(weight: np.ndarray, moments: np.ndarray, bits: int) -> np.ndarray:
    """Algorithm 1 without any factor: the inverse Hessian loses a row and a column with every input."""
    window = spread_window(weight.T, bits)
    left, rounded = weight.copy(), np.empty_like(weight)
    damped = moments + 0.01 * np.trace(moments) / len(moments) * np.eye(len(moments))
    for at in range(weight.shape[1]):
        inverse = np.linalg.inv(damped[at:, at:])
        rounded[:, at] = encode(left[:, at][None], bits, window=window)[0].decode()[0]
        error = (left[:, at] - rounded[:, at]) / inverse[0, 0]
        left[:, at:] -= error[:, None] * inverse[0]
    return rounded


@pytest.mark.parametrize("bits", [2, 4])
def test_along_outputs_is_algorithm_1(bits: int) -> None:
    weight, moments = problem()
    found = microscopiq(weight, moments, Options(bits, ordered=False))
    expected = eliminated(weight[0].numpy(), moments[0].numpy(), bits)
    np.testing.assert_array_equal(found.values[0].numpy(), expected)
    assert found.counts.outliers > 5


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("along", ["outputs", "inputs"])
@pytest.mark.parametrize("bits", [2, 4])
def test_compensation_helps_and_the_encoding_is_whole(bits: int, along: str, ordered: bool) -> None:
    for seed in range(1):
        weight, moments = problem(2, 33, 136, seed)
        options = Options(bits, along, ordered=ordered)  # type: ignore[arg-type]
        found = microscopiq(weight, moments, options)
        alone = microscopiq(weight, moments, Options(bits, along, compensate=False))  # type: ignore[arg-type]
        errors = [squared_error(r.values - weight, moments).sum() for r in (found, alone)]
        assert errors[0] < 0.9 * errors[1]
        for rounded in (found, alone):
            tensor = rounded.tensor
            again = unpack(pack(tensor), tensor.shape, bits).decode()
            turned = rounded.values.mT if along == "outputs" else rounded.values
            np.testing.assert_array_equal(again, turned.reshape(tensor.shape).numpy())
            assert rounded.counts.outliers == rounded.tensor.plan.outliers.sum()
            assert rounded.counts.demoted >= 0


def test_along_inputs_prunes_what_the_hessian_allows() -> None:
    weight, _ = problem(1, 64, 128)
    moments = torch.diag(torch.where(torch.arange(128) % 8 == 3, 1e-4, 1.0)).double()[None]
    weight[:, :, 3::8] = weight[:, :, 3::8].clamp(-1, 1)
    found = microscopiq(weight, moments, Options(2, "inputs", damping=0.0))
    plan = found.tensor.plan
    alone = plan.flags & (plan.paired.sum(-1) == 1) & ~np.isin(plan.uppers[..., 0], (3, 3 ^ 5))
    assert (plan.lowers[alone][:, 0] == 3).mean() > 0.95


def test_spread_is_kept_and_clamps_are_counted() -> None:
    weight, moments = problem()
    weight *= 2.0 ** (torch.arange(24) % 12)
    for spread in (7, 2):
        found = microscopiq(weight, moments, Options(4, spread=spread))
        plan = found.tensor.plan
        fine = plan.outlier_exponents[plan.flags] - 4
        both = np.concatenate([plan.inlier_exponents.ravel(), fine])
        assert both.max() - both.min() <= spread
        assert found.counts.clamped > 0
    assert microscopiq(weight, moments, Options(4, spread=30)).counts.clamped == 0


def test_zeros_and_narrow_layers() -> None:
    moments = torch.eye(3, dtype=torch.float64)[None]
    found = microscopiq(torch.zeros(1, 2, 3, dtype=torch.float64), moments, Options())
    assert (found.values == 0).all()
    assert found.tensor.stored_bits == 3 * (8 + 1 + 16)
    found = microscopiq(torch.ones(1, 1, 3, dtype=torch.float64), moments, Options())
    assert (found.values == 1).all()


def test_outputs_of_other_sizes_have_scales() -> None:
    weight, moments = problem()
    powers = torch.arange(40) % 6
    sized = torch.ldexp(weight, -powers[:, None])
    plain, shifted, scaled = (
        microscopiq(sized, moments, Options(4, scaling=scaling)) for scaling in ("none", "shift", "scale")
    )
    assert (plain.scales == 1).all()
    assert [found.scale_bits for found in (plain, shifted, scaled)] == [0, 4 * 40, 16 * 40]
    assert (torch.frexp(shifted.scales).mantissa == 0.5).all()
    assert float(shifted.scales.max()) == 1 and float(shifted.scales.min()) >= 2**-15
    base = microscopiq(weight, moments, Options(4, scaling="shift")).scales
    assert len((torch.ldexp(shifted.scales, powers) / base).unique()) == 1
    assert torch.equal(scaled.scales.half().double(), scaled.scales)
    errors = [
        float((squared_error(r.values - sized, moments) / squared_error(sized, moments)).mean())
        for r in (plain, shifted, scaled)
    ]
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < errors[1]
    for found in (shifted, scaled):
        back = found.values / found.scales[..., None]
        np.testing.assert_array_equal(found.tensor.decode(), back.mT[0].numpy())


@pytest.mark.parametrize("scaling", ["shift", "scale"])
def test_scales_of_zeros_and_of_tiny_outputs(scaling: str) -> None:
    eye = torch.eye(3, dtype=torch.float64)[None]
    options = Options(scaling=scaling)  # type: ignore[arg-type]
    zero = microscopiq(torch.zeros(1, 2, 3, dtype=torch.float64), eye, options)
    assert (zero.values == 0).all() and zero.scale_bits == 0
    weight = torch.tensor([[[1.0, -1.0, 1.0], [1e-9, 1e-9, 1e-9], [0.0, 0.0, 0.0]]], dtype=torch.float64)
    found = microscopiq(weight, eye, options)
    assert (found.scales >= 2**-15).all() and (found.scales <= 2).all()
    assert (found.values[0, 0] != 0).all() and (found.values[0, 2] == 0).all()


@pytest.mark.parametrize("bits", [2, 4])
def test_sweeps_make_up_for_the_errors_of_all_inputs(bits: int) -> None:
    weight, moments = problem(2, 33, 136)
    once, again = (microscopiq(weight, moments, Options(bits, sweeps=sweeps)) for sweeps in (0, 2))
    errors = [float(squared_error(r.values - weight, moments).sum()) for r in (once, again)]
    assert errors[1] < 0.95 * errors[0]
    tensor = again.tensor.checked()
    np.testing.assert_array_equal(unpack(pack(tensor), tensor.shape, bits).decode(), tensor.decode())
    np.testing.assert_array_equal(again.values.mT.reshape(tensor.shape).numpy(), tensor.decode())
    assert again.counts.outliers == tensor.plan.outliers.sum()
    assert again.counts.pruned == tensor.plan.pruned.reshape(len(tensor.codes), -1)[:, :33].sum()


WRONG = (
    {"scaling": "row"},
    {"scaling": []},
    {"bits": 2.0},
    {"sweeps": -1},
    {"sweeps": MAX_SWEEPS + 1},
    {"sweeps": 1, "along": "inputs"},
    {"sweeps": 1, "compensate": False},
)


def test_options_that_are_none() -> None:
    for wrong in ({"bits": 3}, {"along": "rows"}, {"rule": "ceil"}, {"spread": -1}, *WRONG):
        with pytest.raises(UserError, match="expected"):
            Options(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("damping", [-1, float("nan"), float("inf"), "2", None, True])
def test_damping_that_is_none(damping: object) -> None:
    weight, moments = problem()
    with pytest.raises(UserError, match="from 0 was expected as damping, but .* came; take 0.01"):
        microscopiq(weight, moments, Options(damping=damping))  # type: ignore[arg-type]


def test_as_many_sweeps_as_may_be() -> None:
    weight, moments = problem(1, 8, 3)
    found = microscopiq(weight, moments, Options(sweeps=MAX_SWEEPS))
    assert torch.isfinite(found.values).all()
    with pytest.raises(UserError, match=f"from 0 to {MAX_SWEEPS} was expected, but 1000 came; take 0 to 3"):
        Options(sweeps=1000)


NONE = "with an inverse were expected, but those of 24 columns with damping of 0 have none"


@pytest.mark.parametrize("along", ["outputs", "inputs"])
@pytest.mark.parametrize("seed", range(4))
def test_too_few_frames_for_damping_of_0(along: str, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 24, 5, generator=random, dtype=torch.float64)
    weight, moments = problem(seed=seed)[0], x @ x.mT / 5
    with pytest.raises(UserError, match=NONE):
        microscopiq(weight, moments, Options(along=along, damping=0))  # type: ignore[arg-type]
    assert torch.isfinite(microscopiq(weight, moments, Options(along=along)).values).all()  # type: ignore


def test_an_input_that_is_always_zero_and_damping_of_0() -> None:
    weight, moments = problem()
    moments[:, 3], moments[:, :, 3] = 0, 0
    for method in (
        lambda: microscopiq(weight, moments, Options(damping=0)),
        lambda: matched(weight, moments, moments, 0),
    ):
        with pytest.raises(UserError, match=NONE):
            method()
