"""Layers of PalQuant beside its equations: outputs, gradients, integers, padding."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.formats import FormatError
from pyqkit.quant.palquant import (
    CyclicShuffle,
    LsqConv2d,
    LsqLinear,
    PalConv2d,
    PalLinear,
    channel_shuffle,
    groups_for,
    rotated,
)
from pyqkit.quant.palquant.between import between
from tests.quant.palquant.equations import Numbers, convolution

BITS = [(2, 2), (1, 2), (2, 3), (4, 4), (3, 1)]


def layer_and_input(bits: tuple[int, int] = (2, 2), groups: int = 2) -> tuple[PalConv2d, torch.Tensor]:
    torch.manual_seed(3)
    layer = PalConv2d(4, 6, 3, stride=2, padding=1, groups=groups, weight_bits=bits[0], act_bits=bits[1])
    return layer, torch.randn(5, 4, 7, 7).relu() + 0.25


def numbers(layer: PalConv2d) -> Numbers:
    taken = (layer.weight, layer.lW, layer.uW, layer.lA, layer.uA, layer.output_scale)
    return Numbers(*(copy.deepcopy(parameter) for parameter in taken))


@pytest.mark.parametrize("bits", BITS)
def test_a_layer_is_its_equations(bits: tuple[int, int]) -> None:
    layer, x = layer_and_input(bits)
    layer(x)
    with torch.no_grad():  # ends that a training might have found
        layer.lA.add_(0.11), layer.uA.mul_(0.7), layer.lW.mul_(0.6), layer.output_scale.neg_()
    plain, given = numbers(layer), [x.clone().requires_grad_() for _ in range(2)]
    expected = convolution(given[0], plain, bits, stride=2, padding=1, groups=2)
    found = layer(given[1])
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(found)
    (expected * direction).sum().backward()
    (found * direction).sum().backward()
    torch.testing.assert_close(given[1].grad, given[0].grad)
    pairs = zip(
        (plain.weight, plain.lower_w, plain.upper_w, plain.lower_a, plain.upper_a, plain.scale),
        (layer.weight, layer.lW, layer.uW, layer.lA, layer.uA, layer.output_scale),
    )
    for theirs, ours in pairs:
        assert theirs.grad is not None and bool(theirs.grad.any())
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits, on, groups", [(4, 2, 2), (8, 4, 2), (8, 2, 4)])
@torch.no_grad()
def test_layers_of_many_bits_on_hardware_of_few(bits: int, on: int, groups: int) -> None:
    """As many groups as `groups_for` says: their equations, in numbers of so few bits."""
    assert groups_for(bits, on) == groups
    torch.manual_seed(bits + on)
    layer = PalConv2d(4 * groups, 8 * groups, 3, padding=1, groups=groups, weight_bits=on, act_bits=on)
    x = torch.randn(5, 4 * groups, 6, 6).relu()
    found = layer(x)
    expected = convolution(x, numbers(layer), (on, on), stride=1, padding=1, groups=groups)
    torch.testing.assert_close(found, expected)
    weights, acts = layer.integers_of_weights(), layer.integers_of(x)
    assert set(weights.unique().tolist()) <= set(range(1 - 2**on, 2**on, 2))
    assert set(acts.unique().tolist()) <= set(range(2**on))
    composed = 4 * 8 * 9 * (bits // on) ** 2  # products of few bits a pixel
    assert composed == (bits // on) * layer.weight.numel()
    linear = PalLinear(4 * groups, 8 * groups, groups=groups, weight_bits=on, act_bits=on)
    sums = linear(x.mean((2, 3))) / linear.gain()
    torch.testing.assert_close(sums, sums.round(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("bits", BITS)
def test_a_layer_is_a_sum_of_integers(bits: tuple[int, int]) -> None:
    layer, x = layer_and_input(bits)
    layer(x)
    weights, acts = layer.integers_of_weights().detach(), layer.integers_of(x).detach()
    assert set(weights.unique().tolist()) <= set(range(1 - 2 ** bits[0], 2 ** bits[0], 2))
    assert set(acts.unique().tolist()) <= set(range(2 ** bits[1]))
    levels, points = layer.weight_quant.format, torch.linspace(-17, 17, 273)
    np.testing.assert_array_equal(layer.weight_quant(points), levels.decode(levels.encode(points.numpy())))
    whole = functional.conv2d(acts.double(), weights.double(), stride=2, padding=1, groups=2)
    np.testing.assert_array_equal(layer.product(acts, weights).numpy(), whole.numpy())
    tops = (2 ** bits[0] - 1) * (2 ** bits[1] - 1)
    torch.testing.assert_close(layer(x), (whole * layer.output_scale.detach().abs() / tops).float())


def test_padding_stands_for_the_lower_end() -> None:
    """A frame of lA around the image changes nothing; one of zeros would."""
    layer, x = layer_and_input()
    layer(x)
    low = float(layer.lA.detach())
    assert low > 0.2
    expected = layer(x)
    layer.padding = (0, 0)
    torch.testing.assert_close(layer(functional.pad(x, (1, 1, 1, 1), value=low)), expected)
    layer.lA.data.fill_(-1.0)
    assert not torch.allclose(
        layer(functional.pad(x, (1, 1, 1, 1))), layer(functional.pad(x, (1,) * 4, value=-1.0))
    )


@torch.no_grad()
def test_a_first_batch_sets_ends_and_scale() -> None:
    layer, x = layer_and_input()
    weight = layer.weight.detach().clone()
    assert bool(layer.init)
    made = layer(x)
    assert not bool(layer.init)
    spread = float(3 * weight.std())
    assert float(layer.uW) == pytest.approx(spread) and float(layer.lW) == pytest.approx(-spread)
    assert float(layer.lA) == float(x.min())
    assert float(layer.uA) == pytest.approx(float(3 * x.std() / np.sqrt(1 - 2 / np.pi)))
    wide = functional.conv2d(x, weight, stride=2, padding=1, groups=2)
    assert float(made.detach().abs().mean()) == pytest.approx(float(wide.abs().mean()), rel=1e-5)
    before = layer.uA.detach().clone()
    layer(2 * x)
    assert layer.uA == before


def test_a_linear_layer_in_groups_is_a_convolution_of_one_pixel() -> None:
    torch.manual_seed(0)
    layer, conv = PalLinear(6, 4, groups=2), PalConv2d(6, 4, 1, groups=2)
    conv.weight.data.copy_(layer.weight[..., None, None])
    x = torch.rand(9, 6)
    np.testing.assert_array_equal(layer(x).detach(), conv(x[..., None, None]).detach().flatten(1))
    dense = PalLinear(6, 4)
    dense(x)
    made = functional.linear(dense.integers_of(x), dense.integers_of_weights()) * dense.gain()
    torch.testing.assert_close(dense(x), made)


def test_groups_know_nothing_of_each_other_until_they_are_shuffled() -> None:
    layer, x = layer_and_input()
    layer(x)
    other = x.clone()
    other[:, 2:] += 1
    changed = (layer(x) != layer(other)).flatten(2).any(2).any(0)
    assert changed.tolist() == [False] * 3 + [True] * 3
    shuffle = CyclicShuffle(4, 2, PalConv2d, weight_bits=2, act_bits=2)
    shuffle(x)
    shuffle.eval()
    changed = (shuffle(x) != shuffle(other)).flatten(2).any(2).any(0)
    assert changed[:2].any()


def test_moves_of_channels() -> None:
    x = torch.arange(6.0)[None, :, None, None]
    assert rotated(x, 3).flatten().tolist() == [2, 3, 4, 5, 0, 1]
    assert channel_shuffle(x, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert rotated(x, 1) is x and channel_shuffle(x, 1) is x


@pytest.mark.parametrize("bits", [2, 4])
def test_lsq_is_its_equations(bits: int) -> None:
    """Esser et al. (2020), sections 2.1 and 2.2, in plain PyTorch."""
    torch.manual_seed(1)
    layer, x = LsqConv2d(4, 6, 3, groups=2, weight_bits=bits, act_bits=bits), torch.rand(5, 4, 6, 6)
    top_w, top_a = 2 ** (bits - 1) - 1, 2**bits - 1
    layer(x)
    assert float(layer.weight_step) == pytest.approx(float(2 * layer.weight.abs().mean() / np.sqrt(top_w)))

    def step(v: torch.Tensor, s: torch.Tensor, low: int, high: int) -> torch.Tensor:
        scaled = (v / s).clamp(low, high)
        return s * (scaled + (scaled.round() - scaled).detach())

    weight, s_w, s_a = (
        p.detach().clone().requires_grad_() for p in (layer.weight, layer.weight_step, layer.act_step)
    )
    expected = functional.conv2d(step(x, s_a, 0, top_a), step(weight, s_w, -top_w - 1, top_w), groups=2)
    found = layer(x)
    torch.testing.assert_close(found, expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-4, atol=1e-4)
    for ours, theirs, count, top in (
        (layer.weight_step, s_w, weight.numel(), top_w),
        (layer.act_step, s_a, x[0].numel(), top_a),
    ):
        torch.testing.assert_close(ours.grad, theirs.grad / np.sqrt(count * top), rtol=1e-3, atol=1e-4)


def test_bad_layers_are_refused() -> None:
    with pytest.raises(UserError, match="3 groups of 4 and 6 channels came; take multiples of 3"):
        PalConv2d(4, 6, 3, groups=3)
    with pytest.raises(UserError, match="2 groups of 3 and 4 channels"):
        LsqLinear(3, 4, groups=2)
    with pytest.raises(FormatError, match="1 to 8 bits were expected, but 9 and 2 came"):
        PalConv2d(4, 4, 1, weight_bits=9)
    with pytest.raises(FormatError, match="2 to 8 bits"):
        LsqConv2d(4, 4, 1, weight_bits=1)
    layer, x = layer_and_input()
    with pytest.raises(UserError, match="run a batch through it in training mode"):
        layer.eval()(x)
    with pytest.raises(UserError, match="activations that vary"):
        layer.train()(torch.ones_like(x))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_integers_in_training_are_those_of_single_operators(layout: torch.memory_format) -> None:
    torch.manual_seed(5)
    x = (torch.randn(9, 6, 40, 40) * 2).to(memory_format=layout)  # more than one piece, and a part of one
    x[0, 0, 0, :4] = torch.tensor([0.25, 1.75, 1.0, 0.5])  # both ends, and ties
    direction = torch.randn(9, 40, 40, 6).movedim(-1, 1)
    found: list[torch.Tensor] = []
    expected: list[torch.Tensor] = []
    for results, rounded in ((found, between), (expected, plainly_between)):
        given = [t.clone().requires_grad_() for t in (x, torch.tensor(0.25), torch.tensor(1.75))]
        codes = rounded(*given, 3)
        (codes * direction).sum().backward()
        results += [codes.detach(), *(t.grad for t in given)]
    np.testing.assert_array_equal(found[0], expected[0].round())
    assert set(found[0].unique().tolist()) == {0, 1, 2, 3}
    for ours, theirs in zip(found[1:], expected[1:]):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def plainly_between(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor, top: int) -> torch.Tensor:
    place = ((x - low) / (high - low)).clamp(0, 1) * top
    return place + (place.round() - place).detach()
