"""Products of two streams: gates over channels, over pixels and over both, and sums that broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder


def gated(gate: str = "uint4", main: str = "int6", offset: float = 0.0, kind: str = "Mul") -> Any:
    """Squeeze and excitation: the mean of every channel decides by what its pixels are multiplied."""
    b = Builder(4, 5, 3)
    x = b.quantise(b.conv(b.quantise("x", "int4", 0.25), "int4", 6, 4, 3), main, 0.11)
    mean = b.quantise(b.node("GlobalAveragePool", x), "int6", 0.05)
    small = b.quantise(b.node("Relu", b.conv(mean, "int4", 3, 6, 1)), "uint4", 0.13)
    share = b.quantise(b.node("HardSigmoid", b.conv(small, "int4", 6, 3, 1)), gate, 0.07)
    if offset:
        share = b.node("Add", share, b.constant(offset))
        x = b.batch_norm(x, 6)
    y = b.quantise(b.node(kind, x, share), "int6", 0.09)
    return b.model(b.quantise(b.conv(y, "int4", 3, 6, 1), "int8", 0.2))


@pytest.mark.parametrize("gate", ["uint4", "int1", "uint8z128", "e3m2", "lp4_0_3"])
def test_squeeze_and_excitation(gate: str) -> None:
    graph = check(gated(gate))
    assert [op.kind for op in graph.operators].count("product") == 1


@pytest.mark.parametrize(("gate", "main"), [("lp8_1_3", "lp8_1_3"), ("lp4_0_3", "lp8_1_3@-0.25")])
def test_products_of_two_logarithmic_posits_pass_their_table(gate: str, main: str) -> None:
    graph = check(gated(gate, main))
    (product,) = (op for op in graph.operators if op.kind == "product")
    assert all(tensor.format.is_logarithmic for tensor in graph.input_tensors(product))


def test_logarithmic_posits_with_an_offset_are_refused() -> None:
    with pytest.raises(ConversionError, match="something is added to one of two factors"):
        import_qonnx(gated("lp8_1_3", "lp8_1_3", offset=0.3))


def test_a_square_of_logarithmic_posits_is_a_function_of_them() -> None:
    b = Builder(4, 5, 3)
    x = b.quantise("x", "lp8_1_3", 0.25)
    graph = check(b.model(b.quantise(b.node("Mul", x, x), "int6", 0.09)))
    assert all(op.kind != "product" for op in graph.operators)


@pytest.mark.parametrize("kind", ["Mul", "Add", "Sub"])
def test_offsets_and_sums_that_broadcast(kind: str) -> None:
    check(gated(offset=0.3, kind=kind))


@pytest.mark.parametrize("shape", [(6, 5, 3), (1, 5, 3), (6, 1, 3)], ids=["all", "pixels", "columns"])
def test_other_shapes(shape: tuple[int, int, int]) -> None:
    b = Builder(4, 5, 3)
    x = b.quantise("x", "int4", 0.25)
    main = b.quantise(b.conv(x, "int4", 6, 4, 3), "int6", 0.11)
    gate = b.conv(x, "int4", shape[0], 4, (3 if shape[1] > 1 else 1))
    gate = b.quantise(b.node("Sigmoid", gate), "uint4", 0.07)
    if shape[1] == 1:
        gate = b.node("MaxPool", gate, kernel_shape=[5, 1])
    check(b.model(b.quantise(b.node("Mul", gate, main), "int6", 0.09)))


@pytest.mark.parametrize(("gate", "main"), [("uint4", "int6"), ("lp8_1_3", "lp8_1_3")])
def test_all_engines(gate: str, main: str) -> None:
    accelerator = pyqkit.compile(gated(gate, main), board="PYNQ-Z2", target_fps=100_000)
    x = np.random.default_rng(0).normal(0, 1.5, (7, 4, 5, 3)).astype(np.float32)
    codes = accelerator.encode(x)
    expected = accelerator.graph.execute(codes)
    for engine in ("exact", "hls", "rtl"):
        found = accelerator.engine(engine).run(codes)
        for tensor, values in expected.items():
            np.testing.assert_array_equal(found[tensor], values, err_msg=engine)
    verdict = accelerator.verify(x)
    assert verdict["mismatches"] == 0 and verdict["reference"]["codes_differing"] == 0


def test_what_is_not_quantised_is_refused() -> None:
    b = Builder(4, 5, 3)
    x = b.quantise("x", "int4", 0.25)
    gate = b.node("Sigmoid", b.conv(x, "int4", 4, 4, 1))
    with pytest.raises(ConversionError, match="a factor has passed an activation function"):
        import_qonnx(b.model(b.quantise(b.node("Mul", x, gate), "int6", 0.09)))
