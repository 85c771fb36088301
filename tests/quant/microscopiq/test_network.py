"""MicroScopiQ on networks: tokens and frames, shared inputs, activations, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pyqkit
from pyqkit.errors import UserError
from pyqkit.formats import Microscaled, parse
from pyqkit.formats.microscopiq import Window, microscale
from pyqkit.quant.microscopiq import Microscale, Options, quantised, report


class Small(nn.Module):
    """Two layers that read the same, and one behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 32)
        self.gate, self.up = nn.Linear(32, 48, bias=False), nn.Linear(32, 48)
        self.down = nn.Linear(48, 20)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.down(torch.relu(self.gate(x)) * self.up(x))


def small() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


def convolutions() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 12, 3, 2, groups=2), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(12 * 4, 10)).eval()


TOKENS = torch.arange(20 * 70).reshape(70, 20) * 7 % 20
FRAMES = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_network_of_one_layer() -> None:
    layer, frames = nn.Linear(16, 16, bias=False).eval(), FRAMES[:, 0, :2].flatten(1)
    network = quantised(layer, frames)
    assert report(network)[0].weights == 256
    weight = torch.from_numpy(network.encoded.checked().decode()).float().T
    torch.testing.assert_close(network(frames), frames @ weight.T, rtol=0, atol=1e-5)


def test_a_layer_that_stands_in_two_places() -> None:
    layer = nn.Linear(16, 16).eval()
    network = quantised(nn.Sequential(layer, nn.ReLU(), layer).eval(), FRAMES[:, 0, :2].flatten(1))
    assert network[0] is network[2] and len(report(network)) == 1


@pytest.mark.parametrize(("make", "data"), [(small, TOKENS), (convolutions, FRAMES)])
def test_layers_hold_what_their_encoding_says(make: object, data: Tensor) -> None:
    model = make()  # type: ignore[operator]
    before = [p.clone() for p in model.parameters()]
    network = pyqkit.quantise(model, data, recipe="microscopiq", bits=4)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    found = report(network)
    assert sum(r.weights for r in found) == sum(
        m.weight.numel() for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))
    )
    for layer in found:
        module = network.get_submodule(layer.name)
        values = module.encoded.checked().decode()
        groups = getattr(module, "groups", 1)
        turned = module.weight.detach().reshape(groups, -1, module.weight[0].numel()).mT
        np.testing.assert_array_equal(turned.reshape(values.shape).numpy(), values)
        assert layer.stored_bits == module.encoded.stored_bits
        assert layer.metadata_bits == layer.stored_bits - 4 * layer.weights > 0
        assert layer.conflicts is not None and 0 <= layer.conflicts < 1
        assert layer.spread <= 7
        assert layer.effective_bits > 4.1
    error = (network(data) - model(data)).square().mean() / model(data).square().mean()
    assert 0 < error < 0.02


@pytest.mark.parametrize(("make", "data"), [(small, TOKENS), (convolutions, FRAMES)])
def test_aimed_layers_make_up_for_the_errors_of_those_before(make: object, data: Tensor) -> None:
    model = make()  # type: ignore[operator]
    plain, aimed = (quantised(model, data, Options(2, aimed=aimed)) for aimed in (False, True))
    first = report(plain)[0].name
    assert torch.equal(plain.get_parameter(f"{first}.weight"), aimed.get_parameter(f"{first}.weight"))
    errors = [float((made(data) - model(data)).detach().square().mean()) for made in (plain, aimed)]
    assert errors[1] < 0.95 * errors[0]


def test_scales_count_as_stored() -> None:
    for scaling, bits in (("none", 0), ("shift", 4), ("scale", 16)):
        network = quantised(small(), TOKENS, Options(4, scaling=scaling))  # type: ignore[arg-type]
        for layer in report(network):
            module = network.get_submodule(layer.name)
            assert layer.stored_bits == module.encoded.stored_bits + bits * module.out_features
            values = module.encoded.decode().T * module.scales[0, :, None].numpy()
            np.testing.assert_array_equal(module.weight.detach().numpy(), values)  # as float32 has them all


def test_conflicts_are_those_of_the_layers_outliers() -> None:
    """Of rows with outliers in the same eight outputs; along inputs there is no network."""
    layer, frames = nn.Linear(64, 16, bias=False).eval(), torch.rand(64, 64)
    with torch.no_grad():
        layer.weight.uniform_(-0.1, 0.1)
        layer.weight[3, :2] = 2.0  # two rows, next to each other
    (found,) = report(quantised(layer, frames, Options(compensate=False)))
    assert (found.outliers, found.conflicts) == (2, 63 / 128)  # all but the first vector of the upper row
    (found,) = report(quantised(layer, frames, Options(along="inputs")))
    assert found.conflicts is None


def test_more_than_four_outliers_are_counted() -> None:
    """The four largest of a block stay; the others saturate, and the report says how many."""
    layer, frames = nn.Linear(32, 128, bias=False).eval(), torch.rand(16, 32)
    with torch.no_grad():
        layer.weight.uniform_(-0.01, 0.01)
        layer.weight[:6, 5] = torch.tensor([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    network = quantised(layer, frames, Options(4, compensate=False))
    (found,) = report(network)
    assert (found.outliers, found.demoted, found.pruned) == (4, 2, 4)
    assert network.weight[2:6, 5].min() > 1.1 and network.weight[:2, 5].max() < 0.02


@pytest.mark.parametrize("inputs, outputs", [(1, 1), (3, 2), (5, 7), (32, 3)])
def test_layers_narrower_than_a_block(inputs: int, outputs: int) -> None:
    """Places that fill a block up count as stored, and have no outputs; a layer of zeros stays one."""
    frames = torch.rand(16, inputs)
    layer = nn.Linear(inputs, outputs).eval()
    network = quantised(layer, frames, Options(2))
    (found,) = report(network)
    assert found.stored_bits == inputs * (8 + 1 + 8 * 2) and found.weights == inputs * outputs
    assert network(frames).shape == (16, outputs)
    with torch.no_grad():
        layer.weight.zero_()
    network = quantised(layer, frames, Options(2))
    assert not network.weight.any() and report(network)[0].spread == 0


def test_two_bits_and_kept_layers() -> None:
    model = small()
    network = pyqkit.quantise(model, TOKENS, recipe="microscopiq", bits=2, keep=["down"])
    assert [layer.name for layer in report(network)] == ["gate", "up"]
    assert torch.equal(network.get_parameter("down.weight"), model.get_parameter("down.weight"))


@pytest.mark.parametrize("static", [False, True])
def test_activations_are_blocks(static: bool) -> None:
    model = convolutions()
    network = quantised(model, FRAMES, acts="mx128_int8narrow", static=static)
    acts = [m for m in network.modules() if isinstance(m, Microscale)]
    assert len(acts) == 3
    assert all(a.window.highest - a.window.lowest == (0 if static else 7) for a in acts)
    assert network(FRAMES).isfinite().all()


@pytest.mark.parametrize("name", ["mx128_int8narrow", "mx128_int4narrow", "mx8_int4narrow"])
@pytest.mark.parametrize("window", [Window(-9, -2), Window(-4, -4), Window()])
def test_activations_are_those_of_the_definition(name: str, window: Window) -> None:
    fmt = parse(name)
    assert isinstance(fmt, Microscaled)
    random = np.random.default_rng(0)
    x = random.standard_normal((6, 5, 300)) * 2.0 ** random.integers(-12, 6, (6, 5, 1))
    x[0] = 0
    x[1] = np.round(x[1] * 8) / 16  # ties
    x = x.astype(np.float32)
    expected = microscale(x, fmt, window)
    module = Microscale(fmt, window)
    np.testing.assert_array_equal(
        module(torch.from_numpy(x)).numpy(), fmt.decode(expected.codes, expected.exponents)
    )
    assert module.clamped == expected.clamped
    assert (expected.clamped > 0) == (window != Window())
    turned = Microscale(fmt, window, axis=1)(torch.from_numpy(x).movedim(-1, 1))
    np.testing.assert_array_equal(turned.movedim(1, -1).numpy(), module(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (None, "tokens"),
        (TOKENS.float(), "tokens"),
        (TOKENS[:0], "tokens"),
        (TOKENS + 100, "calibration data of shape"),
    ],
)
def test_calibration_data_that_are_none(data: object, what: str) -> None:
    with pytest.raises(UserError, match=what):
        pyqkit.quantise(small(), data, recipe="microscopiq", bits=2)


def test_other_things_that_are_refused() -> None:
    model = convolutions()
    with pytest.raises(UserError, match="calibration frames"):
        quantised(model, None)
    with pytest.raises(UserError, match="NaN"):
        quantised(model, torch.full((16, 3, 8, 8), torch.nan))
    with pytest.raises(UserError, match="2 or 4 bits"):
        pyqkit.quantise(model, FRAMES, recipe="microscopiq", bits=3)
    with pytest.raises(UserError, match="alone"):
        pyqkit.quantise(model, FRAMES, recipe="gptq", bits=2)
    with pytest.raises(UserError, match="linear layers"):
        quantised(model, FRAMES, keep=["nothing"])
    with pytest.raises(UserError, match="linear layers"):
        quantised(model, FRAMES, keep=["0", "2", "5"])
    with pytest.raises(UserError, match="linear layers"):
        quantised(nn.Sequential(nn.ReLU()).eval(), FRAMES)
    with pytest.raises(UserError, match="evaluation mode"):
        quantised(model.train(), FRAMES)
    model.eval().get_parameter("0.weight").data[0] = torch.nan
    with pytest.raises(UserError, match="finite"):
        quantised(model, FRAMES)
    alone = nn.Linear(8, 8).eval()
    alone.weight.data[0] = torch.nan
    with pytest.raises(UserError, match="those of the layer hold NaN"):
        quantised(alone, torch.rand(16, 8))
    idle = small()
    idle.idle = nn.Linear(2, 2).eval()
    with pytest.raises(UserError, match="do not run"):
        quantised(idle, TOKENS)
    for acts in ("int8", "mx128_int8", "mx128_int8narrow_mse"):
        with pytest.raises(UserError, match="blocks"):
            quantised(small(), TOKENS, acts=acts)
