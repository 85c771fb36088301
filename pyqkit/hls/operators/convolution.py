"""Convolution: a sliding window and a matrix-vector unit."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from pyqkit.dataflow.matrix_vector import BlockOrder, in_order_of_use, window_order
from pyqkit.dataflow.micro_blocks import MicroBlocks
from pyqkit.dataflow.pace import WindowPace
from pyqkit.dataflow.packed import column_length, weight_pairs
from pyqkit.formats.products.packed import packing
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import PRODUCTS_OF_A_DSP, Convolution, ConvolutionFolding
from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.graph.ops.window import Pair, SlidingWindow
from pyqkit.hls.emitter import Emitter, Stream, emits
from pyqkit.hls.pixels import paired, put_in_order
from pyqkit.hls.products import product_policy


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding_of(op, ConvolutionFolding)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    pe, simd, pixels = folding.pe, folding.simd, folding.pixels
    groups, lanes = window_order(op, folding)
    windows, steps = _windows(e, op, tensor, pixels, groups, lanes)
    # codes in the order of use: [group][output fold][input fold][PE][SIMD]
    per_group, kernel = len(op.weights) // groups, op.weights[0].size
    passes = e.variants(op) if op.switched else [op]
    policy, lines = _multiplied(e, passes, tensor, folding, groups)
    weights, count = _weights(e, op, folding, lines), len(lines) // len(passes)
    multiplied = e.typedef(f"{op.name}_product", policy)
    memory = e.names.new(f"{op.name}_memory")
    e.constants.append(f"PYQKIT_WEIGHTS({memory}, {weights}, {multiplied}, {len(lines)}, {lines.shape[1]})\n")
    e.include("matrix_vector")
    out = e.output(op, pe) if pixels == 1 else e.stream(f"{op.name}_of_pairs", result.format.bits, 2 * pe)
    order, exponents = _exponents(e, op, folding, groups)
    values = {
        "ACCUMULATOR": result.format.bits,
        "CODE_BITS": tensor.format.bits,
        "AT_ONCE": pixels,
        "WINDOWS": steps,
        **{"GROUPS": groups, "OUTPUT_FOLDS": per_group // pe, "INPUT_FOLDS": kernel // simd},
        **{"PE": pe, "SIMD": simd, "LANES": lanes},
    }
    values |= {name.upper(): value for name, value in vars(order).items()}
    shape = e.numbers(f"{op.name}_unit", values)
    block = f"pyqkit::matrix_vector<{shape}, {multiplied}>"
    arguments = f"{windows.name}, {out.name}, PYQKIT_MEMORY({memory}, {weights}), {exponents}"
    e.process(op.name, block, arguments, steps * count, switched=len(passes) > 1)
    if pixels > 1:
        put_in_order(e, op, out)


def _multiplied(
    e: Emitter, passes: Sequence[Convolution], tensor: Tensor, folding: ConvolutionFolding, groups: int
) -> tuple[str, np.ndarray]:
    """C++ type of the products, and the codes of weights that it takes, line by line, pass after pass."""
    op, pe, simd = passes[0], folding.pe, folding.simd
    ordered = [in_order_of_use(one.weights, groups, pe, simd) for one in passes]
    lines = np.concatenate([codes.reshape(-1, pe, simd) for codes in ordered])
    if folding.multiplier not in PRODUCTS_OF_A_DSP:
        policy = product_policy(e, tensor.format, op.weight_format, folding.multiplier == "dsp")
        return policy, lines.reshape(len(lines), -1)
    found = packing(tensor.format, op.weight_format, PRODUCTS_OF_A_DSP[folding.multiplier])
    assert found is not None
    e.include("packed_product")
    segment = simd if op.exponents is None else BlockOrder.of(op, simd).segment
    numbers = [*found.right_bits, found.field_bits, found.low, found.high, column_length(found, segment)]
    numbers.append(found.ways // 2)
    policy = f"pyqkit::PackedProduct<{e.format(tensor.format)}, {', '.join(map(str, numbers))}>"
    pairs = weight_pairs(found, op.weight_format.integers[lines])
    return policy, pairs.reshape(len(pairs), -1)


def _weights(e: Emitter, op: Convolution, folding: ConvolutionFolding, lines: np.ndarray) -> str:
    """An array of codes, or memories of MicroScopiQ's blocks and what decodes them in its place."""
    blocks, memory = MicroBlocks.of(op, folding), folding.memory
    if blocks is None:
        return e.lines(f"{op.name}_weights", lines, memory)
    e.include("micro_blocks")
    words, pe, simd = blocks.slots.shape
    slots = e.lines(f"{op.name}_slots", blocks.slots.reshape(words, -1), memory)
    flags = e.lines(f"{op.name}_flags", blocks.flags.reshape(words, -1).astype(np.uint8), memory)
    exponents = e.lines(f"{op.name}_inliers", blocks.exponents, memory)
    sides = np.zeros((blocks.lanes, max(1, *map(len, blocks.sides))), np.int64)
    for lane, side in enumerate(blocks.sides):
        sides[lane, : len(side)] = side
    banks = e.banks(f"{op.name}_sides", sides)
    functions = {
        "slot": ("int line, int index", f"{slots}[line][index]"),
        "flag": ("int line, int lane", f"{flags}[line][lane]"),
        "exponent": ("int word, int input", f"{exponents}[word][input]"),
        "side": ("int lane, int place", f"{banks}[lane][place]"),
    }
    values = {"LINES": words, "FOLDS": blocks.folds, "REPEAT": blocks.repeat, "PE": pe, "SIMD": simd}
    shape = e.numbers(f"{op.name}_blocks", values | {"BITS": blocks.slot_bits})
    kind = f"pyqkit::MicroBlocks<{shape}, {e.struct(f'{op.name}_memories', functions)}>"
    name = e.names.new(f"{op.name}_weights")
    e.constants.append(f"static const {kind} {name}{{}};\n")
    return name


def _exponents(
    e: Emitter, op: Convolution, folding: ConvolutionFolding, groups: int
) -> tuple[BlockOrder, str]:
    """How weights in blocks meet their exponents, and the array of these."""
    if op.exponents is None:
        return BlockOrder(folding.simd, folding.simd, 1, 1, 1), "pyqkit::NoExponents()"
    order = BlockOrder.of(op, folding.simd)
    in_order = order.in_order_of_use(op.exponents, groups, folding.pe)
    lines = in_order.reshape(-1, folding.pe * order.held)
    return order, e.lines(f"{op.name}_exponents", lines, folding.memory)


def _windows(
    e: Emitter, op: Convolution, tensor: Tensor, pixels: int, groups: int, lanes: int
) -> tuple[Stream, int]:
    """The stream of a convolution's windows, and how many there are; of two pixels each, if `pixels` is 2."""
    source, size, window = e.input(op), tensor.shape[:2], op.sliding
    fill = tensor.format.zero_code if any(op.padding) else 0
    if pixels > 1:
        pairs = PixelPairs.of(window, size)
        source = paired(e, op, source, pairs, fill)
        size, window, fill = (size[0], pairs.columns), pairs.window, fill << tensor.format.bits | fill
    return slide(e, op, window, source, size, groups, lanes, fill), prod(window.out_size(size))


def slide(
    e: Emitter,
    op: Operator,
    window: SlidingWindow,
    source: Stream,
    size: Pair,
    groups: int,
    lanes: int,
    fill: int,
) -> Stream:
    """Windows over an image of `size`, group after group, in words of `lanes` codes.

    See `hls/sliding_window.hpp`.
    """
    (tensor,) = e.graph.input_tensors(op)
    e.include("sliding_window")
    made = e.stream(f"{op.name}_windows", source.bits, lanes)
    (height, width), channels = size, tensor.shape[2]
    rows, columns = window.out_size(size)
    values = {"CODE_BITS": source.bits, "HEIGHT": height, "WIDTH": width, "CHANNELS": channels}
    values |= {"ROWS": rows, "COLUMNS": columns}
    sides = {"KERNEL": window.kernel, "STRIDE": window.stride, "DILATION": window.dilation}
    values |= {f"{name}_{axis}": side[i] for name, side in sides.items() for i, axis in enumerate("HW")}
    values |= {"TOP": window.padding[0], "LEFT": window.padding[1], "GROUPS": groups}
    values |= {"LANES_IN": source.lanes, "LANES_OUT": lanes, "PAD": fill}
    pace = pace_of(window, (*size, channels), source.lanes, lanes)
    values |= {"FILL": pace.fill, "COUNT_IN": pace.count_in, "COUNT_OUT": pace.count_out}
    values |= {"PERIOD": pace.period, "RING": pace.ring, "FRAME": pace.trips}
    shape = e.numbers(f"{op.name}_window", values)
    block, streams = f"pyqkit::sliding_window<{shape}>", f"{source.name}, {made.name}"
    e.process(made.name, block, streams, pace.trips, pace.fill)
    return made


def pace_of(window: SlidingWindow, shape: tuple[int, int, int], lanes_in: int, lanes_out: int) -> WindowPace:
    """When a window over an image (rows, columns, channels) takes and gives words."""
    words_out = window.positions * shape[2] // lanes_out
    return WindowPace.of(window, shape[:2], shape[2] // lanes_in, words_out)
