"""A float module as a regular graph: what changes, what does not, and what is refused."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.ptq import Network, quantise
from pyqkit.quant.ptq.tracing import traced
from tests.quant.ptq.networks import Inverted, Residual, Shuffled, frames, seeded


@pytest.mark.parametrize("network", [Residual, Shuffled, Inverted], ids=["Residual", "Shuffled", "Inverted"])
def test_computes_what_the_module_does(network: type) -> None:
    model, x = seeded(network()), frames()
    with torch.no_grad():
        off = (traced(model, x)(x) - model(x)).abs().max()
    assert float(off) < 1e-5  # merged batch norms round otherwise


def test_batch_norms_and_dropouts_go_and_functions_become_modules() -> None:
    graph = traced(seeded(Residual()), frames())
    kinds = {type(module) for module in graph.modules()}
    assert not kinds & {nn.BatchNorm2d, nn.Dropout}
    assert isinstance(graph.get_submodule("relu"), nn.ReLU)
    assert graph.get_submodule("layer1.0.conv1").bias is not None


def test_a_module_that_is_called_twice_becomes_two() -> None:
    graph = traced(seeded(Residual()), frames())
    targets = [node.target for node in graph.graph.nodes if node.op == "call_module"]
    assert len(set(targets)) == len(targets)
    assert {"layer1.0.relu", "layer1.0.relu_1"} <= set(targets)


def test_rising_functions_go_before_max_pools() -> None:
    graph = traced(seeded(Residual()), frames()).graph
    pool = next(node for node in graph.nodes if node.name.startswith("max_pool2d"))
    assert pool.all_input_nodes[0].target == "relu"


def test_a_batch_norm_whose_layer_others_read_stays() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4)
            self.last = nn.Linear(4 * 64, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.last((torch.relu(self.norm(x)) + x).flatten(1))

    model, x = seeded(Forked()), frames()
    assert "norm" in dict(traced(model, x).named_modules())
    assert torch.isfinite(quantise(model, x, weights="int8")(x)).all()


class Called(nn.Module):
    """A convolution, and a function of what it gives."""

    def __init__(self, function: object, **modules: nn.Module) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(1, 4, 3), function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, self.conv(x))  # type: ignore[operator]


def _by_values(network: nn.Module, x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


REFUSED = {
    "dropout in evaluation": (
        lambda: Called(lambda self, x: functional.dropout(x, 0.5)),
        "dropout (it drops values in evaluation, too; pass training=self.training)",
    ),
    "weights of the input": (
        lambda: Called(lambda self, x: functional.linear(x, x[0, 0])),
        "linear (its weights are no layer's; use nn.Conv2d or nn.Linear)",
    ),
    "recurrent": (
        lambda: Called(lambda self, x: self.cell(x.flatten(2))[0], cell=nn.GRU(36, 4)),
        "cell (it feeds back what it computes; use convolutions over time)",
    ),
    "transposed": (
        lambda: Called(lambda self, x: self.up(x), up=nn.ConvTranspose2d(4, 2, 2)),
        "up (it is not quantised after training; use nn.Upsample and nn.Conv2d)",
    ),
    "attention": (
        lambda: Called(lambda self, x: self.mix(*[x.flatten(2)] * 3)[0], mix=nn.MultiheadAttention(36, 4)),
        "second axis of what mix reads were expected, but they are not there, so that it would mix them; "
        "pass batch_first=True",
    ),
    "transformer": (
        lambda: Called(lambda self, x: self.mix(x.flatten(2)), mix=nn.TransformerEncoderLayer(36, 4, 8)),
        "second axis of what mix.self_attn reads were expected, but they are not there",
    ),
    "own weights": (
        lambda: Called(lambda self, x: x @ self.norm.weight, norm=nn.LayerNorm(6)),
        "matmul (its weights are no layer's; use nn.Conv2d or nn.Linear)",
    ),
    "by values": (lambda: Called(_by_values), "whose way does not depend on its numbers was expected"),
    "random": (
        lambda: Called(lambda self, x: x * torch.rand(1)),
        "a network that computes the same every time was expected",
    ),
    "dictionary": (lambda: Called(lambda self, x: {"y": x}), "a network that returns a tensor or several"),
    "fails": (
        lambda: Called(lambda self, x: x @ torch.ones(9, 9)),
        "on a frame of shape (1, 8, 8) was expected",
    ),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_rewritten_is_named(make: object, words: str) -> None:
    with pytest.raises(UserError) as refusal:
        quantise(make().eval(), frames())  # type: ignore[operator]
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("function", "layer"),
    [
        (lambda self, x: functional.linear(x, torch.linspace(-1, 1, 12).view(2, 6)), nn.Linear),
        (lambda self, x: x @ torch.linspace(-1, 1, 12).view(6, 2), nn.Linear),
        (lambda self, x: torch.linspace(-1, 1, 12).view(2, 6) @ x, nn.Conv1d),
        (lambda self, x: functional.conv2d(x, self.last.weight.exp(), stride=2, groups=2), nn.Conv2d),
    ],
    ids=["linear", "right", "left", "convolution"],
)
def test_functions_of_constant_weights_become_layers(function: object, layer: type) -> None:
    model = seeded(Called(function, last=nn.Conv2d(4, 2, 2, groups=2)))
    found = Network(model, frames())
    assert isinstance(found.float_layer(found.layers[-1]), layer)
    assert not [node for node in found.float.graph.nodes if node.target == "exp"]  # computed once


FORMULAS = [
    ("bhnd,bhmd->bhnm", (2, 4, 6), (2, 4, 6), True),
    ("b n h d, b m h d -> b n m h", (4, 2, 6), (4, 2, 6), True),
    ("...id,...jd", (2, 4, 6), (2, 4, 6), True),
    ("bhd,bhmd->bhm", (4, 12), (4, 1, 12), True),
    ("bxyd,bwvd->bxywv", (2, 4, 6), (4, 2, 6), True),
    ("bqxy,bcyx->bqc", (4, 2, 6), (4, 6, 2), True),
    ("bnd,bnd->bnd", (8, 6), (8, 6), False),
    ("bnd,bme->bnm", (8, 6), (8, 6), False),
]


class Summed(nn.Module):
    """A sum by letters of two tensors that depend on the input."""

    def __init__(self, formula: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
        super().__init__()
        self.layer, self.formula, self.left, self.right = nn.Linear(8, 6), formula, left, right

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return torch.einsum(self.formula, y.reshape(-1, *self.left), y.reshape(-1, *self.right))


@pytest.mark.parametrize(("formula", "left", "right", "written"), FORMULAS)
def test_sums_by_letters_become_products_of_matrices(
    formula: str, left: tuple[int, ...], right: tuple[int, ...], written: bool
) -> None:
    model, x = seeded(Summed(formula, left, right)), frames()
    graph = traced(model, x)
    called = {node.target for node in graph.graph.nodes if node.op == "call_function"}
    assert (torch.einsum in called, torch.matmul in called) == (not written, written)
    torch.testing.assert_close(graph(x), model(x), rtol=1e-5, atol=1e-5)


def test_all_that_cannot_be_rewritten_is_named_at_once() -> None:
    model = Called(
        lambda self, x: self.b(self.a(x)), a=nn.ConvTranspose2d(4, 4, 2), b=nn.ConvTranspose2d(4, 2, 2)
    )
    with pytest.raises(UserError, match=r"rewritten: a \(.*\), b \(.*\)"):
        quantise(model.eval(), frames())


def test_training_mode_is_refused() -> None:
    with pytest.raises(UserError, match=r"evaluation mode was expected.*call model.eval\(\) first"):
        quantise(Residual().train(), frames())


def test_brevitas_layers_are_refused() -> None:
    import brevitas.nn as qnn

    with pytest.raises(UserError, match="a float network was expected, but it has Brevitas layers"):
        quantise(nn.Sequential(qnn.QuantConv2d(1, 2, 3)).eval(), frames())


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_activations_that_are_not_finite_are_refused(value: float) -> None:
    model = seeded(Residual())
    with torch.no_grad():
        model.layer1[0].conv1.weight[0, 0, 0, 0] = value
    with pytest.raises(UserError, match="NaN or infinity leaves layer1.0.conv1; check its weights"):
        quantise(model, frames())


def test_optional_arguments_keep_their_defaults() -> None:
    class Optional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor, scale: float = 2.0, mask: Tensor | None = None) -> Tensor:
            return self.conv(x) * scale if mask is None else x

    assert Network(Optional().eval(), frames()).layers == ("conv",)
