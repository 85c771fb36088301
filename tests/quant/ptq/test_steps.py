"""Every step does something on a network where it must."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn

from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.quant.ptq import Network, Recipe, parse_steps, quantised
from pyqkit.quant.ptq.layers import rounded_once
from pyqkit.quant.ptq.pipeline import finished, prepared
from pyqkit.quant.ptq.sensitivity import sensitivities
from pyqkit.quant.ptq.spaces import spaces
from pyqkit.quant.ptq.step import Step
from pyqkit.quant.ptq.steps.bias import Bias
from pyqkit.quant.ptq.steps.blocks import Blocks, blocks
from pyqkit.quant.ptq.steps.equalise import Equalise
from pyqkit.quant.ptq.steps.finetune import FineTune
from pyqkit.quant.ptq.steps.gptq import Gptq
from pyqkit.quant.ptq.steps.norms import Norms
from pyqkit.quant.ptq.steps.rounding import Round
from pyqkit.quant.ptq.steps.smooth import Smooth
from pyqkit.quant.ptq.steps.statistics import Statistics
from pyqkit.quant.ptq.walk import Walk
from tests.quant.ptq.networks import Inverted, Residual, Shuffled, frames, seeded


def _made(steps: str = "", model: type[nn.Module] = Residual, **options: object) -> Network:
    """A small network in e2m1 after some steps."""
    recipe = Recipe.of(**{"weights": "e2m1", "scaling": "real", "recipe": steps, **options})  # type: ignore[arg-type]
    return quantised(seeded(model()), frames(48), recipe)


def _error(network: Network) -> float:
    """Relative squared error of the outputs on the calibration frames."""
    with torch.no_grad():
        true, now = network.float(network.data), network.quantised(network.data)
        return float((now - true).square().mean() / true.square().mean())


def _applied(network: Network, step: Step) -> Network:
    step.apply(network, 0)
    return network


QUICK: dict[str, Step] = {
    "gptq": Gptq(),
    "round": Round(iterations=40),
    "statistics": Statistics(),
    "bias": Bias(),
    "blocks": Blocks(iterations=15),
    "finetune": FineTune(epochs=8),
}


@pytest.mark.parametrize("name", list(QUICK))
@pytest.mark.parametrize("model", [Residual, Shuffled, Inverted], ids=["Residual", "Shuffled", "Inverted"])
def test_less_error_and_the_same_every_time(name: str, model: type[nn.Module]) -> None:
    network = _made(model=model)
    before = _error(network)
    again = copy.deepcopy(network)
    assert _error(_applied(network, QUICK[name])) < before
    _applied(again, QUICK[name])
    for one, other in zip(network.quantised.parameters(), again.quantised.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    "step", [Gptq(), Gptq(matched=False), Round(iterations=40)], ids=["gptq", "plain", "round"]
)
def test_rounded_weights_are_values_of_the_format(step: Step) -> None:
    network = _applied(_made(), step)
    for name in network.layers:
        layer = network.quant_layer(name)
        rounded = layer.weight_quant(layer.weight)
        torch.testing.assert_close(rounded, layer.weight, rtol=0, atol=0)
        assert not torch.equal(rounded, layer.weight_quant(network.float_layer(name).weight))


def test_layers_see_what_those_before_them_make_now() -> None:
    network = _made()
    seen: dict[str, Tensor] = {}
    first, second = network.layers[:2]
    walk = Walk(network.quantised, network.batches(16))
    walk.inputs(first)
    with torch.no_grad():
        network.layer(first).weight.mul_(0.5)
    hook: Callable[[nn.Module, tuple[Tensor, ...]], None] = lambda _, given: seen.update(x=given[0])  # noqa: E731
    network.layer(second).register_forward_pre_hook(hook)
    inputs = torch.cat(walk.inputs(second))
    with torch.no_grad():
        network.quantised(network.data)
    torch.testing.assert_close(inputs, seen["x"])


def test_mean_errors_vanish() -> None:
    network = _made()
    with torch.no_grad():
        for name in network.layers[:2]:
            network.layer(name).bias.add_(0.5)
    _applied(network, Bias())
    true, now = Walk(network.float, network.batches()), Walk(network.quantised, network.batches())
    for name in network.layers:
        wanted, found = (
            torch.cat(walk.outputs(name)).transpose(0, 1).flatten(1).mean(1) for walk in (true, now)
        )
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_layer_without_bias_gets_one() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3, bias=False)
    )
    network = quantised(seeded(model), frames(), Recipe.of("int3", recipe="bias"))
    assert all(network.layer(name).bias is not None for name in network.layers)


@pytest.mark.parametrize("scaling", ["real", "power_of_two"])
def test_statistics_come_back(scaling: str) -> None:
    network = _made(scaling=scaling)
    layer = network.quant_layer(network.layers[1])
    codes = layer.weight_quant(layer.weight) / layer.weight_quant.scale
    with torch.no_grad():
        layer.weight.mul_(0.75)
        layer.weight_quant.scale = layer.weight_quant.scale * 0.75
        if scaling == "power_of_two":
            layer.weight_quant.scale = torch.exp2(layer.weight_quant.scale.log2().round())
    scale = layer.weight_quant.scale.clone()
    _applied(network, Statistics())
    outputs = [
        torch.cat(Walk(m, network.batches()).outputs(network.layers[1]))
        for m in (network.float, network.quantised)
    ]
    true, now = (output.transpose(0, 1).flatten(1) for output in outputs)
    torch.testing.assert_close(now.mean(1), true.mean(1), rtol=1e-3, atol=1e-4)
    if scaling == "real":
        torch.testing.assert_close(now.std(1), true.std(1), rtol=1e-3, atol=1e-4)
        after = layer.weight_quant(layer.weight) / layer.weight_quant.scale
        torch.testing.assert_close(after, codes, rtol=1e-5, atol=0)
    else:
        torch.testing.assert_close(layer.weight_quant.scale, scale, rtol=0, atol=0)


def test_blocks_end_where_one_tensor_carries_all() -> None:
    network = _made()
    found = list(blocks(network))
    assert [block.layers for block in found] == [
        ("conv1",),
        ("layer1.0.conv1", "layer1.0.conv2"),
        ("layer1.1.conv1", "layer1.1.conv2", "layer1.1.down.0"),
        ("fc",),
    ]
    x = network.data
    with torch.no_grad():
        value = network.quantised.get_submodule("input.act_quant")(x)
        for block in found:
            value = block(network.quantised, value)
        torch.testing.assert_close(value, network.quantised(x))


def _uneven(model: nn.Module, layers: list[tuple[nn.Module, nn.Module]]) -> nn.Module:
    """Scale channels between two layers by factors of up to 100, back in the second: no output changes."""
    factor = torch.logspace(-1, 1, layers[0][0].weight.shape[0], dtype=torch.float32)
    with torch.no_grad():
        for first, second in layers:
            first.weight.mul_(factor[:, None, None, None])
            first.bias.mul_(factor)
            second.weight.div_(factor[None, :, None, None])
    return model


def _chain() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        *(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(8, 10)),
    )
    return seeded(model)  # type: ignore[return-value]


@pytest.mark.parametrize("steps", ["equalise", "smooth", "equalise+smooth"])
def test_uneven_channels_are_evened(steps: str) -> None:
    model = _chain()
    x = frames(64, seed=1)
    uneven = _uneven(model, [(model[0], model[2])])
    with torch.no_grad():
        true = uneven(x)
    options = {"weights": "int4", "ends": "int4", "per": "tensor", "weight_scale": "max"}
    errors = []
    for recipe in ("", steps):
        network = quantised(uneven, frames(48), Recipe.of(**options, recipe=recipe))  # type: ignore[arg-type]
        with torch.no_grad():
            torch.testing.assert_close(network.float(x), true, rtol=1e-3, atol=1e-4)
        errors.append(_error(network))
    assert errors[1] < 0.5 * errors[0]


def test_equalised_ranges_are_equal() -> None:
    model = _chain()
    network = Network(_uneven(model, [(model[0], model[2])]), frames())
    _applied(network, Equalise())
    for space in spaces(network):
        torch.testing.assert_close(space.made_by(), space.read_by(), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(
            Residual,
            [("layer1.0.conv1", "layer1.0.conv2"), ("layer1.1.conv1", "layer1.1.conv2")],
            id="Residual",
        ),
        pytest.param(Shuffled, [], id="Shuffled"),
        pytest.param(Inverted, [], id="Inverted"),
    ],
)
def test_spaces_stop_at_what_factors_do_not_pass(
    model: type[nn.Module], expected: list[tuple[str, str]]
) -> None:
    network = Network(seeded(model()), frames())
    names = {id(module): name for name, module in network.float.named_modules()}
    found = [
        (names[id(space.sources[0])], space.read[0]) for space in spaces(network) if len(space.sources) == 1
    ]
    assert [pair for pair in expected if pair not in found] == []
    x = frames(8, seed=2)
    with torch.no_grad():
        before = network.float(x)
        for space in spaces(network):
            space.divide(torch.linspace(0.5, 2, len(space.made_by())))
        torch.testing.assert_close(network.float(x), before, rtol=1e-4, atol=1e-5)


def test_smoothing_evens_activations_or_weights() -> None:
    model = _chain()
    uneven = _uneven(model, [(model[0], model[2])])
    for strength, made_even in ((1.0, True), (0.0, False)):
        network = _applied(Network(uneven, frames()), Smooth(strength))
        largest = Walk(network.float, [network.data]).inputs("2")[0].abs().amax((0, 2, 3))
        read = next(space for space in spaces(network) if space.read == ["2"]).read_by()
        even = largest if made_even else read
        torch.testing.assert_close(even, even.mean().expand_as(even), rtol=1e-3, atol=0)


def test_the_sensitive_tensors_are_found() -> None:
    network = _made()
    coarse, fine = network.layers[1], network.layers[2]
    for name, fmt in ((coarse, "int2"), (fine, "int16")):
        quantiser = network.quant_layer(name).weight_quant
        top = network.float_layer(name).weight.abs().max()
        replaced = type(quantiser)(parse(fmt), top / parse(fmt).maximum)
        network.quant_layer(name).weight_quant = replaced
    found = sensitivities(network)
    assert len(found) == len(network.layers) + len(network.quantisers)
    noise = {entry.name: entry.noise for entry in found if entry.tensor == "weights"}
    assert max(noise, key=noise.__getitem__) == coarse and noise[fine] < 1e-6
    assert all(0 <= entry.agreement <= 1 and entry.divergence >= -1e-6 for entry in found)
    assert all(network.quant_layer(name).weight_quant.enabled for name in network.layers)


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.left, self.right = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.relu(self.trunk(x))
        return self.left(y), self.right(y)


def test_networks_with_two_outputs() -> None:
    x = torch.rand(16, 4)
    assert quantised(seeded(TwoHeads()), x, Recipe.of("e2m1", recipe="equalise+gptq+blocks+statistics+bias"))
    with pytest.raises(UserError, match="one output was expected"):
        quantised(seeded(TwoHeads()), x, Recipe.of("e2m1", recipe="finetune"))


def test_recipes_know_the_steps() -> None:
    names = "finetune+bias+blocks+statistics+round+gptq+norms+smooth+equalise"
    kinds = [Equalise, Smooth, Norms, Gptq, Round, Blocks, Statistics, Bias, FineTune]
    assert [type(step) for step in parse_steps(names)] == kinds


def test_norms_have_few_bits() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.RMSNorm(6), nn.Linear(6, 2))
    gain = torch.tensor([1.9, -0.3, 0.004, 1.0, -1.99999, 0.0])
    with torch.no_grad():
        model[1].weight.copy_(gain)
        model[1].bias.copy_(-gain / 16)
    network = prepared(seeded(model), torch.randn(8, 4), (Norms(bits=5),))
    norm, other = network.float.get_submodule("1"), network.float.get_submodule("2")
    # 5 bits with a sign are at most 15, in steps of an eighth up to 2
    wanted = torch.tensor([15, -2, 0, 8, -15, 0]) / 8
    torch.testing.assert_close(norm.weight, wanted, rtol=0, atol=0)
    torch.testing.assert_close(norm.bias, -wanted / 16, rtol=0, atol=0)
    torch.testing.assert_close(other.weight, torch.ones(6), rtol=0, atol=0)
    assert norm.eps == 2.0**-17 and other.eps is None
    assert torch.equal(model[1].weight, gain)


def test_one_float_network_for_several_formats() -> None:
    steps = parse_steps("equalise+gptq+bias")
    ready = prepared(seeded(Residual()), frames(48), steps)
    for weights in ("e2m1", "int4"):
        recipe = Recipe.of(weights, scaling="real", recipe="equalise+gptq+bias")
        alone = quantised(seeded(Residual()), frames(48), recipe)
        shared = finished(ready.anew(), recipe)
        assert torch.equal(shared.quantised(ready.data), alone.quantised(ready.data))


def test_weights_rounded_once() -> None:
    network = _made()
    weights = [network.layer(name).weight.clone() for name in network.layers]
    before = network.quantised(network.data)
    with rounded_once(network.quantised):
        assert torch.equal(network.quantised(network.data), before)
        assert not network.quant_layer("conv1").weight_quant.enabled
    assert network.quant_layer("conv1").weight_quant.enabled
    assert all(torch.equal(network.layer(n).weight, w) for n, w in zip(network.layers, weights))
