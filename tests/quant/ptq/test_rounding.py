"""Grids, GPTQ and learned rounding against brute force and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn

from pyqkit.formats import parse
from pyqkit.quant.ptq.grid import Grid
from pyqkit.quant.ptq.layers import QuantConv2d, rounding
from pyqkit.quant.ptq.lookup import lookup
from pyqkit.quant.ptq.moments import columns, matched, moments_with, rows, second_moments, squared_error
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.quant.ptq.steps.gptq import gptq
from pyqkit.quant.ptq.steps.rounding import Choice, best, learned

TABLES = ["e2m1", "ue2m2", "e3m2", "e3m4", "e4m3fn", "e3m0", "int4", "int1", "uint4", "lp4_0_3", "lp8_1_3"]
TABLES += ["lp8_3_5", "odd1", "odd2", "e1m2", "int9"]
GRIDS = ["int3", "int4", "e2m1", "e3m0", "lp4_0_3", "odd2"]


@pytest.mark.parametrize("name", TABLES)
def test_lookup_rounds_as_the_format(name: str) -> None:
    fmt = parse(name)
    halves = (np.arange(-(2**15), 2**15, dtype=np.int32) << 16)[:, None] | np.array([0, 1, 0xFFFF], np.int32)
    every = halves.view(np.float32).ravel()
    limits = fmt.limits(np.float32)
    with np.errstate(over="ignore"):
        near = np.concatenate([limits, np.nextafter(limits, np.float32(-np.inf))])
    x = np.concatenate([every[~np.isnan(every)], near])
    np.testing.assert_array_equal(
        lookup(fmt)(torch.from_numpy(x)).numpy(), fmt.quantise(x).astype(np.float32)
    )


@pytest.mark.parametrize("name", GRIDS)
def test_cells_of_a_grid_are_its_neighbours(name: str) -> None:
    fmt, scale = parse(name), torch.tensor([[0.5], [0.375]])
    weight = torch.randn(2, 500, generator=_generator(0)) * 4
    below, above = Grid(fmt, scale).cell(weight)
    values = torch.tensor(fmt.values, dtype=torch.float32)
    inside = (weight >= scale * values[0]) & (weight < scale * values[-1])
    assert bool(((below <= weight) & (weight < above))[inside].all())
    at = torch.searchsorted(values, (below / scale).contiguous())
    torch.testing.assert_close(below, scale * values[at], rtol=0, atol=0)
    torch.testing.assert_close(above, scale * values[at + 1], rtol=0, atol=0)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _problem(seed: int, outputs: int = 3, count: int = 5, groups: int = 1) -> tuple[Tensor, Tensor]:
    """Weights and second moments of inputs that depend on each other."""
    draw = _generator(seed)
    inputs = torch.randn(groups, count, 200, generator=draw)
    inputs = inputs + 2 * inputs.roll(1, 1) + 1
    moments = (inputs @ inputs.mT).double() / 200
    return torch.randn(groups, outputs, count, generator=draw), moments


def _optimum(weight: Tensor, moments: Tensor, candidates: list[Tensor]) -> Tensor:
    """Smallest error of each output over all combinations of `candidates` of its columns."""
    found = []
    for output in range(weight.shape[1]):
        choices = [candidate[0, output] for candidate in candidates]
        combined = itertools.product(*(torch.stack(choices).T.tolist()))
        tried = torch.tensor(list(combined))[None]
        found.append(squared_error(tried - weight[:, output : output + 1], moments).min())
    return torch.stack(found)[None]


@pytest.mark.parametrize("name", GRIDS)
def test_gptq_lies_between_the_optimum_and_nearest(name: str) -> None:
    grid = Grid(parse(name), torch.tensor(0.5))
    errors = []
    for seed in range(10):
        weight, moments = _problem(seed, count=3)
        rounded = gptq(weight, moments, grid.nearest)
        torch.testing.assert_close(grid.nearest(rounded), rounded, rtol=0, atol=0)
        everything = [grid.scale * value + 0 * weight for value in lookup(grid.format).values]
        least = _optimum(weight, moments, everything)
        found, nearest = (squared_error(w - weight, moments) for w in (rounded, grid.nearest(weight)))
        assert bool((found >= least * (1 - 1e-9)).all())
        errors.append(torch.stack([found.sum(), nearest.sum(), least.sum()]))
    found, nearest, least = torch.stack(errors).sum(0)
    assert found < least + 0.7 * (nearest - least)


def test_gptq_of_independent_inputs_is_nearest() -> None:
    weight, _ = _problem(0)
    grid = Grid(parse("e2m1"), torch.tensor([[0.5], [0.25], [0.375]]))
    moments = torch.diag(torch.tensor([1.0, 4.0, 0.0, 2.0, 3.0]))[None]
    torch.testing.assert_close(gptq(weight, moments, grid.nearest), grid.nearest(weight), rtol=0, atol=0)


@pytest.mark.parametrize("ordered", [False, True])
def test_blocks_of_columns_change_nothing(ordered: bool) -> None:
    weight, moments = _problem(1, outputs=4, count=24)
    grid = Grid(parse("e2m1"), torch.tensor(0.5))
    whole = gptq(weight, moments, grid.nearest, ordered=ordered, block=24)
    for block in (1, 5, 23):
        found = gptq(weight, moments, grid.nearest, ordered=ordered, block=block)
        torch.testing.assert_close(found, whole, rtol=0, atol=0)


def test_groups_are_rounded_each_by_itself() -> None:
    weight, moments = _problem(2, groups=3)
    scale = torch.tensor([0.25, 0.5, 0.75])[:, None, None]
    whole = gptq(weight, moments, Grid(parse("int4"), scale).nearest)
    for group in range(3):
        one = slice(group, group + 1)
        alone = gptq(weight[one], moments[one], Grid(parse("int4"), scale[one]).nearest)
        torch.testing.assert_close(alone, whole[one], rtol=0, atol=0)


@pytest.mark.parametrize("name", GRIDS)
def test_learning_begins_at_the_weights(name: str) -> None:
    # The residue is that of the local step: divided by the scale alone, as by the tool of the paper in 2023,
    # a weight between 4 and 6 times the scale of e2m1 would begin elsewhere.
    grid = Grid(parse(name), torch.tensor(0.375))
    weight = torch.linspace(0.99 * 0.375 * grid.format.minimum, 0.99 * 0.375 * grid.format.maximum, 200)
    torch.testing.assert_close(Choice(weight, grid).soft().detach(), weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GRIDS)
def test_learned_rounding_comes_near_the_best_choice(name: str) -> None:
    grid = Grid(parse(name), torch.tensor(0.5))
    weight, moments = _problem(3, outputs=40)
    least = _optimum(weight, moments, list(grid.cell(weight))).sum()
    rounded = learned(weight, moments, grid, iterations=200)
    torch.testing.assert_close(grid.nearest(rounded), rounded, rtol=0, atol=0)
    found, nearest = (squared_error(w - weight, moments) for w in (rounded, grid.nearest(weight)))
    assert bool((found <= nearest).all())
    assert found.sum() < least + 0.6 * (nearest.sum() - least)


def test_the_best_of_several_roundings_is_chosen_for_each_output() -> None:
    weight, moments = _problem(4)
    first, second = weight.clone(), weight.clone()
    first[0, 1] += 1
    second[0, 0] += 1
    torch.testing.assert_close(best(weight, moments, [first, second]), weight, rtol=0, atol=0)


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(nn.Linear(6, 4), id="linear"),
        pytest.param(nn.Conv2d(6, 4, 3, 2, 1, groups=2), id="groups"),
        pytest.param(nn.Conv2d(6, 6, (3, 2), 1, "same", groups=6), id="depthwise"),
        pytest.param(nn.Conv2d(6, 4, 3, 1, 2, dilation=2, padding_mode="reflect"), id="dilated"),
        pytest.param(nn.Conv1d(6, 4, 3, 2, 1), id="one_dimension"),
        pytest.param(nn.Conv2d(6, 4, 3, padding=1), id="by_shifts"),
        pytest.param(
            nn.Conv2d(6, 4, (3, 2), padding=(0, 1), padding_mode="reflect"), id="by_shifts_mirrored"
        ),
        pytest.param(nn.Conv2d(6, 4, (1, 3)), id="by_shifts_in_a_row"),
    ],
)
def test_a_layer_is_a_product_with_its_columns(layer: nn.Module) -> None:
    shape = {nn.Linear: (5, 6), nn.Conv1d: (5, 6, 9)}.get(type(layer), (5, 6, 9, 8))
    x = torch.randn(shape, generator=_generator(5))
    with torch.no_grad():
        product = rows(layer, layer.weight) @ columns(layer, x)  # (groups, outputs, positions)
        axis = -1 if isinstance(layer, nn.Linear) else 1
        shaped = layer.bias.reshape(-1, *(1,) * (0 if axis == -1 else x.ndim - 2))
        expected = (layer(x) - shaped).movedim(axis, 0).flatten(1)
    torch.testing.assert_close(product.flatten(0, 1), expected, rtol=1e-4, atol=1e-5)
    moments = second_moments(layer, x.split(2))
    gathered = columns(layer, x).double()
    torch.testing.assert_close(moments, gathered @ gathered.mT / gathered.shape[-1], rtol=1e-5, atol=1e-6)
    other = torch.randn(shape, generator=_generator(6))
    again, cross = moments_with(layer, x.split(2), other.split(2))
    torch.testing.assert_close(again, moments, rtol=0, atol=0)
    expected = columns(layer, other).double() @ gathered.mT / gathered.shape[-1]
    torch.testing.assert_close(cross, expected, rtol=1e-5, atol=1e-6)


def test_matched_weights_are_least_squares() -> None:
    draw = _generator(6)
    true = torch.randn(1, 5, 300, generator=draw, dtype=torch.float64)
    now = true + 0.3 * torch.randn(1, 5, 300, generator=draw, dtype=torch.float64)
    weight = torch.randn(1, 3, 5, generator=draw, dtype=torch.float64)
    expected = torch.linalg.lstsq(now[0].T, (weight[0] @ true[0]).T).solution.T
    found = matched(weight, now @ now.mT / 300, true @ now.mT / 300, 0.0)
    torch.testing.assert_close(found[0], expected)


def test_rounding_a_column_leaves_the_scale() -> None:
    # Scales that were found anew from each column would round it without an error, and GPTQ would do nothing.
    scale = torch.tensor([0.1, 0.2, 0.3])[:, None, None, None]
    layer = rounding(nn.Conv2d(4, 3, 3), Quantiser(parse("e2m1"), scale))
    assert isinstance(layer, QuantConv2d)
    x = torch.randn(8, 4, 6, 6, generator=_generator(7)) + 1
    weight, moments = rows(layer, layer.weight.detach()), second_moments(layer, [x])
    grid = Grid(layer.weight_quant.format, rows(layer, layer.weight_quant.scale))
    rounded = gptq(weight, moments, grid.nearest)
    assert not torch.equal(rounded, grid.nearest(weight))
    with torch.no_grad():
        layer.weight.copy_(rounded.reshape(layer.weight.shape))
        torch.testing.assert_close(layer.weight_quant(layer.weight), layer.weight.detach(), rtol=0, atol=0)
