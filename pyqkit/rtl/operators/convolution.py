"""Convolution: a sliding window, the products and a matrix-vector unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, lcm

import numpy as np

from pyqkit.dataflow.matrix_vector import in_order_of_use, window_order
from pyqkit.dataflow.streams import codes
from pyqkit.formats import NumberFormat
from pyqkit.graph.folding import MEMORIES
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.window import Pair, SlidingWindow
from pyqkit.rtl.emitter import Emitter, Stream, emits
from pyqkit.rtl.features import Features, bits_for, grows_with, ram, rom
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.products import ProductBlock, dsp_block, product_block
from pyqkit.rtl.timing import Pipeline, Window


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding_of(op, ConvolutionFolding)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    made = unit(op, tensor.format, result.format, folding)
    pe, simd, lanes, folds, depth = (
        int(made.parameters[name]) for name in ("PE", "SIMD", "LANES", "FOLDS", "DEPTH")
    )
    groups, _ = window_order(op, folding)
    fill = tensor.format.zero_code if any(op.padding) else 0
    source = slide(e, op, op.sliding, e.input(op), groups, depth // folds // groups, lanes, fill)
    out = e.output(op, pe)
    parameters, right = dict(made.parameters), op.weight_format.bits
    weights = in_order_of_use(op.weights, groups, pe, simd)
    parameters |= e.memory(f"{op.name}_weights", weights, pe * simd, right, "WEIGHTS", "WEIGHT")
    if "SHIFT_BITS" in parameters:
        assert op.shifts is not None
        bits = int(parameters["SHIFT_BITS"])
        shifts = in_order_of_use(op.shifts, groups, pe, simd)
        parameters |= e.memory(f"{op.name}_shifts", shifts, pe * simd, bits, "SHIFTS", "SHIFT")
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


def unit(op: Convolution, activations: NumberFormat, sums: NumberFormat, folding: ConvolutionFolding) -> Unit:
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
    # Words of weights, which is cycles a pixel.
    found["DEPTH"] = folds * (len(op.weights) // groups // pe) * groups
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


def slide(
    e: Emitter,
    op: Operator,
    window: SlidingWindow,
    source: Stream,
    groups: int,
    repeat: int,
    lanes: int,
    fill: int,
) -> Stream:
    """Windows of an operator, each repeated, in words of `lanes` codes; see `rtl/pqk_sliding_window.sv`."""
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    plain = window.kernel == window.stride == (1, 1) and not any(window.padding)
    if plain and groups == repeat == 1:
        return e.converted(op.name, source, lanes, codes(tensor), f"for_{op.name}")
    height, width, channels = tensor.shape
    if source.lanes % lanes:  # a word of the line memory holds whole words of both sides
        both = lcm(source.lanes, lanes)
        source = e.converted(op.name, source, both, codes(tensor), f"for_{op.name}")
    words = window.positions * channels // lanes * repeat
    timing = _timing(channels // source.lanes, words, (height, width), window)
    made = e.stream(f"{op.name}_windows", source.bits, lanes)
    parameters: Parameters = {"BITS": source.bits, "HEIGHT": height, "WIDTH": width, "CHANNELS": channels}
    parameters |= _pair("ROWS", "COLUMNS", result.shape[:2])
    parameters |= _pair("KERNEL_ROWS", "KERNEL_COLUMNS", window.kernel)
    parameters |= _pair("STRIDE_ROWS", "STRIDE_COLUMNS", window.stride)
    parameters |= _pair("DILATION_ROWS", "DILATION_COLUMNS", window.dilation)
    parameters |= _pair("TOP", "LEFT", window.padding[:2])
    parameters |= {"GROUPS": groups, "REPEAT": repeat, "LANES_IN": source.lanes, "LANES_OUT": lanes}
    parameters |= {"LINE_PIXELS": timing.line_pixels, "FILL": fill}
    e.block(op.name, "sliding_window", parameters, {"in": source}, {"out": made}, timing)
    return made


def _pair(rows: str, columns: str, values: tuple[int, int]) -> Parameters:
    return {rows: int(values[0]), columns: int(values[1])}


@lru_cache(maxsize=4096)
def _timing(words_in: int, words_out: int, size: Pair, window: SlidingWindow) -> Window:
    """Timing of a sliding window; a search for foldings asks for the same ones again and again."""
    return Window(words_in, words_out, size[0] * size[1], *_pixels(size, window))


@lru_cache(maxsize=16)
def _pixels(size: Pair, window: SlidingWindow) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that a result needs and gives up: arrays of millions, which all foldings share."""
    return window.pixels_needed(size).astype(np.int32), window.pixels_given_up(size).astype(np.int32)


# ---- what the modules grow with ---------------------------------------------------------------------------


@grows_with("matrix_vector")
def _matrix_vector_features(p: Mapping[str, int]) -> Features:
    pe, simd, sum_bits, shift, signs = (
        p["PE"],
        p["SIMD"],
        p["SUM_BITS"],
        p.get("SHIFT_BITS", 0),
        p.get("SIGNS", 0),
    )
    term = min(p["PRODUCT_BITS"] + (2**shift - 1 if shift else 0), sum_bits)
    memory, in_dsp = MEMORIES[p.get("MEMORY", 0)], p.get("DSP") and not shift
    found = rom(pe * simd * p["RIGHT_BITS"], p["DEPTH"], memory) + rom(pe * simd * shift, p["DEPTH"], memory)
    adders, held, level = 0, 0 if in_dsp else simd * (term + signs), 1
    while simd > 1 and (simd - 1) >> (level - 1):
        width, below = min(term + level, sum_bits), ceil(simd / 2 ** (level - 1))
        # A DSP has the register behind a product, an adder and the register behind that.
        if level > 1 or not in_dsp:
            adders, held = adders + below // 2 * width, held + ceil(below / 2) * (width + signs)
        level += 1
    stages = 3 * (bits_for(simd) + 3 if simd > 1 else 3)
    operands = 0 if p.get("DSP") and not p["DECODED"] else p.get("LANES", simd) * p["LEFT_BITS"]
    found["flip-flops"] += (
        operands + pe * (held + sum_bits) + stages // 2 + bits_for(p["DEPTH"]) + bits_for(p["FOLDS"])
    )
    kind = "subtracting " if signs else "DSP " if p.get("DSP") else ""
    found[f"{kind}adders"] = pe * adders
    found[f"{kind}accumulators"] = pe * sum_bits if p["FOLDS"] > 1 else 0
    found["counters"] = bits_for(p["DEPTH"]) + bits_for(p["FOLDS"])
    found["shifters"] = pe * simd * term * shift
    found["signs"] = pe * simd * signs
    return found + Features({"one": 1})


_AXES = (
    ("HEIGHT", "TOP", "ROWS", "STRIDE_ROWS", "KERNEL_ROWS", "DILATION_ROWS"),
    ("WIDTH", "LEFT", "COLUMNS", "STRIDE_COLUMNS", "KERNEL_COLUMNS", "DILATION_COLUMNS"),
)


def _place_bits(p: Mapping[str, int], axis: tuple[str, ...]) -> int:
    """``Y_BITS`` or ``X_BITS`` of the module.

    A signed place from the padding before an image to that behind.
    """
    size, before, out, stride, kernel, dilation = (p[name] for name in axis)
    return bits_for(size + before + out * stride + kernel * dilation) + 1


@grows_with("sliding_window")
def _sliding_window_features(p: Mapping[str, int]) -> Features:
    words = p["CHANNELS"] // p["LANES_IN"]
    size, parts, width = p["LINE_PIXELS"] * words, p["LANES_IN"] // p["LANES_OUT"], p["BITS"] * p["LANES_IN"]
    found = ram(width, size)
    y, x = (_place_bits(p, axis) for axis in _AXES)
    address = bits_for(size)
    units = p["CHANNELS"] // p["GROUPS"] // p["LANES_OUT"]
    loops = (
        units,
        p["KERNEL_COLUMNS"],
        p["KERNEL_ROWS"],
        p["REPEAT"],
        p["GROUPS"],
        p["COLUMNS"],
        p["ROWS"],
        words,
        parts,
    )
    counters = sum(bits_for(n) for n in loops if n > 1)
    found["places"] = x + y
    found["addresses"] = address
    found["counters"] = counters
    found["choosing"] = p["LANES_OUT"] * p["BITS"] * parts if parts > 1 else 0
    found["border"] = p["LANES_OUT"] * p["BITS"] if p["TOP"] or p["LEFT"] else 0
    found["flip-flops"] += 4 * (x + y) + 3 * address + counters + 12 + bits_for(p["LINE_PIXELS"] + 1)
    return found + Features({"one": 1})
