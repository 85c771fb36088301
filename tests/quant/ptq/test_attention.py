"""A vision transformer after training: attention written out, quantised, exported, and run in integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.graph.graph import encode_input
from pyqkit.graph.ops.softmax import Softmax
from pyqkit.quant import export_qonnx
from pyqkit.quant.ptq.attention import write_out_attention
from pyqkit.quant.ptq.masks import CausalSoftmax
from pyqkit.quant.ptq.pipeline import quantise
from pyqkit.quant.ptq.tracing import traced
from tests.graph.checked import check

WIDTH, HEADS = 16, 4


class Attention(nn.Module):
    def __init__(self, **options: object) -> None:
        super().__init__()
        self.packed, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.packed(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v, **self.options)  # type: ignore[arg-type]
        return self.out(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """A layer with its norms behind the sums, or before what is added."""

    def __init__(self, before: bool, **options: object) -> None:
        super().__init__()
        self.attention, self.before = Attention(**options), before
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.wide = nn.Sequential(nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        if self.before:
            x = x + self.attention(self.first(x))
            return x + self.wide(self.second(x))
        x = self.first(x + self.attention(x))
        return self.second(x + self.wide(x))


class Transformer(nn.Module):
    def __init__(self, before: bool = False, class_token: bool = True, **options: object) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH)) if class_token else None
        self.places = nn.Parameter(torch.randn(1, 4 + class_token, WIDTH))
        self.layers = nn.Sequential(Layer(before, **options))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1)
        x = self.layers(x + self.places)
        return self.head(self.norm(x[:, 0]) if self.token is not None else self.norm(x).mean(1))


def made(seed: int = 0, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    return Transformer(**options).eval()  # type: ignore[arg-type]


def frames(count: int = 8) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (count, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_that_is_written_out_computes_the_same(scale: float | None) -> None:
    model, x = made(scale=scale), torch.from_numpy(frames())
    graph = traced(model, x)
    write_out_attention(graph, x)
    names = [name for name, module in graph.named_modules() if isinstance(module, nn.Softmax)]
    assert names == ["layers.0.attention.softmax"]
    with torch.no_grad():
        torch.testing.assert_close(graph(x), model(x))


OPTIONS: dict[str, object] = {
    "attn_mask": torch.full((5, 5), -torch.inf).triu(2),
    "attn_mask;": torch.ones(5, 5, dtype=torch.bool).tril(1),
    "enable_gqa": True,
}


@pytest.mark.parametrize("option", OPTIONS)
def test_other_masks_are_refused(option: str) -> None:
    model, x = made(**{option.rstrip(";"): OPTIONS[option]}), torch.from_numpy(frames())
    with pytest.raises(
        UserError, match=f"a causal one or constants that are added, .* was expected.* has {option}"
    ):
        quantise(model, x, weights="int8")


MASKS: dict[str, dict[str, object]] = {
    "is_causal": {"is_causal": True},
    "truth values": {"attn_mask": torch.ones(5, 5, dtype=torch.bool).tril()},
    "minus infinity": {"attn_mask": torch.full((5, 5), -torch.inf).triu(1)},
}


@pytest.mark.parametrize("name", MASKS)
def test_causal_masks_run_as_the_reference_says(name: str, tmp_path: Path) -> None:
    model, x = made(**MASKS[name]), frames(12)
    graph = traced(model, torch.from_numpy(x))
    write_out_attention(graph, torch.from_numpy(x))
    with torch.no_grad():
        torch.testing.assert_close(graph(torch.from_numpy(x)), model(torch.from_numpy(x)))
    rounded = quantise(model, x, weights="int8")
    path = export_qonnx(rounded, torch.from_numpy(x[:2]), tmp_path / "net.onnx")
    import onnx

    lowered = check(onnx.load(path), x)
    assert [op.causal for op in lowered.operators if isinstance(op, Softmax)] == [True]


def test_a_causal_mask_over_another_sequence_is_refused_by_name() -> None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            mixed = functional.scaled_dot_product_attention(y[:, :2], y[:, 2:], y[:, 2:], is_causal=True)
            return self.last(mixed)

    with pytest.raises(UserError, match="has a causal mask over 2 queries and 3 keys; give it as many"):
        quantise(Cross().eval(), torch.randn(8, 5, 6), weights="int8")


@pytest.mark.parametrize(
    ("fmt", "before", "class_token"), [("int8", False, True), ("int8", True, False), ("e4m3", False, False)]
)
def test_what_is_quantised_runs_as_the_reference_says(
    fmt: str, before: bool, class_token: bool, tmp_path: Path
) -> None:
    x = frames(12)
    rounded = quantise(made(before=before, class_token=class_token), x, weights=fmt)
    path = export_qonnx(rounded, torch.from_numpy(x[:2]), tmp_path / "net.onnx")
    import onnx

    graph = check(onnx.load(path), x)
    kinds = [op.kind for op in graph.operators]
    assert [kinds.count(kind) for kind in ("softmax", "matrix_product", "layer_norm")] == [1, 2, 3]
    (port,) = graph.inputs
    codes = graph.execute({port.tensor: encode_input(port, graph.tensors[port.tensor], x)})
    (found,) = graph.decode(codes).values()
    with torch.no_grad():
        wanted = rounded(torch.from_numpy(x)).numpy()
    assert np.median(np.abs(found - wanted)) < 0.02 * np.abs(wanted).max()


class Pooled(nn.Module):
    """Tokens under a norm, which one sum weighted by shares of them makes a vector of."""

    def __init__(self, norm: nn.Module, product: bool) -> None:
        super().__init__()
        self.patches, self.norm, self.product = nn.Conv2d(3, WIDTH, 4, stride=4), norm, product
        self.pool, self.head = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.patches(x).flatten(2).transpose(1, 2))
        shares = functional.softmax(self.pool(x), dim=1)
        found = (shares.transpose(-1, -2) @ x).squeeze(-2) if self.product else (shares * x).sum(1)
        return self.head(found)


@pytest.mark.parametrize(("norm", "product"), [(nn.LayerNorm, True), (nn.RMSNorm, False)])
def test_sequence_pooling_runs_as_the_reference_says(
    norm: type[nn.Module], product: bool, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    x = frames(12)
    rounded = quantise(Pooled(norm(WIDTH), product).eval(), x, weights="int8")
    path = export_qonnx(rounded, torch.from_numpy(x[:2]), tmp_path / "net.onnx")
    import onnx

    kinds = [op.kind for op in check(onnx.load(path), x).operators]
    wanted = ("softmax", "layer_norm", "matrix_product" if product else "product")
    assert [kinds.count(kind) for kind in wanted] == [1, 1, 1]


class Module(nn.Module):
    """The module of PyTorch, called as `call` says."""

    def __init__(self, call: Callable[[nn.Module, Tensor], Tensor], **options: object) -> None:
        super().__init__()
        self.layer, self.call = nn.Linear(6, WIDTH), call
        self.mix = nn.MultiheadAttention(WIDTH, HEADS, **{"batch_first": True, **options})  # type: ignore[arg-type]
        self.last = nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.call(self.mix, self.layer(x)))


class Masked(nn.Module):
    """The module of PyTorch with its usual causal mask, a buffer that is cut to the tokens."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(6, WIDTH), nn.Linear(WIDTH, 3)
        self.mix = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return self.last(
            self.mix(y, y, y, attn_mask=self.mask[:5, :5], need_weights=False, is_causal=True)[0]
        )


@pytest.mark.parametrize("kind", ["minus infinity", "truth values"])
def test_pytorchs_module_under_a_causal_mask(kind: str) -> None:
    torch.manual_seed(2)
    mask = nn.Transformer.generate_square_subsequent_mask(8)
    model, x = Masked(mask if kind == "minus infinity" else mask < 0).eval(), torch.randn(4, 5, 6)
    graph = traced(model, x)
    write_out_attention(graph, x)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), model(x))
    assert any(isinstance(module, CausalSoftmax) for module in graph.modules())


def _tokens_first(mix: nn.Module, x: Tensor) -> Tensor:
    mix.batch_first = False  # type: ignore[assignment]
    return x + mix(x, x, x)[0]


CALLS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "usual": lambda mix, x: x + mix(x, x, x)[0],
    "without weights": lambda mix, x: mix(x, x, x, need_weights=False)[0],
    "tokens first": lambda mix, x: _tokens_first(mix, x.transpose(0, 1)).transpose(0, 1),
    "unpacked": lambda mix, x: (lambda y, _: y)(*[mix(query=x, key=x, value=x)[i] for i in (0, 1)]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("bias", [True, False])
def test_pytorchs_module_becomes_layers(name: str, bias: bool) -> None:
    torch.manual_seed(1)
    model, x = Module(CALLS[name], bias=bias).eval(), torch.randn(4, 5, 6)
    graph = traced(model, x)
    assert not any(isinstance(module, nn.MultiheadAttention) for module in graph.modules())
    with torch.no_grad():
        torch.testing.assert_close(graph(x), model(x))


@pytest.mark.parametrize("call", ["usual", "tokens first"])
def test_pytorchs_module_runs_as_the_reference_says(call: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    x = np.random.default_rng(6).normal(0, 1, (12, 5, 6)).astype(np.float32)
    rounded = quantise(Module(CALLS[call]).eval(), x, weights="int8")
    path = export_qonnx(rounded, torch.from_numpy(x[:2]), tmp_path / "net.onnx")
    import onnx

    graph = check(onnx.load(path), x)
    assert [op.kind for op in graph.operators].count("matrix_product") == 2


OTHERS: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], dict[str, object], str]] = {
    "cross attention": (lambda mix, x: mix(x, x + 1, x)[0], {}, "it mixes several tensors, as cross"),
    "weights": (lambda mix, x: mix(x, x, x)[1] @ x, {}, "its weights are used"),
    "keys of its own": (CALLS["usual"], {"add_bias_kv": True}, "it has keys of its own"),
    "zeros": (CALLS["usual"], {"add_zero_attn": True}, "it adds a token of zeros"),
    "mask": (
        lambda mix, x: mix(x, x, x, attn_mask=torch.zeros(5, 5))[0],
        {},
        "it has the mask attn_mask",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_attention_of_other_kinds_is_refused(name: str) -> None:
    call, options, reason = OTHERS[name]
    with pytest.raises(UserError, match="attention of each token to all others, or to") as caught:
        quantise(Module(call, **options).eval(), torch.randn(8, 5, 6), weights="int8")
    assert reason in str(caught.value)
