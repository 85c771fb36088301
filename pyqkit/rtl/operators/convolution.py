"""Convolution: a sliding window, the products and a matrix-vector unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import Convolution, window_pixels
from pyqkit.hardware.folding_types import MEMORIES, Folding
from pyqkit.hls.operators.convolution import check_folding, in_order_of_use, window_order
from pyqkit.rtl.emitter import Emitter, Parameters, Part, Stream, codes, emits, packed
from pyqkit.rtl.products import ProductBlock, dsp_block, product_block
from pyqkit.rtl.timing import Pipeline, Window


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding.get(op.name, Folding())
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    check_folding(op, folding, tensor.format)
    made = unit(op, tensor.format, result.format, folding)
    pe, simd, lanes, folds, depth = (
        int(made.parameters[name]) for name in ("PE", "SIMD", "LANES", "FOLDS", "DEPTH")
    )
    groups, _ = window_order(op, folding)
    fill = tensor.format.zero_code if any(op.padding) else 0
    source = windows(e, op, e.input(op), groups, depth // folds // groups, lanes, fill)
    out = e.output(op, pe)
    parameters, right = dict(made.parameters), op.weight_format.bits
    words = _words(op.weights, groups, folding, right)
    parameters |= e.memory(f"{op.name}_weights", words, depth, pe * simd * right, "WEIGHTS", "WEIGHT")
    if "SHIFT_BITS" in parameters:
        assert op.shifts is not None
        bits = int(parameters["SHIFT_BITS"])
        words = _words(op.shifts, groups, folding, bits)
        parameters |= e.memory(f"{op.name}_shifts", words, depth, pe * simd * bits, "SHIFTS", "SHIFT")
    if folding.memory != "auto":
        parameters["MEMORY"] = f'"{folding.memory}"'
    wires, products = _products(e, op.name, made)
    latency = (simd - 1).bit_length() + 3  # operands, terms, the levels of the adder tree, the sum
    timing = Pipeline.every(result.pixels * depth, latency, folds)
    e.block(
        op.name,
        "matrix_vector",
        parameters,
        {"in": source},
        {"out": out},
        timing,
        wires,
        products,
        made.parts,
    )


@dataclass(frozen=True)
class Unit:
    """A matrix-vector unit.

    Attributes
    ----------
    parameters : dict of str to int
        But for the constants.
    product : ProductBlock
    parts : tuple of Part
        What its resources are counted by.
    """

    parameters: Parameters
    product: ProductBlock
    parts: tuple[Part, ...]


def unit(op: Convolution, activations: NumberFormat, sums: NumberFormat, folding: Folding) -> Unit:
    """The matrix-vector unit of a convolution."""
    pe, simd, dsp = folding.pe, folding.simd, folding.multiplier == "dsp"
    groups, lanes = window_order(op, folding)
    folds = op.weights[0].size // simd
    product = (dsp_block if dsp else product_block)(activations, op.weight_format)
    found: Parameters = {
        "LEFT_BITS": activations.bits,
        "RIGHT_BITS": op.weight_format.bits,
        "PRODUCT_BITS": product.width,
    }
    found |= {"SIGNS": 1} if product.signs else {}
    found |= {"SUM_BITS": sums.bits, "PE": pe, "SIMD": simd, "LANES": lanes, "FOLDS": folds}
    found["DEPTH"] = (
        folds * (len(op.weights) // groups // pe) * groups
    )  # words of weights, which is cycles a pixel
    if op.shifts is not None and op.shifts.any():
        found["SHIFT_BITS"] = int(op.shifts.max()).bit_length()
    counted: Parameters = {"DSP": 1, "DECODED": int(product.module == "product_decoded")} if dsp else {}
    if folding.memory != "auto":
        counted["MEMORY"] = MEMORIES.index(folding.memory)
    return Unit(
        found,
        product,
        (
            Part("matrix_vector", found | counted),
            Part(product.module, product.parameters | product.magnitude, pe * simd),
        ),
    )


def _products(e: Emitter, name: str, made: Unit) -> tuple[dict[str, str], str]:
    """Wires of a matrix-vector unit by port, and the text that declares them and multiplies."""
    left, right, pe, simd, lanes = (
        int(made.parameters[key]) for key in ("LEFT_BITS", "RIGHT_BITS", "PE", "SIMD", "LANES")
    )
    count, product = pe * simd, made.product
    wires = {port: e.names.new(f"{name}_{port}") for port in ("left", "right", "products", "negate")}
    widths = {
        "left": lanes * left,
        "right": count * right,
        "products": count * product.width,
        "negate": count,
    }
    a, b = (f"{wires['left']}[i%{lanes}*{left}+", f"{wires['right']}[i*{right}+")
    p = f"{wires['products']}[i*{product.width}+:{product.width}]"
    multiply = product.instance("multiply", f"{a}:{left}]", f"{b}:{right}]", p, **product.magnitude)
    negate = product.sign(f"{a}{left - 1}]", f"{b}{right - 1}]")
    declared = "".join(f"  wire [{widths[port] - 1}:0] {wire};\n" for port, wire in wires.items())
    generated = e.names.new(f"g_{name}_products")
    return wires, (
        f"{declared}  generate\n    for (genvar i = 0; i < {count}; i++) begin : {generated}\n"
        f"      {multiply}\n      assign {wires['negate']}[i] = {negate};\n    end\n  endgenerate\n"
    )


def _words(values: np.ndarray, groups: int, folding: Folding, bits: int) -> Iterator[int]:
    """Words of a memory in the order of use, packed only when they are asked for."""
    folds = in_order_of_use(values, groups, folding.pe, folding.simd)
    for word in folds.reshape(-1, folding.pe * folding.simd).tolist():
        yield packed(word, bits)


def windows(
    e: Emitter, op: Operator, source: Stream, groups: int, repeat: int, lanes: int, fill: int
) -> Stream:
    """Windows of an operator with kernel (or window), stride and padding, each repeated.

    See `rtl/sliding_window.sv`.
    """
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    kernel = getattr(op, "kernel", None) or op.window  # type: ignore[attr-defined]
    stride, padding, dilation = op.stride, op.padding, getattr(op, "dilation", (1, 1))  # type: ignore[attr-defined]
    if tuple(kernel) == (1, 1) and tuple(stride) == (1, 1) and not any(padding) and groups == repeat == 1:
        return e.converted(op.name, source, lanes, codes(tensor), f"for_{op.name}")
    height, width, channels = tensor.shape
    if source.lanes % lanes:  # a word of the line memory holds whole words of both sides
        source = e.converted(op.name, source, lcm(source.lanes, lanes), codes(tensor), f"for_{op.name}")
    words = kernel[0] * kernel[1] * channels // lanes * repeat
    timing = _window(
        channels // source.lanes,
        words,
        height,
        width,
        result.shape[:2],
        *map(tuple, (kernel, stride, padding, dilation)),
    )
    made = e.wire(f"{op.name}_windows", source.bits, lanes)
    names = (
        "BITS",
        "HEIGHT",
        "WIDTH",
        "CHANNELS",
        "ROWS",
        "COLUMNS",
        "KERNEL_ROWS",
        "KERNEL_COLUMNS",
        "STRIDE_ROWS",
        "STRIDE_COLUMNS",
    )
    values = (source.bits, height, width, channels, *result.shape[:2], *kernel, *stride)
    parameters: Parameters = dict(zip(names, map(int, values)))
    parameters |= {
        "DILATION_ROWS": dilation[0],
        "DILATION_COLUMNS": dilation[1],
        "TOP": padding[0],
        "LEFT": padding[1],
    }
    parameters |= {"GROUPS": groups, "REPEAT": repeat, "LANES_IN": source.lanes, "LANES_OUT": lanes}
    parameters |= {"LINE_PIXELS": timing.line_pixels, "FILL": fill}
    e.block(op.name, "sliding_window", parameters, {"in": source}, {"out": made}, timing)
    return made


Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


@lru_cache(maxsize=4096)
def _window(
    words_in: int,
    words_out: int,
    height: int,
    width: int,
    out: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
) -> Window:
    """Timing of a sliding window; a search for foldings asks for the same ones again and again."""
    needed = window_pixels(height, width, *out, kernel, stride, padding, dilation)
    return Window(words_in, words_out, height * width, needed, _given_up(height, width, out, stride, padding))


def _given_up(height: int, width: int, out: Pair, stride: Pair, padding: Sides) -> np.ndarray:
    """Pixels that neither an output pixel nor a later one needs.

    Those before its first one, or before the next row's.
    """
    top = np.clip(np.arange(out[0] + 1) * stride[0] - padding[0], 0, height)
    left = np.clip(np.arange(out[1]) * stride[1] - padding[1], 0, width)
    here = np.minimum(
        top[:-1, None] * width + np.where(top[:-1] < height, 1, 0)[:, None] * left, top[1:, None] * width
    )
    return np.minimum(here, height * width).ravel()
