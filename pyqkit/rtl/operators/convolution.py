"""Convolution: a sliding window, the products and a matrix-vector unit."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, lcm, log, prod

import numpy as np

from pyqkit.dataflow.matrix_vector import BlockOrder, in_order_of_use, window_order
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.graph.ops.window import Pair, SlidingWindow
from pyqkit.rtl import micro_blocks
from pyqkit.rtl.emitter import Emitter, Stream, emits
from pyqkit.rtl.matrix_vector import memory_text, packed_products, products, unit, wires_of
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.pipelining import stages
from pyqkit.rtl.pixels import paired, put_in_order
from pyqkit.rtl.products.packed import PackedBlock
from pyqkit.rtl.timing import Pipeline, Window


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding_of(op, ConvolutionFolding)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    made = unit(op, tensor.format, result.format, folding, e.clock_mhz, e.passes[op.name])
    pe, simd, pixels = folding.pe, folding.simd, folding.pixels
    folds, depth = int(made.parameters["FOLDS"]), int(made.parameters["DEPTH"])
    groups, lanes = window_order(op, folding)
    source, steps = _windows(e, op, tensor, pixels, groups, depth // folds // groups, lanes)
    out = e.output(op, pe) if pixels == 1 else e.stream(f"{op.name}_of_pairs", result.format.bits, 2 * pe)
    wires, text = wires_of(e, op.name, made)
    variants = e.variants(op)
    weights = np.stack([in_order_of_use(one.weights, groups, pe, simd) for one in variants])
    if isinstance(made.product, PackedBlock):
        text += packed_products(e, op, made, weights, wires)
    else:
        text += products(e, op.name, made, wires, pixels)
        if made.blocks is not None:
            text += micro_blocks.text(e, f"{op.name}_weights", made.blocks, folding.memory, wires)
        else:
            text += memory_text(e, f"{op.name}_weights", weights, made.weights, wires, ("address", "right"))
    if made.exponents is not None and op.exponents is not None:
        exponents = BlockOrder.of(op, simd).in_order_of_use(op.exponents, groups, pe)
        read = "exponent_address", "exponents"
        text += memory_text(e, f"{op.name}_exponents", exponents, made.exponents, wires, read)
    timing = Pipeline.every(steps * depth, made.latency, folds)
    ports = {port: wire for port, wire in wires.items() if port != "right"}  # weights go to the products
    if pixels > 1 and made.exponents is not None:
        ports["exponents"] = f"{{{pixels}{{{wires['exponents']}}}}}"
    streams = {"in": source}, {"out": out}
    parameters = made.parameters | e.switching(op, steps)
    e.block(op.name, "matrix_vector", parameters, *streams, timing, ports, text, made.parts)
    if pixels > 1:
        put_in_order(e, op, out)


def _windows(
    e: Emitter, op: Convolution, tensor: Tensor, pixels: int, groups: int, repeat: int, lanes: int
) -> tuple[Stream, int]:
    """The stream of a convolution's windows, and how many there are; of two pixels each, if `pixels` is 2."""
    source, size, window = e.input(op), tensor.shape[:2], op.sliding
    fill = tensor.format.zero_code if any(op.padding) else 0
    if pixels > 1:
        pairs = PixelPairs.of(window, size)
        source = paired(e, op, source, pairs, fill)
        size, window, fill = (size[0], pairs.columns), pairs.window, fill << tensor.format.bits | fill
    return slide(e, op, window, source, size, groups, repeat, lanes, fill), prod(window.out_size(size))


_FEWEST = 2  # registers of a word of a window


def _window_ns(parts: int) -> list[float]:
    """Longest path of a sliding window at each depth.

    The counters, or the memory and the choice of one of `parts` of its word, unless a register stands behind.
    """
    counters, memory, choice = 4.7, 3.3, 0.8 * (1 + ceil(log(parts, 4)))
    return [max(counters, memory + choice), counters]


def slide(
    e: Emitter,
    op: Operator,
    window: SlidingWindow,
    source: Stream,
    size: Pair,
    groups: int,
    repeat: int,
    lanes: int,
    fill: int,
) -> Stream:
    """Windows over an image of `size`, each repeated, in words of `lanes` codes.

    See `rtl/pqk_sliding_window.sv`.
    """
    tensor, *_ = e.graph.input_tensors(op)
    (height, width), channels = size, tensor.shape[2]
    count = height * width * channels
    plain = window.kernel == window.stride == (1, 1) and not any(window.padding)
    if plain and groups == repeat == 1:
        return e.converted(op.name, source, lanes, count, f"for_{op.name}")
    if source.lanes % lanes:  # a word of the line memory holds whole words of both sides
        both = lcm(source.lanes, lanes)
        source = e.converted(op.name, source, both, count, f"for_{op.name}")
    words = window.positions * channels // lanes * repeat
    registers = _FEWEST + stages(_window_ns(source.lanes // lanes), e.clock_mhz)
    timing = _timing(channels // source.lanes, words, size, window, registers + 1)
    made = e.stream(f"{op.name}_windows", source.bits, lanes)
    parameters: Parameters = {"BITS": source.bits, "HEIGHT": height, "WIDTH": width, "CHANNELS": channels}
    parameters |= _pair("ROWS", "COLUMNS", window.out_size(size))
    parameters |= _pair("KERNEL_ROWS", "KERNEL_COLUMNS", window.kernel)
    parameters |= _pair("STRIDE_ROWS", "STRIDE_COLUMNS", window.stride)
    parameters |= _pair("DILATION_ROWS", "DILATION_COLUMNS", window.dilation)
    parameters |= _pair("TOP", "LEFT", window.padding[:2])
    parameters |= {"GROUPS": groups, "REPEAT": repeat, "LANES_IN": source.lanes, "LANES_OUT": lanes}
    parameters |= {"LINE_PIXELS": timing.line_pixels, "STAGES": registers, "FILL": fill}
    e.block(op.name, "sliding_window", parameters, {"in": source}, {"out": made}, timing)
    return made


def _pair(rows: str, columns: str, values: tuple[int, int]) -> Parameters:
    return {rows: int(values[0]), columns: int(values[1])}


@lru_cache(maxsize=4096)
def _timing(words_in: int, words_out: int, size: Pair, window: SlidingWindow, latency: int) -> Window:
    """Timing of a sliding window; a search for foldings asks for the same ones again and again."""
    return Window(words_in, words_out, size[0] * size[1], *_pixels(size, window), latency)


@lru_cache(maxsize=16)
def _pixels(size: Pair, window: SlidingWindow) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that a result needs and gives up: arrays of millions, which all foldings share."""
    return window.pixels_needed(size).astype(np.int32), window.pixels_given_up(size).astype(np.int32)
