"""What searches for formats share: rounding, tracing, evaluation, sums."""

from __future__ import annotations

from ctypes import CDLL

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pyqkit.emulate import kernels
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.formats.products import product
from pyqkit.studies.layerwise.coding import Coding, Sample
from pyqkit.studies.layerwise.evaluator import Assignment, Evaluator, View
from pyqkit.studies.layerwise.network import TracedNetwork
from pyqkit.studies.layerwise.objective import POOLS, Objective, kurtosis
from pyqkit.studies.layerwise.sums import accumulator_bits, code_counts
from tests.studies.small import images, network

FORMATS = ("lp8_0_7", "lp8_1_3", "lp4_0_3", "lp2_0_1", "int4", "uint8", "e3m2")


def numbers(count: int = 40_000) -> np.ndarray:
    return np.random.default_rng(3).standard_t(3, count).astype(np.float32)


@pytest.mark.parametrize("name", FORMATS)
def test_rounding_is_that_of_the_format(name: str) -> None:
    x, coding = numbers(), Coding(parse(name), 0.37)
    scaled = x / np.float32(0.37)
    np.testing.assert_array_equal(coding.encode(x), coding.format.encode(scaled))
    expected = coding.format.quantise(scaled).astype(np.float32) * np.float32(0.37)
    np.testing.assert_array_equal(coding.quantise(x.reshape(4, 100, 100)).reshape(-1), expected)


@pytest.mark.parametrize("name", [*FORMATS, "lp8_3_2", "e5m2", "int16", "uint11", "e2m1", "ue4m3", "e4m3fn"])
@pytest.mark.parametrize("library", [kernels.load(), kernels.load(portable=True), None])
def test_rounding_is_the_same_with_and_without_a_compiler(
    name: str, library: CDLL | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of numbers that are tiny, huge or just beside a limit, and of axes in another order."""
    coding = Coding(parse(name), 1.25)
    limits = coding.format.limits(np.float32) * np.float32(1.25)
    beside = [np.nextafter(limits, np.float32(side)) for side in (-np.inf, np.inf)]
    ends = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf], np.float32)
    x = np.concatenate([numbers(999), limits, *beside, ends])
    expected = coding.format.quantise(x / np.float32(1.25)).astype(np.float32) * np.float32(1.25)
    monkeypatch.setattr("pyqkit.emulate.kernels.rounding.load", lambda: library)
    np.testing.assert_array_equal(coding.quantise(x), expected)
    last = torch.from_numpy(x[:960].reshape(2, 3, 16, 10)).to(memory_format=torch.channels_last).numpy()
    rounded = coding.quantise(last)
    np.testing.assert_array_equal(rounded.reshape(-1), expected[:960])
    assert rounded.strides == last.strides
    for apart in (x[::3], x[::-1], np.broadcast_to(x[:40, None], (40, 3)), x[:960].reshape(8, 1, 120, 1).T):
        np.testing.assert_array_equal(coding.quantise(apart).T, coding.quantise(apart.T.copy()))


@pytest.mark.parametrize("name", FORMATS)
def test_errors_are_those_of_rounding(name: str) -> None:
    x, fmt, scales = numbers().astype(np.float64), parse(name), np.array([0.1, 0.5, 2.0])
    expected = [np.square(s * fmt.quantise(x / s) - x).sum() / np.square(x).sum() for s in scales]
    np.testing.assert_allclose(Sample(x).errors(fmt, scales), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "names", [("lp8_0_7", "lp8_1_3"), ("lp4_1_2", "lp8_0_7"), ("int4", "uint8"), ("e2m1", "e3m4")]
)
def test_sums_are_as_wide_as_the_worst_activations_make_them(names: tuple[str, str]) -> None:
    weights, activations = (parse(name) for name in names)
    codes = weights.encode(np.random.default_rng(4).standard_normal((5, 3, 3, 3)))
    table = product(weights, activations).table.astype(object)
    usable = [int(code) for code in activations.codes]
    chosen = table[codes.reshape(5, -1)][:, :, usable]
    low, high = chosen.min(axis=2).sum(axis=1).min(), chosen.max(axis=2).sum(axis=1).max()
    bits = next(b for b in range(1, 200) if -(2 ** (b - 1)) <= low and high < 2 ** (b - 1))
    assert accumulator_bits(code_counts(codes, weights.bits), weights, activations) == bits


# ---- networks


def test_layers_points_and_blocks() -> None:
    traced = TracedNetwork(network())
    assert [layer.name for layer in traced.layers] == [
        "stem", *(f"blocks.{b}.conv{c}" for b in range(3) for c in (1, 2)), "classifier"
    ]  # fmt: skip
    assert [block.layers for block in traced.blocks] == [(0, 1, 2), (3, 4), (5, 6, 7)]
    assert [point.layers for point in traced.points] == [(layer,) for layer in range(8)]


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.conv(x))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight)


class Product(nn.Module):
    """Weights that an operator multiplies by, as they are and after another operation."""

    def __init__(self, negated: bool) -> None:
        super().__init__()
        self.layer, self.weight, self.negated = nn.Linear(3, 3), nn.Parameter(torch.ones(3, 2)), negated

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) @ (-self.weight if self.negated else self.weight)


class Dynamic(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3)), "1 is a LSTM"),
        (nn.Sequential(nn.Conv1d(3, 3, 1), nn.Linear(3, 3)), "0 is a Conv1d"),
        (Shared(), "conv is called several times"),
        (Functional(), "linear is a function"),
        (Product(False), "matmul is a function"),
        (Product(True), "matmul is a function"),
        (Dynamic(), "cannot trace"),
        (nn.Sequential(nn.ReLU()), "nothing to search"),
        (nn.Bilinear(2, 2, 2), "one input and one output"),
    ],
    ids=["lstm", "conv1d", "shared", "functional", "product", "negated", "dynamic", "no-layer", "two-inputs"],
)
def test_networks_that_cannot_be_searched(model: nn.Module, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        TracedNetwork(model)


def test_weights_that_are_no_numbers() -> None:
    model = network()
    model.get_submodule("blocks.1.conv1").weight.data[0] = torch.nan
    with pytest.raises(UserError, match=r"blocks\.1\.conv1"):
        TracedNetwork(model)


# ---- evaluation


def evaluator() -> Evaluator:
    return Evaluator(TracedNetwork(network()), torch.from_numpy(images()), POOLS["mean"])


def assignment(
    seed: int, before: Assignment | None = None, layers: tuple[int, ...] = tuple(range(8))
) -> Assignment:
    """Any codings; those of other layers are as before."""
    draw = np.random.default_rng(seed)
    fresh = [
        Coding(parse(str(draw.choice(FORMATS[:4]))), float(np.float32(draw.uniform(0.1, 1))))
        for _ in range(16)
    ]
    old = (before.weights, before.activations) if before else (fresh[:8], fresh[8:])
    found = [
        [n if i in layers else o for i, (n, o) in enumerate(zip(new, kept))]
        for new, kept in zip((fresh[:8], fresh[8:]), old)
    ]
    return Assignment(tuple(found[0]), tuple(found[1]))


def assert_same(one: View, other: View) -> None:
    assert torch.equal(one.logits, other.logits)
    assert len(one.points) == len(other.points) == 7
    assert all(torch.equal(a, b) for a, b in zip(one.points, other.points))


def test_the_float_network_is_the_module() -> None:
    with torch.no_grad():
        model = network().to(memory_format=torch.channels_last)  # sums in the order of the evaluator
        expected = model(torch.from_numpy(images()).to(memory_format=torch.channels_last))
    assert torch.equal(evaluator().real.logits, expected)
    assert torch.equal(
        evaluator().logits(Assignment.real(evaluator().network), torch.from_numpy(images())), expected
    )


def test_codings_are_what_a_layer_computes_with() -> None:
    found, chosen = evaluator(), assignment(1)
    only_stem = Assignment((chosen.weights[0], *(None,) * 7), (chosen.activations[0], *(None,) * 7))
    model = network().to(memory_format=torch.channels_last)
    stem = model.get_submodule("stem")
    weight, activation = chosen.weights[0], chosen.activations[0]
    assert weight and activation
    stem.weight.data = torch.from_numpy(weight.quantise(stem.weight.detach().numpy()))
    with torch.no_grad():
        inputs = torch.from_numpy(activation.quantise(images()))
        expected = model(inputs.to(memory_format=torch.channels_last))
    assert torch.equal(found.view(only_stem).logits, expected)


def test_what_is_kept_decides_nothing() -> None:
    kept, last = evaluator(), assignment(0)
    assert_same(kept.view(last), evaluator().view(last))
    for seed, layers in enumerate([(5, 6, 7), (3, 4), (0, 1, 2), (5, 6, 7), tuple(range(8))]):
        last = assignment(seed + 10, last, layers)
        assert_same(kept.view(last), evaluator().view(last))


def test_little_room_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyqkit.studies.layerwise.evaluator._KEPT_BYTES", 20_000)
    kept, first = evaluator(), assignment(0)
    for seed in range(4):
        chosen = assignment(seed, first, (3, 4))
        assert_same(kept.view(chosen), evaluator().view(chosen))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (images()[:, :2], r"stem fails on an array of shape \(12, 2, 8, 8\)"),
        (np.full_like(images(), np.nan), "NaN or infinite"),
        (images() * np.float32(1e30), r"up to 1e\+15 were expected .* is larger"),
        (np.zeros_like(images()), "says the same of all 12"),
    ],
    ids=["shape", "nan", "large", "alike"],
)
def test_images_that_do_not_fit(given: np.ndarray, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        Evaluator(TracedNetwork(network()), torch.from_numpy(given), POOLS["mean"])


# ---- the objective


def test_an_image_is_to_be_nearest_to_itself() -> None:
    real = evaluator().real
    mixed = View(real.logits.roll(1, 0), tuple(point.roll(1, 0) for point in real.points))
    for objective in (Objective(), Objective(local=False), Objective(temperature=3.0)):
        assert objective.of(real, real) < objective.of(mixed, real)
    assert Objective(contrast=False).of(real, real) == 0 < Objective(contrast=False).of(mixed, real)


def test_parts_count() -> None:
    real = evaluator().real
    other = View(real.logits, tuple(point.roll(1, 0) for point in real.points))
    assert Objective(local=False).of(other, real) == Objective(local=False).of(real, real)
    assert Objective().of(other, real) > Objective().of(real, real)


def test_kurtosis_is_that_of_the_pixels() -> None:
    x = torch.from_numpy(numbers(2 * 3 * 400).reshape(2, 3, 20, 20)).double()
    flat = x.flatten(2) - x.flatten(2).mean(2, keepdim=True)
    expected = flat.pow(4).mean(2) / flat.pow(2).mean(2).pow(2) - 3
    np.testing.assert_allclose(kurtosis(x).numpy(), expected.numpy(), rtol=1e-12)
    assert torch.equal(kurtosis(torch.ones(2, 3, 4, 4)), torch.zeros(2, 3))
