"""Attention that no operator computes: each kind has a sentence of its own that says what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.model import ModelError
from tests.graph.attention_networks import HEADS, TOKENS, WIDTH, heads_apart
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]
WHOLE = np.int64


def _packed(b: Builder, x: str) -> str:
    return b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, 3 * WIDTH)), "int8", 0.125)


def _refusal(make: Make, opset: int = 17) -> str:
    b = Builder(TOKENS, WIDTH)
    model = b.model(make(b, b.quantise("x", "int8", 2**-4)))
    model.opset_import[0].version = opset
    with pytest.raises(ConversionError) as caught:
        import_qonnx(model)
    return str(caught.value)


# ---- ONNX' own operator ------------------------------------------------------------------------------------


def _attention(b: Builder, x: str, *more: str, outputs: int = 1, **attributes: Any) -> str:
    """The operator on queries, keys and values of four axes; its last output is rounded."""
    found = b.node(
        "Attention", *heads_apart(b, _packed(b, x), "gather"), *more, outputs=outputs, **attributes
    )
    return b.quantise(found if outputs == 1 else found[-1], "int8")


def _of_rows(b: Builder, x: str, heads: int, others: int) -> str:
    """The operator on queries, keys and values of three axes."""
    sides = b.node("Split", _packed(b, x), axis=2, num_outputs=3, outputs=3)
    return b.quantise(b.node("Attention", *sides, q_num_heads=heads, kv_num_heads=others), "int8")


def _across(b: Builder, x: str) -> str:
    q, k, v = heads_apart(b, _packed(b, x), "gather")
    k, v = (b.node("Slice", y, *(b.constant([i], WHOLE) for i in (0, 3, 2))) for y in (k, v))
    return b.quantise(b.node("Attention", q, k, v), "int8")


def _earlier(b: Builder, x: str) -> str:
    past = b.constant(np.zeros((1, HEADS, 2, WIDTH // HEADS)))
    return _attention(b, x, "", past, past, outputs=3)


SIZE = WIDTH // HEADS
OPERATORS: dict[str, tuple[Make, str]] = {
    "plain": (
        _attention,
        "its scores and probabilities have no quantisers, and none can be put inside; let pyqkit quantise "
        "write it out as MatMul, Softmax and MatMul with quantisers between",
    ),
    "plain, of three axes": (
        lambda b, x: _of_rows(b, x, HEADS, HEADS),
        "its scores and probabilities have no quantisers",
    ),
    "a mask": (
        lambda b, x: _attention(b, x, b.constant(np.zeros((TOKENS, TOKENS)))),
        "it has a mask (attn_mask); leave the mask out, or write attention out",
    ),
    "earlier keys": (
        _earlier,
        "it reads keys of earlier frames (past_key); leave earlier keys and values out",
    ),
    "a causal mask": (lambda b, x: _attention(b, x, is_causal=1), "it has a causal mask (is_causal); leave"),
    "limited scores": (
        lambda b, x: _attention(b, x, softcap=30.0),
        "its scores are limited by a tanh (softcap=30); write attention out",
    ),
    "scores as an output": (
        lambda b, x: _attention(b, x, outputs=4),
        "its scores are an output (qk_matmul_output); write attention out",
    ),
    "heads that share keys": (
        lambda b, x: b.quantise(
            b.node(
                "Attention",
                *(
                    b.node("Slice", y, *(b.constant([i], WHOLE) for i in (0, n, 1)))
                    for y, n in zip(heads_apart(b, _packed(b, x), "gather"), (HEADS, 1, 1))
                ),
            ),
            "int8",
        ),
        "its 2 heads of queries share 1 of keys and values; give queries, keys and values as many heads each",
    ),
    "heads that do not divide": (
        lambda b, x: _of_rows(b, x, 3, 3),
        "its 3 heads do not divide 8 channels; take a number of heads that divides them",
    ),
    "another sequence": (
        _across,
        "its 5 queries look at 3 tokens of another sequence (cross attention); let tokens look at their own",
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_onnx_own_attention_is_refused_for_what_it_is(name: str) -> None:
    make, sentence = OPERATORS[name]
    found = _refusal(make, 23)
    assert sentence in found and "1 node cannot" in found


def test_frames_of_different_lengths_are_refused() -> None:
    def make(b: Builder, x: str) -> str:
        return _attention(b, x, "", "", "", b.constant([3], WHOLE))

    assert "different numbers of tokens (nonpad_kv_seqlen); give all frames as many" in _refusal(make, 24)


# ---- written out -------------------------------------------------------------------------------------------


def _with_mask(b: Builder, x: str, apply: Callable[[Builder, str], str]) -> str:
    """Attention whose scores pass `apply` before they are quantised."""
    q, k, v = heads_apart(b, _packed(b, x), "gather")
    scores = apply(b, b.node("MatMul", q, b.node("Transpose", k, perm=[0, 1, 3, 2])))
    shares = b.node("Softmax", b.quantise(scores, "int8", 0.125), axis=-1)
    return b.quantise(b.node("MatMul", b.quantise(shares, "uint8", 2**-8), v), "int8", 0.125)


def _causal(value: float) -> np.ndarray:
    return np.triu(np.full((TOKENS, TOKENS), value), 1)


def test_a_constant_added_to_scores_is_exact() -> None:
    """A causal mask or a bias of positions: masked scores have the lowest code."""
    b = Builder(TOKENS, WIDTH)
    x = b.quantise("x", "int8", 2**-4)
    graph = check(
        b.model(
            _with_mask(b, x, lambda b, s: b.node("Add", s, b.constant(np.triu(np.full((5, 5), -512.0), 1))))
        )
    )
    assert any(op.kind == "pixel_offset" for op in graph.operators)


def _hidden(b: Builder, x: str, beside: float = 0.0) -> str:
    """Quantised scores under a causal mask."""
    q, k, _ = heads_apart(b, _packed(b, x), "gather")
    scores = b.quantise(b.node("MatMul", q, b.node("Transpose", k, perm=[0, 1, 3, 2])), "int8", 0.125)
    mask = np.where(_causal(1) > 0, -np.inf, beside)
    return b.node("Add", scores, b.constant(mask))


WRITTEN: dict[str, tuple[Make, str]] = {
    "minus infinity": (
        lambda b, x: _with_mask(b, x, lambda b, s: b.node("Add", s, b.constant(_causal(-np.inf)))),
        "a causal mask is added to what no softmax reads next; quantise the scores before the mask, and let",
    ),
    "the lowest number": (
        lambda b, x: _with_mask(b, x, lambda b, s: b.node("Add", s, b.constant(_causal(-3.4e38)))),
        "a causal mask is added to what no softmax reads next; quantise the scores before the mask, and let",
    ),
    "a mask of neighbours": (
        lambda b, x: _with_mask(b, x, lambda b, s: b.node("Add", s, b.constant(_causal(-np.inf).T))),
        "it adds -inf, as masks of attention do that are not causal; add minus infinity above the diagonal",
    ),
    "a mask that is read twice": (
        lambda b, x: b.quantise(b.node("Relu", _hidden(b, x)), "uint8"),
        "a causal mask is added to what no softmax reads next",
    ),
    "a mask of queries": (
        lambda b, x: b.quantise(b.node("Softmax", _hidden(b, x), axis=-2), "uint8", 2**-8),
        "a causal mask is added to what no softmax reads next",
    ),
    "a mask and a bias of positions": (
        lambda b, x: b.quantise(b.node("Softmax", _hidden(b, x, 0.5), axis=-1), "uint8", 2**-8),
        "it adds numbers beside a causal mask; add them to the scores before their quantiser",
    ),
    "a choice": (
        lambda b, x: _with_mask(
            b,
            x,
            lambda b, s: b.node("Where", b.constant(_causal(1) == 0, bool), s, b.constant(-1e9)),
        ),
        "it chooses between numbers, as masks of attention do; add minus infinity above the diagonal",
    ),
    "sums by letters of one tensor": (
        lambda b, x: b.quantise(b.node("Einsum", x, x, equation="bic,bjd->bij"), "int8"),
        "its equation bic,bjd->bij is no product of two tensors that adds up over letters of both and keeps "
        "all others; write it as torch.matmul and other functions of one or two tensors",
    ),
    "heads that do not divide": (
        lambda b, x: b.quantise(
            b.node("Reshape", _packed(b, x), b.constant([1, TOKENS, 3, 3, WIDTH // 3], WHOLE)), "int8"
        ),
        "it reshapes (1, 5, 24), batch included, to (1, 5, 3, 3, 2); export the model with a batch of 1, and "
        "with a number of heads that divides the channels",
    ),
    "dropout in training": (
        lambda b, x: _with_mask(
            b, x, lambda b, s: b.node("Dropout", s, b.constant(0.1), b.constant(True, bool))
        ),
        "it drops elements at random (training_mode is true); export the model in evaluation mode",
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_attention_that_is_written_out_otherwise_is_refused(name: str) -> None:
    make, sentence = WRITTEN[name]
    assert sentence in _refusal(make)


def test_tokens_of_any_number_are_refused() -> None:
    b = Builder(TOKENS, WIDTH)
    model = b.model(b.quantise("x", "int8"))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "tokens"
    with pytest.raises(
        ModelError, match="static shapes were expected, but input x has a dynamic one; export"
    ):
        import_qonnx(model)
