"""The lowered graph computes what the QONNX model says.

Every code of every quantised tensor, against the reference.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pyqkit.formats import Integer, examples, parse
from pyqkit.graph.graph import encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Threshold
from tests.graph.checked import FORMATS, check, frames
from tests.graph.qonnx_builder import Builder


@pytest.mark.parametrize("weights", [*FORMATS, "odd2", "int4narrow"])
@pytest.mark.parametrize("activations", ["e2m1", "int4", "lp4_0_3"])
def test_conv_batch_norm_relu_of_every_format(weights: str, activations: str) -> None:
    b = Builder(3, 6, 6)
    x = b.quantise("x", activations, 0.5)
    x = b.quantise(b.node("Relu", b.batch_norm(b.conv(x, weights, 4, 3), 4)), activations, 4.0)
    check(b.model(b.conv(x, weights, 5, 4, kernel=1)))


@pytest.mark.parametrize("activations", FORMATS)
def test_activations_of_every_format(activations: str) -> None:
    b = Builder(2, 5, 5)
    x = b.quantise("x", activations, 0.25)
    x = b.quantise(b.batch_norm(b.conv(x, "int4", 3, 2), 3), activations, 0.7)
    check(b.model(b.conv(x, "e3m2", 2, 3)))


@pytest.mark.parametrize("scale", [0.125, 0.0137, np.linspace(0.01, 0.3, 4).reshape(4, 1, 1, 1)])
@pytest.mark.parametrize(
    "window",
    [
        {"strides": [2, 2]},
        {"pads": [0, 0, 1, 1], "strides": [2, 2]},
        {"pads": [2, 1, 0, 0]},
        {"dilations": [2, 2]},
        {"group": 2},
        {"group": 4},
        {"auto_pad": "SAME_UPPER", "pads": None, "strides": [2, 2]},
    ],
)
def test_convolution_windows_and_scales(window: dict[str, Any], scale: Any) -> None:
    b = Builder(4, 7, 6)
    attributes = {k: v for k, v in window.items() if v is not None}
    if "auto_pad" in window:
        x = b.node(
            "Conv", b.quantise("x", "int8", 0.05), b.weights("e2m1", 4, 4, 3, 3, scale=scale), **attributes
        )
    else:
        x = b.conv(b.quantise("x", "int8", 0.05), "e2m1", 4, 4, scale=scale, **attributes)
    check(b.model(b.quantise(b.batch_norm(x, 4), "e2m1", 3.3)))


def test_residual_with_an_unquantised_batch_norm_branch() -> None:
    b = Builder(4, 6, 6)
    x = b.quantise("x", "uint4", 0.3)
    y = b.batch_norm(b.conv(x, "int4", 4, 4, scale=np.full((4, 1, 1, 1), 0.111)), 4)
    graph = check(b.model(b.quantise(b.node("Relu", b.node("Add", y, x)), "uint4", 0.41)))
    assert [op.kind for op in graph.operators] == ["convolution", "add", "threshold"]


def test_residual_of_codes_with_one_scale_adds_without_multipliers() -> None:
    b = Builder(4, 6, 6)
    x = b.quantise("x", "e2m1", 0.5)
    y = b.quantise(b.batch_norm(b.conv(x, "e2m1", 4, 4), 4), "e2m1", 0.5)
    graph = check(b.model(b.quantise(b.node("Relu", b.node("Add", y, x)), "e2m1", 0.5)))
    (add,) = [op for op in graph.operators if op.kind == "add"]
    assert (add.multipliers == 1).all()  # type: ignore[attr-defined]


def test_strided_shortcut_with_zero_channels() -> None:
    b = Builder(4, 6, 6)
    x = b.quantise("x", "int4", 0.5)
    y = b.batch_norm(b.conv(x, "int4", 8, 4, strides=[2, 2]), 8)
    starts, ends, axes, steps = (b.constant(v, np.int64) for v in ([0, 0], [2**62, 2**62], [2, 3], [2, 2]))
    z = b.node("Slice", x, starts, ends, axes, steps)
    z = b.node("Pad", z, b.constant([0, 2, 0, 0, 0, 2, 0, 0], np.int64), mode="constant")
    graph = check(b.model(b.quantise(b.node("Relu", b.node("Add", y, z)), "int4", 0.5)))
    assert [op.kind for op in graph.operators] == ["convolution", "slice", "pad", "add", "rescale"]


def test_split_shuffle_and_concat() -> None:
    b = Builder(8, 4, 4)
    x = b.quantise("x", "int4", 0.5)
    left, right = b.node("Split", x, b.constant([4, 4], np.int64), axis=1, outputs=2)
    right = b.quantise(b.batch_norm(b.conv(right, "int4", 4, 4, group=4), 4), "int4", 0.5)
    x = b.node("Concat", left, right, axis=1)
    x = b.node("Reshape", x, b.constant([1, 2, 4, 4, 4], np.int64))
    x = b.node("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = b.node("Reshape", x, b.constant([1, 8, 4, 4], np.int64))
    graph = check(b.model(b.conv(x, "int4", 3, 8, kernel=1)))
    assert [op.kind for op in graph.operators][-2:] == ["permute", "convolution"]


def test_cyclic_shuffle_of_one_tensor_is_a_permutation() -> None:
    b = Builder(6, 3, 3)
    x = b.quantise("x", "int4", 0.5)
    ends = [b.constant([v], np.int64) for v in (0, 2, 6, 1)]
    x = b.node(
        "Concat",
        b.node("Slice", x, ends[1], ends[2], ends[3]),
        b.node("Slice", x, ends[0], ends[1], ends[3]),
        axis=1,
    )
    graph = check(b.model(b.conv(x, "int4", 2, 6, kernel=1)))
    assert [op.kind for op in graph.operators] == ["permute", "convolution"]
    assert graph.operators[0].channels == [2, 3, 4, 5, 0, 1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
def test_flatten_permutes_the_weights_of_a_linear_layer(kind: str) -> None:
    b = Builder(3, 4, 5)
    x = b.node("Flatten", b.quantise("x", "e3m2", 0.5))
    if kind == "Gemm":
        x = b.node(
            "Gemm",
            x,
            b.weights("int4", 7, 60, scale=np.linspace(0.1, 0.2, 7).reshape(7, 1)),
            b.constant(np.arange(7)),
            transB=1,
        )
    else:
        x = b.node("MatMul", x, b.node("Transpose", b.weights("int4", 7, 60), perm=[1, 0]))
    graph = check(b.model(x))
    assert [op.kind for op in graph.operators] == ["reshape", "convolution"]


@pytest.mark.parametrize("fmt", ["e2m1", "int8", "lp4_0_3"])
def test_pooling(fmt: str) -> None:
    b = Builder(3, 8, 8)
    x = b.quantise("x", fmt, 0.5)
    x = b.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = b.quantise(b.node("AveragePool", x, kernel_shape=[3, 2], strides=[1, 1]), fmt, 0.5)
    x = b.node(
        "MaxPool",
        b.node("Relu", b.batch_norm(b.conv(x, "int4", 3, 3), 3)),
        kernel_shape=[2, 2],
        strides=[1, 1],
    )
    x = b.quantise(x, fmt, 0.9)
    x = b.quantise(b.node("GlobalAveragePool", x), fmt, 0.3)
    check(b.model(b.node("Flatten", x)))


@pytest.mark.parametrize(
    ("axis", "block"), [(1, 32), (0, 1), (3, 1)], ids=["channels", "outputs", "kernel_columns"]
)
def test_blocks_of_weights_become_exponents(axis: int, block: int) -> None:
    b = Builder(48, 3, 3)
    x = b.quantise("x", "int4", 0.5)
    graph = check(b.model(b.node("Conv", x, b.weights("mx32_e2m1", 4, 48, 1, 2, axis=axis))))
    (layer,) = graph.operators
    assert isinstance(layer, Convolution)
    assert layer.block == block
    assert layer.exponents is not None
    assert layer.exponents.shape == (4, 1, 2, -(-48 // block))
    assert any("order of the stream" in note for note in graph.notes) == (block == 1)
    assert layer.parameter_bits == 4 * 2 * (48 * 4 + -(-48 // block) * layer.exponent_bits)


def test_blocks_behind_an_image_become_the_runs_that_the_stream_has() -> None:
    b = Builder(8, 2, 2)
    x = b.node("Flatten", b.quantise("x", "int4", 0.5))
    graph = check(b.model(b.node("MatMul", x, b.weights("mx16_int8", 32, 5, axis=0))))
    layer = graph.operators[-1]
    assert isinstance(layer, Convolution)
    assert layer.block == 4  # 16 neighbours of the model are 4 channels at 4 pixels


def least_blocks(b: Builder) -> np.ndarray:
    """Weights whose blocks have the least exponent, which blocks of zeros have too."""
    return np.ldexp(b.random.integers(64, 128, (2, 32, 1, 1)), -127)


def test_blocks_of_the_least_exponent_are_no_zeros() -> None:
    b = Builder(32, 2, 2)
    x = b.quantise("x", "int4", 0.5)
    graph = check(b.model(b.node("Conv", x, b.quantise(b.constant(least_blocks(b)), "mx32_int8", axis=1))))
    np.testing.assert_array_equal(graph.outputs[0].scale, 2.0**-128)


def blocks(weights: np.ndarray) -> Any:
    """A convolution with weights in blocks of 32, behind a quantiser."""
    b = Builder(weights.shape[1], 2, 2)
    x = b.quantise("x", "int4", 0.5)
    return b.model(b.node("Conv", x, b.quantise(b.constant(weights), "mx32_int8", axis=1)))


def test_outputs_may_be_any_number_of_powers_of_two_apart() -> None:
    weights = least_blocks(Builder(32, 2, 2))
    weights[1] = 1
    graph = check(blocks(weights))
    np.testing.assert_array_equal(graph.outputs[0].scale, [2.0**-128, 2.0**-1])


def test_blocks_of_an_output_have_to_fit_one_sum() -> None:
    near, far = (np.ones((2, 64, 1, 1)) for _ in range(2))
    near[0, 32:], near[1] = 2.0**-40, 2.0**-100
    check(blocks(near))
    far[0, 32:] = 2.0**-60
    remedy = "the blocks of an output are up to 60 powers of two apart: set the weights of its smallest"
    with pytest.raises(ConversionError, match=f"need [0-9]+ of at most 64 bits; {remedy}"):
        import_qonnx(blocks(far))


def test_wide_outputs_are_rescaled() -> None:
    b = Builder(3, 5, 5)
    x = b.conv(b.quantise("x", "int8", 0.05), "int8", 4, 3, scale=0.125)
    graph = check(b.model(b.quantise(x, "int12", 0.25), b.quantise(b.node("Relu", x), "uint10", 0.5)))
    assert {op.kind for op in graph.operators} == {"convolution", "rescale"}


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "ROUND_TO_ZERO"])
def test_other_roundings(mode: str) -> None:
    b = Builder(3, 5, 5)
    x = b.conv(b.quantise("x", "int8", 0.25), "int4", 4, 3)
    check(b.model(b.quantise(x, "int4", 0.5, rounding_mode=mode)))


def test_bipolar_weights_and_activations() -> None:
    b = Builder(4, 5, 5)
    one = b.constant(1.0)
    w = b.node(
        "BipolarQuant", b.constant(b.random.normal(0, 1, (4, 4, 1, 1))), one, domain="qonnx.custom_op.general"
    )
    x = b.node("BipolarQuant", b.quantise("x", "int4", 0.5), one, domain="qonnx.custom_op.general")
    check(b.model(b.node("Conv", x, w)))


def test_another_exponent_bias_is_a_factor_of_the_scale() -> None:
    b = Builder(3, 4, 4)
    fmt = parse("e4m3")
    numbers = [b.constant(v) for v in (4, 3, 9, fmt.maximum / 4)]
    x = b.node(
        "FloatQuant", "x", b.constant(1.0), *numbers, domain="qonnx.custom_op.general", rounding_mode="ROUND"
    )
    check(b.model(b.conv(x, "int4", 2, 3)))


def test_quantising_twice_emits_nothing() -> None:
    b = Builder(3, 4, 4)
    x = b.quantise(b.quantise("x", "int4", 0.5), "int4", 0.5)
    assert len(check(b.model(b.conv(x, "int4", 2, 3))).operators) == 1


def test_requantisers_are_exact_for_every_narrow_format() -> None:
    """Thresholds and rescales against rational arithmetic, for a scale that is no power of two, rising and
    falling.
    """
    kinds = set()
    for fmt in examples():
        if getattr(fmt, "bits", 99) > 6 or not hasattr(fmt, "codes") or fmt.prescale != 1:
            continue
        b = Builder(2, 1, 1)
        x = b.quantise("x", "int8", 1.0)
        x = b.node("Mul", x, b.constant(np.array([0.37, -0.21]).reshape(2, 1, 1)))
        graph = import_qonnx(b.model(b.quantise(x, fmt.name, 0.11)))
        (op,) = graph.operators
        kinds.add(op.kind)
        integers = np.arange(-128, 128)
        codes = Integer(8).from_integers(np.stack([integers, integers], -1)[:, None, None])
        (found,) = op.execute([codes], graph.input_tensors(op))
        for channel, factor in enumerate((np.float32(0.37), np.float32(-0.21))):
            for value, code in zip(integers, found[:, 0, 0, channel]):
                real = Fraction(float(factor)) * int(value) / Fraction(float(np.float32(0.11)))
                passed = sum(
                    real > e.position or (real == e.position and e.inclusive) for e in fmt.boundaries()
                )
                assert code == fmt.codes[passed], (fmt.name, channel, value)
    assert kinds == {"threshold", "rescale"}


def test_a_wrong_tie_rule_is_caught() -> None:
    """Negative control: thresholds moved by one must make `check` fail."""
    b = Builder(3, 5, 5)
    x = b.conv(b.quantise("x", "int4", 0.5), "int4", 4, 3)
    model = b.model(b.quantise(x, "e2m1", 0.25))
    graph = import_qonnx(model)
    x0 = frames(model)
    port = graph.inputs[0]
    codes = {port.tensor: encode_input(port, graph.tensors[port.tensor], x0)}
    before = graph.execute(codes)
    (op,) = [op for op in graph.operators if isinstance(op, Threshold)]
    op.thresholds = op.thresholds + 1
    after = graph.execute(codes)
    assert any((before[k] != after[k]).any() for k in before)
