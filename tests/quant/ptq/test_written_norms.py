"""Norms that forward writes out are PyTorch's; those that are none are refused; gates are products."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.graph.ops.layer_norm import LayerNorm
from pyqkit.quant import export_qonnx
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.pipeline import quantise
from pyqkit.quant.ptq.recipe import Recipe
from pyqkit.quant.ptq.tracing import traced
from tests.graph.checked import check

WIDTH, TOKENS, EPSILON = 16, 8, 1e-3
Form = Callable[["Written", Tensor], Tensor]


class Written(nn.Module):
    """A norm, or something else, between two layers."""

    def __init__(self, form: Form, first: nn.Module | None = None, last: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.last = first or nn.Linear(6, WIDTH), last or nn.Linear(WIDTH, 3)
        self.form, self.g = form, nn.Parameter(torch.linspace(0.5, 1.5, WIDTH))
        self.b = nn.Parameter(torch.linspace(-0.3, 0.3, WIDTH).view(1, 1, WIDTH))
        self.register_buffer("epsilon", torch.tensor(EPSILON))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.form(self, self.first(x)))


def _mean(x: Tensor, axis: int = -1) -> Tensor:
    return x.mean(axis, keepdim=True)


def _llama(self: Written, x: Tensor) -> Tensor:
    """With the casts of networks in half precision."""
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + EPSILON)).type_as(x) * self.g


def _gemma(self: Written, x: Tensor) -> Tensor:
    before = x.dtype
    x = x.to(torch.float32)
    x = x * torch.rsqrt(x.square().mean((-1,), keepdim=True) + self.epsilon)
    return (x * (1.0 + self.g.float())).to(before)


def _by_hand(self: Written, x: Tensor) -> Tensor:
    return (x - _mean(x)) / torch.sqrt(_mean((x - _mean(x)) ** 2) + EPSILON) * self.g + self.b


def _distance_first(self: Written, x: Tensor) -> Tensor:
    moved = x - torch.mean(x, dim=2, keepdim=True)
    return self.b + self.g * moved / (EPSILON + torch.mean(moved * moved, -1).unsqueeze(-1)) ** 0.5


def _var_mean(self: Written, x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, -1, keepdim=True, unbiased=False)
    return (x - mean) * (variance + EPSILON) ** -0.5


def _of_sum(self: Written, x: Tensor) -> Tensor:
    """What is normalised has a factor itself, and is read twice."""
    x = x * self.g
    return x + x * torch.rsqrt(_mean(x * x) + EPSILON)


def _twice(self: Written, x: Tensor) -> Tensor:
    for _ in range(2):
        x = (x - _mean(x)) * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + EPSILON) * self.g + self.b
    return x


FORMS: dict[str, tuple[Form, list[str]]] = {
    "Llama's": (_llama, ["RMSNorm with a gain"]),
    "Gemma's": (_gemma, ["RMSNorm with a gain"]),
    "root below": (lambda self, x: self.g * (x / torch.sqrt(_mean(x**2) + EPSILON)), ["RMSNorm with a gain"]),
    "one over a root": (
        lambda self, x: 1 / torch.sqrt(_mean(x * x) + EPSILON) * self.g * x,
        ["RMSNorm with a gain"],
    ),
    "two gains": (
        lambda self, x: self.g * x * torch.rsqrt(_mean(x * x) + EPSILON) * self.g,
        ["RMSNorm with a gain"],
    ),
    "an axis that comes back": (
        lambda self, x: x * (x.pow(2).mean(-1) + EPSILON).sqrt().reciprocal()[..., None],
        ["RMSNorm"],
    ),
    "a factor of all": (lambda self, x: 2 * x * torch.rsqrt(_mean(x * x) + EPSILON), ["RMSNorm"]),
    "by hand": (_by_hand, ["LayerNorm with a gain and an offset"]),
    "distance first": (_distance_first, ["LayerNorm with a gain and an offset"]),
    "variance and mean": (_var_mean, ["LayerNorm"]),
    "of a sum": (_of_sum, ["RMSNorm"]),
    "twice": (_twice, ["LayerNorm with a gain and an offset"] * 2),
}


def frames(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (10, *(shape or (TOKENS, 6)))).astype(np.float32)


def made(form: Form, *layers: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    return Written(form, *layers).eval()


def described(norm: nn.Module) -> str:
    own = [
        word
        for name, word in (("weight", "a gain"), ("bias", "an offset"))
        if getattr(norm, name, None) is not None
    ]
    return type(norm).__name__ + (f" with {' and '.join(own)}" if own else "")


@pytest.mark.parametrize("name", FORMS)
def test_a_norm_that_is_written_out_is_pytorchs(name: str) -> None:
    form, wanted = FORMS[name]
    model, x = made(form), torch.from_numpy(frames())
    graph = traced(model, x)
    norms = [module for module in graph.modules() if isinstance(module, (nn.LayerNorm, nn.RMSNorm))]
    assert [described(norm) for norm in norms] == wanted
    assert all(norm.eps == pytest.approx(EPSILON) for norm in norms)
    assert not [node for node in graph.graph.nodes if not node.users and node.op != "output"]
    torch.testing.assert_close(graph(x), model(x), rtol=1e-4, atol=1e-5)


def norms_as_the_reference(model: nn.Module, x: np.ndarray, path: Path) -> int:
    """How many norms a network has, which engine `exact` runs as the reference does, and close to float."""
    rounded = quantise(model, x, weights="int8", recipe="norms")
    graph = check(onnx.load(export_qonnx(rounded, torch.from_numpy(x[:2]), path / "net.onnx")), x)
    with torch.no_grad():
        wanted, found = (net(torch.from_numpy(x)).numpy() for net in (model, rounded))
    assert np.median(np.abs(found - wanted)) < 0.03 * np.abs(wanted).max()
    return sum(isinstance(op, LayerNorm) for op in graph.operators)


@pytest.mark.parametrize("name", ["Llama's", "by hand", "variance and mean", "two gains", "of a sum"])
def test_a_norm_that_is_written_out_runs_as_the_reference_says(name: str, tmp_path: Path) -> None:
    form, _ = FORMS[name]
    assert norms_as_the_reference(made(form), frames(), tmp_path) == 1


def _of_columns(self: Written, x: Tensor) -> Tensor:
    return x * torch.rsqrt(_mean(x.pow(2)) + EPSILON)


def test_columns_of_an_image_are_no_channels(tmp_path: Path) -> None:
    model = made(_of_columns, nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 1))
    assert norms_as_the_reference(model, frames(1, 6, 6), tmp_path) == 0


NEAR: dict[str, tuple[Form, str]] = {
    "unbiased": (
        lambda self, x: (x - _mean(x)) * torch.rsqrt(x.var(-1, keepdim=True) + EPSILON),
        "but these are others: mul (its variance is unbiased); use torch.nn.LayerNorm or torch.nn.RMSNorm",
    ),
    "deviation": (
        lambda self, x: self.g * (x - _mean(x)) / (x.std(-1, keepdim=True, correction=0) + EPSILON) + self.b,
        "truediv (its epsilon stands outside of the root)",
    ),
    "no epsilon": (
        lambda self, x: x * torch.rsqrt(_mean(x * x)),
        "mul (it adds no epsilon to its mean of squares)",
    ),
    "no mean": (
        lambda self, x: x / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + EPSILON),
        "truediv (its mean is subtracted in one of its parts alone)",
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_nearly_a_norm_is_refused_in_a_sentence(name: str) -> None:
    form, sentence = NEAR[name]
    with pytest.raises(UserError) as caught:
        quantise(made(form), frames(), weights="int8")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_nearly_a_norm_is_measured_and_left_to_the_host() -> None:
    form, _ = NEAR["unbiased"]
    network = Network(made(form), torch.from_numpy(frames()))
    network.quantise(Recipe.of("int8", placement="layers"))
    assert torch.isfinite(network.quantised(network.data)).all()
    quantise(made(form, nn.Linear(6, WIDTH), nn.Identity()), frames(), weights="int8")


GATES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "function": (
        lambda: Written(lambda self, x: functional.glu(x, -1), nn.Linear(6, 2 * WIDTH)),
        (TOKENS, 6),
    ),
    "module": (lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.GLU(1), nn.Conv2d(4, 2, 1)), (1, 6, 6)),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gated_linear_unit_runs_as_the_reference_says(name: str, tmp_path: Path) -> None:
    make, shape = GATES[name]
    torch.manual_seed(1)
    assert norms_as_the_reference(make().eval(), frames(*shape), tmp_path) == 0
