"""Attention from ONNX to the graph, code by code as the reference says, and what is refused with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pyqkit.compiler import compile
from pyqkit.formats import Integer, parse
from pyqkit.graph.conventions import exponential_table
from pyqkit.graph.graph import Graph, GraphError, Tensor, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.ops.layer_norm import LayerNorm
from pyqkit.graph.ops.matrix_product import MatrixProduct
from pyqkit.graph.ops.softmax import Softmax
from pyqkit.reference.quantised import Moved, Quantised, real_of
from pyqkit.reference.reference import Reference
from pyqkit.tables import verdict
from tests.graph.attention_networks import (
    HEADS,
    TOKENS,
    WIDTH,
    encoder,
    heads_apart,
    norm,
    pooled,
    with_class_token,
)
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder
from tests.rtl.bench import needs_verilator


def tokens(frames: int = 30) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 2, (frames, TOKENS, WIDTH)).astype(np.float32)


FORMATS: dict[str, tuple[str, str, tuple[str, float]]] = {
    "int8": ("int8", "int8", ("uint8", 2**-8)),
    "real scale of shares": ("int8", "int8", ("uint8", 1 / 255)),
    "int4": ("int4", "int4", ("uint4", 2**-4)),
    "e4m3": ("e4m3", "e4m3", ("ue3m2", 2**-4)),
    "e3m2": ("e3m2", "int8", ("e2m1", 2**-3)),
    "lp8_1_3": ("lp8_1_3", "lp8_1_3", ("lp8_1_3", 1.0)),
    "log posits by integers": ("lp8_1_3", "int8", ("uint8", 2**-8)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_an_encoder_layer_gives_the_codes_of_the_reference(name: str) -> None:
    graph = check(encoder(*FORMATS[name]), tokens())
    kinds = [op.kind for op in graph.operators]
    assert [kinds.count(kind) for kind in ("matrix_product", "softmax", "layer_norm")] == [2, 1, 1]
    product = next(op for op in graph.operators if isinstance(op, MatrixProduct))
    assert (product.groups, product.across) == (HEADS, False)
    assert graph.tensors[product.outputs[0]].shape == (1, TOKENS, HEADS * TOKENS)


@pytest.mark.parametrize("layout", ["gather", "split", "batch first"])
def test_heads_come_apart_however_an_exporter_writes_it(layout: str) -> None:
    check(encoder(layout=layout), tokens())


MASKS: dict[str, tuple[float, tuple[int, ...]]] = {
    "PyTorch": (-np.inf, (1, 1, TOKENS, TOKENS)),
    "the lowest number": (float(np.finfo(np.float32).min), (TOKENS, TOKENS)),
    "each head": (-np.inf, (1, HEADS, TOKENS, TOKENS)),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("fmt", ["int8", "e3m2", "lp8_1_3"])
def test_causal_masks_give_the_codes_of_the_reference(name: str, fmt: str) -> None:
    low, shape = MASKS[name]
    mask = np.broadcast_to(np.triu(np.full((TOKENS, TOKENS), low), 1), shape)
    graph = check(encoder(*FORMATS[fmt], mask=mask), tokens())
    (softmax,) = (op for op in graph.operators if isinstance(op, Softmax))
    assert softmax.causal and not any(op.kind == "pixel_offset" for op in graph.operators)


def test_a_reference_that_hides_another_token_is_told_from_the_graph() -> None:
    """Codes tell a mask from the one beside it, and from none."""
    causal = np.triu(np.full((TOKENS, TOKENS), -np.inf), 1)
    outputs = [
        real_of(next(iter(Reference(encoder(mask=mask)).run(tokens()).values()))).high
        for mask in (causal, np.triu(np.full((TOKENS, TOKENS), -np.inf), 2), None)
    ]
    assert (outputs[0] != outputs[1]).any() and (outputs[0] != outputs[2]).any()


@pytest.mark.parametrize("fmt", ["int8", "e4m3", "e3m2"])
@pytest.mark.parametrize("first", [True, False])
def test_class_token_and_positions_are_added(fmt: str, first: bool) -> None:
    graph = check(with_class_token(fmt, first))
    assert [op.kind for op in graph.operators].count("pixel_offset") == 2


@pytest.mark.parametrize("first", [True, False])
def test_a_class_token_may_be_zero(first: bool) -> None:
    """As it is in a network that was not trained yet."""
    graph = check(with_class_token("int8", first, size=0))
    assert [op.kind for op in graph.operators].count("pad") == 1


@pytest.mark.parametrize("fmt", ["int8", "e3m2"])
def test_rms_norms_are_those_of_the_reference(fmt: str) -> None:
    b = Builder(TOKENS, WIDTH)
    normed = norm(b, b.quantise("x", fmt, 2**-4), "RMSNormalization")
    model = b.model(b.quantise(normed, fmt, 2**-5))
    model.opset_import[0].version = 23
    graph = check(model, tokens())
    assert any(isinstance(op, LayerNorm) and not op.centred for op in graph.operators)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("softmax over tokens", "matrix_product"),
        ("softmax behind a transpose", "matrix_product"),
        ("sum of products", "product"),
    ],
)
def test_sequences_are_pooled_by_shares_of_tokens(form: str, kind: str) -> None:
    b = Builder(TOKENS, WIDTH)
    x = b.quantise(b.node("MatMul", b.quantise("x", "int8", 2**-4), b.weights("int4", WIDTH, WIDTH)), "int8")
    found = b.quantise(pooled(b, x, form), "int8", 0.25)
    graph = check(b.model(b.node("MatMul", found, b.weights("int4", WIDTH, 3))), tokens())
    assert {"softmax", kind} <= {op.kind for op in graph.operators}
    softmax = next(op for op in graph.operators if isinstance(op, Softmax))
    assert graph.tensors[softmax.outputs[0]].shape == (1, 1, TOKENS)


SELECTED: dict[str, Callable[[Builder, str], str]] = {
    "an index": lambda b, x: b.node("Gather", x, b.constant(-1, np.int64), axis=1),
    "a slice": lambda b, x: b.node("Slice", x, *(b.constant([i], np.int64) for i in (1, 4, 1))),
    "all but the first": lambda b, x: b.node(
        "Split", x, b.constant([1, TOKENS - 1], np.int64), axis=1, outputs=2
    )[1],
    "a mean": lambda b, x: b.node("ReduceMean", x, axes=[1]),
    "an average pool": lambda b, x: b.node("GlobalAveragePool", b.node("Transpose", x, perm=[0, 2, 1])),
}


@pytest.mark.parametrize("name", SELECTED)
def test_tokens_are_selected_and_averaged(name: str) -> None:
    b = Builder(TOKENS, WIDTH)
    x = b.quantise(norm(b, b.quantise("x", "int8", 2**-4)), "int8", 2**-5)
    check(b.model(b.quantise(SELECTED[name](b, x), "int8", 2**-5)), tokens())


def test_a_wrong_position_is_found() -> None:
    model = with_class_token()
    graph, x = import_qonnx(model), np.random.default_rng(2).normal(0, 3, (4, 3, 8, 8)).astype(np.float32)
    wrong = next(op for op in graph.operators if op.kind == "pixel_offset" and op.offsets[0, 3].any())
    wrong.offsets = wrong.offsets.copy()
    wrong.offsets[0, 3, 2] += 8
    (port,) = graph.inputs
    codes = graph.execute({port.tensor: encode_input(port, graph.tensors[port.tensor], x)})
    right = import_qonnx(model).execute({port.tensor: encode_input(port, graph.tensors[port.tensor], x)})
    assert any((codes[name] != right[name]).any() for name in codes)


# ---- definitions against plain arithmetic ------------------------------------------------------------------


def _softmax(fmt: str, shares: str, gain: Fraction, groups: int, step: Fraction) -> tuple[Softmax, Tensor]:
    scores = parse(fmt)
    tables = np.zeros((2, 2**scores.bits), np.int64)
    tables[:, scores.codes] = exponential_table([step * int(i) for i in scores.integers[scores.codes]])
    op = Softmax(
        *("s", ["x"], ["s"], parse(shares), tables[0], tables[1], groups, gain.numerator, gain.denominator)
    )
    return op, Tensor.of("x", (1, 7, 6), scores)


def test_softmax_is_the_rounded_quotient_of_its_terms() -> None:
    op, tensor = _softmax("int8", "uint8", Fraction(256), 2, Fraction(1, 16))
    codes = np.random.default_rng(0).integers(0, 256, (20, 1, 7, 6)).astype(np.uint8)
    codes[0, 0, 0] = 5  # equal scores: shares of a third
    codes[0, 0, 1] = [5, 6, 128, 5, 5, 127]
    (found,) = op.execute([codes], [tensor])
    for place in np.ndindex(20, 1, 7, 2):
        row = codes[place[:-1]].reshape(2, 3)[place[-1]]
        top = max(int(op.exponents[c]) for c in row)
        terms = [int(op.significands[c]) >> min(top - int(op.exponents[c]), 40) for c in row]
        wanted = [min(255, round(256 * Fraction(term, sum(terms)))) for term in terms]
        np.testing.assert_array_equal(found[place[:-1]].reshape(2, 3)[place[-1]], wanted)


def test_ties_of_shares_go_to_the_even_code() -> None:
    op, tensor = _softmax("int8", "uint4", Fraction(5), 3, Fraction(1, 8))  # two equal scores: 2.5
    (found,) = op.execute([np.full((1, 1, 7, 6), 9, np.uint8)], [tensor])
    assert (found == 2).all()


def test_layer_norm_is_the_real_result_rounded_once() -> None:
    draw, fmt = np.random.default_rng(1), parse("int8")
    gains, offsets = draw.integers(-40, 41, (2, 6))
    rows = [gains, np.full(6, 3), offsets, np.full(6, 7)]
    op = LayerNorm("n", ["x"], ["n"], fmt, *(row.astype(np.int64) for row in rows), 13, 5)
    codes = draw.integers(0, 256, (50, 1, 4, 6)).astype(np.uint8)
    codes[0], codes[1, ..., :5] = 3, 7  # nothing spreads, one channel alone does
    (found,) = op.execute([codes], [Tensor.of("x", (1, 4, 6), fmt)])
    x = fmt.to_integers(codes).astype(np.longdouble)
    moved, spread = 6 * x - x.sum(-1, keepdims=True), 6 * (x**2).sum(-1, keepdims=True)
    spread = spread - x.sum(-1, keepdims=True) ** 2
    real = np.longdouble(1) * gains / 3 * moved / np.sqrt(
        spread + np.longdouble(13) / 5
    ) + offsets / np.longdouble(7)
    assert np.abs(real - np.floor(real) - 0.5).min() > 1e-12  # none that long doubles could get wrong
    np.testing.assert_array_equal(fmt.to_integers(found), np.clip(np.rint(real), -128, 127).astype(int))


def test_a_result_on_a_boundary_is_decided_by_squares() -> None:
    """Two channels 1 and -1: d = (2, -2), v = 4; without epsilon the result is the gain, and minus it."""
    rows = [np.array([5, 5]), np.array([2, 2]), np.array([0, 0]), np.array([1, 1])]
    tensor = Tensor.of("x", (1, 1, 2), parse("int8"))
    codes = Integer(8).from_integers(np.array([1, -1])).reshape(1, 1, 1, 2)
    op = LayerNorm("n", ["x"], ["n"], parse("int8"), *(r.astype(np.int64) for r in rows), 1, 2**62)
    assert Integer(8).to_integers(op.execute([codes], [tensor])[0]).ravel().tolist() == [2, -2]
    above = replace(op, gain_numerators=np.array([5 * 2**55 + 1, -(5 * 2**55 + 1)]))
    above = replace(above, gain_denominators=np.array([2**56, 2**56]))
    assert Integer(8).to_integers(above.execute([codes], [tensor])[0]).ravel().tolist() == [3, 3]


def test_matrix_products_are_those_of_heads() -> None:
    draw, (left, right) = np.random.default_rng(3), (parse("e4m3"), parse("int8"))
    a = left.codes[draw.integers(0, len(left.codes), (2, 1, 3, 8))]
    c = right.codes[draw.integers(0, 256, (2, 1, 5, 8))]
    tensors = [Tensor.of("a", (1, 3, 8), left), Tensor.of("c", (1, 5, 8), right)]
    op = MatrixProduct("p", ["a", "c"], ["p"], 2, False)
    (found,) = op.execute([a, c], tensors)
    (out,) = op.infer(tensors)
    x, y = left.integers[a].reshape(2, 3, 2, 4), right.integers[c].reshape(2, 5, 2, 4)
    wanted = np.einsum("ftgi,fsgi->ftgs", x, y).reshape(2, 1, 3, 10)
    np.testing.assert_array_equal(out.format.to_integers(found), wanted)  # type: ignore[attr-defined]


# ---- how many codes the definition of a softmax moves ------------------------------------------------------


def _moved(values: dict[str, Any]) -> Moved:
    return sum((v.moved for v in values.values() if isinstance(v, Quantised)), Moved())


def test_codes_that_the_definition_of_softmax_moves_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    x = tokens(100)
    found = _moved(Reference(encoder()).run(x, keep=True))
    assert found.codes == 100 * HEADS * TOKENS**2 and found.differing == found.far == 0
    import pyqkit.reference.attention as judged

    def coarse(numbers: Any) -> tuple[np.ndarray, np.ndarray]:
        significands, exponents = exponential_table(numbers)
        return significands >> 24 << 24, exponents  # six bits

    monkeypatch.setattr(judged, "exponential_table", coarse)
    wrong = _moved(Reference(encoder()).run(x, keep=True))
    assert wrong.differing > 0 and wrong.far > 0


def test_the_table_of_exponentials_is_as_near_as_it_says() -> None:
    numbers = [Fraction(n, 16) for n in range(-2000, 2000, 7)]
    for number, significand, exponent in zip(numbers, *exponential_table(numbers)):
        assert 2**29 <= significand <= 2**30
        real = np.exp(np.longdouble(float(number)))
        assert abs(np.ldexp(np.longdouble(int(significand)), int(exponent)) / real - 1) < 2.0**-30 * 1.001


# ---- what is refused ---------------------------------------------------------------------------------------

Make = Callable[[Builder, str], str]
COMMAND = "pyqkit quantise puts quantisers on"


def _scores(b: Builder, x: str) -> str:
    packed = b.quantise(b.node("MatMul", x, b.weights("int4", WIDTH, 3 * WIDTH)), "int8", 0.125)
    q, k, _ = heads_apart(b, packed, "gather")
    return b.node("MatMul", q, b.node("Transpose", k, perm=[0, 1, 3, 2]))


REFUSED: dict[str, tuple[Make, str]] = {
    "unquantised scores": (
        lambda b, x: b.quantise(b.node("Softmax", _scores(b, x), axis=-1), "uint8", 2**-8),
        f"its scores are not quantised to at most 8 bits; {COMMAND}",
    ),
    "scores of 12 bits": (
        lambda b, x: b.quantise(
            b.node("Softmax", b.quantise(_scores(b, x), "int12"), axis=-1), "uint8", 2**-8
        ),
        "its scores are not quantised to at most 8 bits",
    ),
    "unquantised probabilities": (
        lambda b, x: b.quantise(
            b.node(
                "MatMul",
                b.node("Softmax", b.quantise(_scores(b, x), "int8"), axis=-1),
                heads_apart(b, b.quantise(b.node("Concat", x, x, x, axis=2), "int8"), "gather")[2],
            ),
            "int8",
        ),
        f"one of its two factors is not quantised; {COMMAND}",
    ),
    "an unquantised norm": (
        lambda b, x: b.quantise(norm(b, b.node("MatMul", x, b.weights("int8", WIDTH, WIDTH))), "int8"),
        "what it normalises is not quantised to at most 16 bits; put a quantiser",
    ),
    "a function behind a norm": (
        lambda b, x: b.quantise(b.node("Relu", norm(b, x)), "uint8"),
        "a function follows a softmax or a norm without a quantiser between",
    ),
    "a norm of another axis": (
        lambda b, x: b.quantise(
            b.node("LayerNormalization", x, b.constant(np.ones((TOKENS, WIDTH))), axis=1), "int8"
        ),
        "it goes along axis 1 of 3",
    ),
    "a softmax over frames": (
        lambda b, x: b.quantise(b.node("Softmax", x, axis=0), "uint8", 2**-8),
        "it goes along the batch; let it go along channels or tokens",
    ),
    "16 bits behind a norm": (
        lambda b, x: b.quantise(norm(b, x), "int16"),
        "a softmax or a norm is rounded to int16",
    ),
    "positions without a scale": (
        lambda b, x: b.quantise(
            b.node(
                "Add",
                b.node("Mul", b.node("MatMul", x, b.weights("int4", WIDTH, WIDTH)), b.constant(1e-30)),
                b.constant(b.random.normal(0, 1e9, (1, TOKENS, WIDTH))),
            ),
            "int8",
        ),
        "a constant of each pixel is added whose steps and those of the tensor have no simple ratio",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_attention_must_not_be_is_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(TOKENS, WIDTH)
    model = b.model(make(b, b.quantise("x", "int8", 2**-4)))
    with pytest.raises(ConversionError) as caught:
        import_qonnx(model)
    assert sentence in str(caught.value)


def test_a_softmax_along_several_axes_is_refused() -> None:
    b = Builder(TOKENS, WIDTH)
    model = b.model(b.quantise(b.node("Softmax", b.quantise("x", "int8", 2**-4)), "uint8", 2**-8))
    model.opset_import[0].version = 12
    with pytest.raises(
        ConversionError, match="it goes along all axes from axis 1 on, as it does before op-set 13"
    ):
        import_qonnx(model)


def test_fields_that_no_operator_can_have_are_refused() -> None:
    op, tensor = _softmax("int8", "uint8", Fraction(256), 4, Fraction(1, 16))
    graph = Graph("g", {"x": tensor})
    with pytest.raises(GraphError, match="s has 4 groups, in which 6 channels do not fit"):
        graph.add(op)
    with pytest.raises(GraphError, match="s has significands from 4294967296 to"):
        graph.add(replace(op, significands=op.significands * 8))
    with pytest.raises(GraphError, match="a table for int8 was expected by s"):
        graph.add(replace(op, significands=op.significands[:9], exponents=op.exponents[:9]))


# ---- compiled ----------------------------------------------------------------------------------------------


def _agree(name: str, engines: list[str]) -> None:
    accelerator, x = compile(encoder(*FORMATS[name]), board="ZCU104", target_fps=1000), tokens(6)
    found = accelerator.verify(x, engines=engines)
    assert found["mismatches"] == found["reference"]["codes_differing"] == 0 and verdict(found) == []
    assert found["reference"]["moved"]["codes"] == 6 * HEADS * TOKENS**2


def test_the_cpp_agrees_with_the_reference() -> None:
    _agree("int4", ["exact", "hls"])


@needs_verilator
@pytest.mark.long
@pytest.mark.parametrize("name", ["int8", "int4", "e4m3", "e3m2", "lp8_1_3"])
def test_all_engines_agree_with_the_reference(name: str) -> None:
    _agree(name, ["exact", "hls", "rtl"])


def test_an_array_leaves_attention_to_its_host() -> None:
    accelerator, x = compile(encoder(), board="PYNQ-Z2"), tokens(3)
    found = accelerator.emulate(x, engine="int8x8")
    np.testing.assert_array_equal(found, accelerator.emulate(x))
