"""Convolution: a sliding window, the products and a matrix-vector unit."""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm

import numpy as np

from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution, window_pixels
from pyqkit.hardware.folding_types import Folding
from pyqkit.hls.operators.convolution import check_folding, in_order_of_use, window_order
from pyqkit.rtl.emitter import Emitter, Parameters, Part, Stream, codes, emits, packed
from pyqkit.rtl.products import product_block
from pyqkit.rtl.timing import Pipeline, Window


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding.get(op.name, Folding())
    check_folding(op, folding)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    pe, simd = folding.pe, folding.simd
    groups, lanes = window_order(op, folding)
    folds, repeat = op.weights[0].size // simd, len(op.weights) // groups // pe
    depth = folds * repeat * groups  # words of weights, which is cycles a pixel
    fill = tensor.format.zero_code if any(op.padding) else 0
    source = windows(e, op, e.input(op), groups, repeat, lanes, fill)
    out = e.output(op, pe)
    product = product_block(tensor.format, op.weight_format)
    left, right = tensor.format.bits, op.weight_format.bits
    parameters: Parameters = {"LEFT_BITS": left, "RIGHT_BITS": right, "PRODUCT_BITS": product.width, "SUM_BITS": out.bits}
    parameters |= {"PE": pe, "SIMD": simd, "LANES": lanes, "FOLDS": folds, "DEPTH": depth}
    words = _words(op.weights, groups, folding, right)
    parameters |= e.memory(f"{op.name}_weights", words, depth, pe * simd * right, "WEIGHTS", "WEIGHT")
    if op.shifts is not None and op.shifts.any():
        bits = int(op.shifts.max()).bit_length()
        parameters["SHIFT_BITS"] = bits
        words = _words(op.shifts, groups, folding, bits)
        parameters |= e.memory(f"{op.name}_shifts", words, depth, pe * simd * bits, "SHIFTS", "SHIFT")
    wires = {side: f"{op.name}_{side}" for side in ("left", "right", "products")}
    products = (
        f"  wire [{lanes * left - 1}:0] {wires['left']};\n  wire [{pe * simd * right - 1}:0] {wires['right']};\n"
        f"  wire [{pe * simd * product.width - 1}:0] {wires['products']};\n"
        f"  generate\n    for (genvar i = 0; i < {pe * simd}; i++) begin : g_{op.name}_products\n      "
        + product.instance(
            "multiply",
            f"{wires['left']}[i%{lanes}*{left}+:{left}]",
            f"{wires['right']}[i*{right}+:{right}]",
            f"{wires['products']}[i*{product.width}+:{product.width}]",
        )
        + "\n    end\n  endgenerate\n"
    )
    multipliers = [Part(product.module, product.parameters, pe * simd)]
    latency = (simd - 1).bit_length() + 3  # operands, terms, the levels of the adder tree, the sum
    timing = Pipeline.every(result.pixels * depth, latency, folds)
    e.block(op.name, "matrix_vector", parameters, {"in": source}, {"out": out}, timing, wires, products, multipliers)


def _words(values: np.ndarray, groups: int, folding: Folding, bits: int) -> Iterator[int]:
    """Words of a memory in the order of use, packed only when they are asked for."""
    folds = in_order_of_use(values, groups, folding.pe, folding.simd)
    for word in folds.reshape(-1, folding.pe * folding.simd).tolist():
        yield packed(word, bits)


def windows(e: Emitter, op: Operator, source: Stream, groups: int, repeat: int, lanes: int, fill: int) -> Stream:
    """Windows of an operator with kernel (or window), stride and padding, each repeated; see `rtl/sliding_window.sv`."""
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    kernel = getattr(op, "kernel", None) or op.window  # type: ignore[attr-defined]
    stride, padding, dilation = op.stride, op.padding, getattr(op, "dilation", (1, 1))  # type: ignore[attr-defined]
    if tuple(kernel) == (1, 1) and tuple(stride) == (1, 1) and not any(padding) and groups == repeat == 1:
        return e.converted(op.name, source, lanes, codes(tensor), f"for_{op.name}")
    height, width, channels = tensor.shape
    if source.lanes % lanes:  # a word of the line memory holds whole words of both sides
        source = e.converted(op.name, source, lcm(source.lanes, lanes), codes(tensor), f"for_{op.name}")
    timing = Window(
        channels // source.lanes,
        kernel[0] * kernel[1] * channels // lanes * repeat,
        tensor.pixels,
        window_pixels(height, width, *result.shape[:2], kernel, stride, padding, dilation),
        _given_up(tensor, result, stride, padding),
    )
    made = e.wire(f"{op.name}_windows", source.bits, lanes)
    names = ("BITS", "HEIGHT", "WIDTH", "CHANNELS", "ROWS", "COLUMNS", "KERNEL_ROWS", "KERNEL_COLUMNS", "STRIDE_ROWS", "STRIDE_COLUMNS")
    values = (source.bits, height, width, channels, *result.shape[:2], *kernel, *stride)
    parameters: Parameters = dict(zip(names, map(int, values)))
    parameters |= {"DILATION_ROWS": dilation[0], "DILATION_COLUMNS": dilation[1], "TOP": padding[0], "LEFT": padding[1]}
    parameters |= {"GROUPS": groups, "REPEAT": repeat, "LANES_IN": source.lanes, "LANES_OUT": lanes}
    parameters |= {"LINE_PIXELS": timing.line_pixels, "FILL": fill}
    e.block(op.name, "sliding_window", parameters, {"in": source}, {"out": made}, timing)
    return made


def _given_up(tensor: Tensor, result: Tensor, stride: tuple[int, int], padding: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels that neither an output pixel nor a later one needs: those before its first one, or before the next row's."""
    height, width, _ = tensor.shape
    top = np.clip(np.arange(result.shape[0] + 1) * stride[0] - padding[0], 0, height)
    left = np.clip(np.arange(result.shape[1]) * stride[1] - padding[1], 0, width)
    here = np.minimum(top[:-1, None] * width + np.where(top[:-1] < height, 1, 0)[:, None] * left, top[1:, None] * width)
    return np.minimum(here, tensor.pixels).ravel()
