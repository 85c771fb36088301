"""Convolution: a sliding window, the products and a matrix-vector unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, lcm, log, prod

import numpy as np

from pyqkit.dataflow.matrix_vector import BlockOrder, in_order_of_use, window_order
from pyqkit.formats import NumberFormat
from pyqkit.graph.folding import MEMORIES
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.graph.ops.window import Pair, SlidingWindow
from pyqkit.rtl.emitter import Emitter, Stream, emits, instance
from pyqkit.rtl.features import Features, bits_for, grows_with, left_to_size, ram, rom
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import stages
from pyqkit.rtl.pixels import paired, put_in_order
from pyqkit.rtl.products import ProductBlock, dsp_block, product_block
from pyqkit.rtl.timing import Pipeline, Window

BLOCK_RAM_NS = 2.0  # that a word takes longer to come out of a block RAM than out of a register


@emits("convolution")
def convolution(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Convolution)
    folding = e.folding_of(op, ConvolutionFolding)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    made = unit(op, tensor.format, result.format, folding, e.clock_mhz)
    pe, simd, pixels = folding.pe, folding.simd, folding.pixels
    folds, depth = int(made.parameters["FOLDS"]), int(made.parameters["DEPTH"])
    groups, lanes = window_order(op, folding)
    source, steps = _windows(e, op, tensor, pixels, groups, depth // folds // groups, lanes)
    out = e.output(op, pe) if pixels == 1 else e.stream(f"{op.name}_of_pairs", result.format.bits, 2 * pe)
    wires, text = _wires(e, op.name, made)
    text += _products(e, op.name, made, wires, pixels)
    weights = in_order_of_use(op.weights, groups, pe, simd)
    text += _rom(e, f"{op.name}_weights", weights, made.weights, wires, ("address", "right"))
    if made.exponents is not None and op.exponents is not None:
        exponents = BlockOrder.of(op, simd).in_order_of_use(op.exponents, groups, pe)
        read = "exponent_address", "exponents"
        text += _rom(e, f"{op.name}_exponents", exponents, made.exponents, wires, read)
    timing = Pipeline.every(steps * depth, made.latency, folds)
    ports = {port: wire for port, wire in wires.items() if port != "right"}  # weights go to the products
    if pixels > 1 and made.exponents is not None:
        ports["exponents"] = f"{{{pixels}{{{wires['exponents']}}}}}"
    streams = {"in": source}, {"out": out}
    e.block(op.name, "matrix_vector", made.parameters, *streams, timing, ports, text, made.parts)
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


@dataclass(frozen=True)
class Memory:
    """Words of `lanes` values of `bits` bits.

    Attributes
    ----------
    words, lanes, bits : int
    kind : str
        Option of a folding's axis ``memory``.
    stages : int
        Steps from an address to its word.
    """

    words: int
    lanes: int
    bits: int
    kind: str = "auto"
    stages: int = 1

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.lanes * self.bits

    @property
    def address_bits(self) -> int:
        """Bits of an address."""
        return bits_for(self.words)


@dataclass(frozen=True)
class Unit:
    """A matrix-vector unit.

    Attributes
    ----------
    parameters : dict of str to int
    product : ProductBlock
    weights : Memory
    exponents : Memory or None
        Of blocks of weights.
    latency : int
        Cycles from the last word of a window to the sums.
    parts : tuple of Part
        What its resources are counted by, both memories included.
    """

    parameters: Parameters
    product: ProductBlock
    weights: Memory
    exponents: Memory | None
    latency: int
    parts: tuple[Part, ...]


def unit(
    op: Convolution,
    activations: NumberFormat,
    sums: NumberFormat,
    folding: ConvolutionFolding,
    clock_mhz: float,
) -> Unit:
    """The matrix-vector unit of a convolution, pipelined for a clock."""
    pe, simd, pixels, dsp = folding.pe, folding.simd, folding.pixels, folding.multiplier == "dsp"
    groups, lanes = window_order(op, folding)
    folds = op.weights[0].size // simd
    depth = folds * (len(op.weights) // groups // pe) * groups  # words of weights, which is cycles a pixel
    product = (dsp_block if dsp else product_block)(activations, op.weight_format)
    apart = pixels if op.is_depthwise else 1  # lanes of their own, where others are as wide as both pixels
    found: Parameters = {
        "LEFT_BITS": activations.bits * pixels // apart,
        "RIGHT_BITS": op.weight_format.bits,
        "PRODUCT_BITS": product.width,
    }
    found |= {"SIGNS": 1} if product.signs else {}
    found |= {"SUM_BITS": sums.bits, "PE": pe * pixels, "SIMD": simd, "LANES": lanes * apart}
    found |= {"FOLDS": folds, "DEPTH": depth}
    weights = Memory(depth, pe * simd, op.weight_format.bits, folding.memory)
    reading, multiplying = _steps(product, weights, clock_mhz)
    weights = replace(weights, stages=reading)
    found |= {"READ_STAGES": reading, "PRODUCT_STAGES": multiplying}
    # Weights, products, terms, the levels of the adder tree, the sum.
    exponents, latency = None, reading + multiplying + 1 + levels_of(simd) + 1
    if op.exponent_bits:
        order = BlockOrder.of(op, simd)
        words = depth // order.row * order.words
        exponents = Memory(words, pe * order.held, op.exponent_bits, folding.memory, reading)
        levels = levels_of(order.segment) + levels_of(simd // order.segment)
        latency = reading + multiplying + 1 + levels + 2  # and the shift
        found |= {"EXPONENT_BITS": op.exponent_bits, "EXPONENT_DEPTH": exponents.words}
        found |= {name.upper(): value for name, value in vars(order).items()}
    counted: Parameters = {"DSP": 1, "DECODED": int(product.module == "product_decoded")} if dsp else {}
    if folding.memory != "auto":
        counted["MEMORY"] = MEMORIES.index(folding.memory)
    if pixels > 1:
        counted["PIXELS"] = pixels
    parts = (
        Part("matrix_vector", found | counted),
        Part(
            product.module,
            product.parameters | product.magnitude | {"STAGES": multiplying},
            pe * simd * pixels,
        ),
    )
    parameters = {name: value for name, value in found.items() if name != "RIGHT_BITS"}
    return Unit(parameters, product, weights, exponents, latency, parts)


def _steps(product: ProductBlock, weights: Memory, clock_mhz: float) -> tuple[int, int]:
    """Steps from an address to its weights, and from there to the products: as few as the clock allows."""
    delays = product.delays_ns or (0.0,)
    kind = left_to_size(weights.width, weights.words) if weights.kind == "auto" else weights.kind
    if kind == "lut" or weights.words == 1:  # a register is all that stands behind LUTs
        return 1, stages(delays, clock_mhz)
    depth = stages((BLOCK_RAM_NS + delays[0], *delays), clock_mhz)
    return min(1 + depth, 2), max(depth - 1, 0)


def levels_of(count: int) -> int:
    """Levels of a tree of adders over `count` terms."""
    return (count - 1).bit_length()


def _wires(e: Emitter, name: str, made: Unit) -> tuple[dict[str, str], str]:
    """Wires of a matrix-vector unit by port, and the text that declares them."""
    left, pe, simd, lanes = (int(made.parameters[key]) for key in ("LEFT_BITS", "PE", "SIMD", "LANES"))
    widths = {
        "left": lanes * left,
        "read": 1,
        "address": made.weights.address_bits,
        "right": made.weights.width,
        "products": pe * simd * made.product.width,
        "negate": pe * simd,
    }
    if made.exponents is not None:
        widths |= {"exponent_address": made.exponents.address_bits, "exponents": made.exponents.width}
    wires = {port: e.names.new(f"{name}_{port}") for port in widths}
    if made.exponents is None:
        wires |= {"exponent_address": e.names.new(f"{name}_unused"), "exponents": "1'b0"}
        widths["exponent_address"] = 1
    declared = "".join(f"  wire [{width - 1}:0] {wires[port]};\n" for port, width in widths.items())
    return wires, declared


def _products(e: Emitter, name: str, made: Unit, wires: Mapping[str, str], pixels: int) -> str:
    """Text that multiplies for a matrix-vector unit: all weights by the first pixel, then by the next."""
    width, pe, simd, lanes = (int(made.parameters[key]) for key in ("LEFT_BITS", "PE", "SIMD", "LANES"))
    count, weights, product = pe * simd, pe * simd // pixels, made.product
    left, right = lanes * width // (min(lanes, weights) * pixels), made.weights.bits
    code, weight = f"i%{lanes}", "i"
    if pixels > 1:  # the codes of both pixels stand side by side
        code, weight = f"(i%{min(lanes, weights)}*{pixels}+i/{weights})", f"(i%{weights})"
    a, b = (f"{wires['left']}[{code}*{left}+", f"{wires['right']}[{weight}*{right}+")
    p = f"{wires['products']}[i*{product.width}+:{product.width}]"
    depth = int(made.parameters["PRODUCT_STAGES"])
    operands = f"{a}:{left}]", f"{b}:{right}]"
    multiply = product.instance("multiply", *operands, p, depth, wires["read"], magnitude=True)
    negate = product.sign(f"{a}{left - 1}]", f"{b}{right - 1}]")
    generated = e.names.new(f"g_{name}_products")
    return (
        f"  generate\n    for (genvar i = 0; i < {count}; i++) begin : {generated}\n"
        f"      {multiply}\n      assign {wires['negate']}[i] = {negate};\n    end\n  endgenerate\n"
    )


def _rom(
    e: Emitter,
    name: str,
    values: np.ndarray,
    memory: Memory,
    wires: Mapping[str, str],
    ports: tuple[str, str],
) -> str:
    """Constants behind a memory port of the unit, whose address and data are `ports`."""
    address, data = ports
    parameters: Parameters = {"WIDTH": memory.width, "DEPTH": memory.words}
    parameters |= e.memory(name, values, memory.lanes, memory.bits, "FILE", "VALUE")
    if memory.kind != "auto":
        parameters["MEMORY"] = f'"{memory.kind}"'
    parameters["STAGES"] = memory.stages
    read = {"clock": "clock", "enable": wires["read"], "address": wires[address], "data": wires[data]}
    return instance("rom", e.names.new(f"{name}_rom"), parameters, read)


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
    (tensor,) = e.graph.input_tensors(op)
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


# ---- what the modules grow with ---------------------------------------------------------------------------


@grows_with("matrix_vector")
def _matrix_vector_features(p: Mapping[str, int]) -> Features:
    pe, simd, sum_bits, signs = p["PE"], p["SIMD"], p["SUM_BITS"], p.get("SIGNS", 0)
    exponent = p.get("EXPONENT_BITS", 0)
    memory, in_dsp = MEMORIES[p.get("MEMORY", 0)], bool(p.get("DSP") and not exponent)
    outputs = pe // p.get("PIXELS", 1)  # that have weights of their own
    found = rom(outputs * simd * p["RIGHT_BITS"], p["DEPTH"], memory)
    term = min(p["PRODUCT_BITS"], sum_bits)
    if exponent:
        adders, held, levels = _segments(found, p, term, memory)
    else:
        adders, held = _tree(simd, term, sum_bits, signs, in_dsp)
        held, levels = held + (0 if in_dsp else simd * (term + signs)), bits_for(simd) if simd > 1 else 0
    operands = 0 if p.get("DSP") and not p["DECODED"] else p.get("LANES", simd) * p["LEFT_BITS"]
    counters = bits_for(p["DEPTH"]) + bits_for(p["FOLDS"])
    found["flip-flops"] += operands + pe * (held + sum_bits) + 3 * (levels + 3) // 2 + counters
    kind = "subtracting " if signs else "DSP " if p.get("DSP") else ""
    found[f"{kind}adders"] = pe * adders
    found[f"{kind}accumulators"] = pe * sum_bits if p["FOLDS"] > 1 else 0
    found["counters"] += counters
    found["signs"] = pe * simd * signs
    return found + Features({"one": 1})


def _tree(count: int, width: int, most: int, signs: int, in_dsp: bool = False) -> tuple[int, int]:
    """Bits of all adders of a tree, and of the registers behind them.

    A DSP has the register behind a product, an adder and the register behind that.
    """
    adders, held = 0, 0
    for level in range(1, levels_of(count) + 1):
        below = ceil(count / 2 ** (level - 1))
        if level > 1 or not in_dsp:
            sums = min(width + level, most)
            adders, held = adders + below // 2 * sums, held + ceil(below / 2) * (sums + signs)
    return adders, held


def _segments(found: Features, p: Mapping[str, int], term: int, memory: str) -> tuple[int, int, int]:
    """Bits of adders and registers of each PE, and levels, where segments are shifted before they are added.

    What all PE share goes into `found`.
    """
    pe, segments, bits, signs = p["PE"], p["SIMD"] // p["SEGMENT"], p["EXPONENT_BITS"], p.get("SIGNS", 0)
    low = min(term + levels_of(p["SEGMENT"]), p["SUM_BITS"])
    high = min(low + 2**bits - 1, p["SUM_BITS"])
    below, above = (
        _tree(p["SEGMENT"], term, p["SUM_BITS"], signs),
        _tree(segments, high, p["SUM_BITS"], signs),
    )
    found += rom(pe // p.get("PIXELS", 1) * p["HELD"] * bits, p["EXPONENT_DEPTH"], memory)
    found["counters"] += bits_for(p["EXPONENT_DEPTH"]) + (bits_for(p["SPAN"]) if p["SPAN"] > 1 else 0)
    found["counters"] += bits_for(p["ROW"]) if p["ROW"] % p["SPAN"] else 0
    found["flip-flops"] += found["counters"]
    found["shifters"] = pe * segments * high * ceil(bits / 2)  # a LUT chooses out of four
    found["exponents"] = pe * segments * bits if p["HELD"] > 1 and p["SPAN"] > 1 else 0
    held = p["SIMD"] * (term + signs) + segments * (below[1] + high + signs) + above[1]
    return segments * below[0] + above[0], held, levels_of(p["SEGMENT"]) + levels_of(segments) + 1


_AXES = (
    ("HEIGHT", "TOP", "ROWS", "STRIDE_ROWS", "KERNEL_ROWS", "DILATION_ROWS"),
    ("WIDTH", "LEFT", "COLUMNS", "STRIDE_COLUMNS", "KERNEL_COLUMNS", "DILATION_COLUMNS"),
)


def _place_bits(p: Mapping[str, int], axis: tuple[str, ...]) -> int:
    """``Y_BITS`` or ``X_BITS`` of the module.

    A place from the padding before an image to that behind.
    """
    size, before, *_ = (p[name] for name in axis)
    return bits_for(max(before + size, _reach(p, axis) + 2))


def _reach(p: Mapping[str, int], axis: tuple[str, ...]) -> int:
    """From the first tap of the first window to the last tap of the last one."""
    _, _, out, stride, kernel, dilation = (p[name] for name in axis)
    return (out - 1) * stride + (kernel - 1) * dilation


@grows_with("sliding_window")
def _sliding_window_features(p: Mapping[str, int]) -> Features:
    words = p["CHANNELS"] // p["LANES_IN"]
    size, parts, width = p["LINE_PIXELS"] * words, p["LANES_IN"] // p["LANES_OUT"], p["BITS"] * p["LANES_IN"]
    found, out = ram(width, size), p["LANES_OUT"] * p["BITS"]
    border = p["TOP"] or p["LEFT"] or any(_reach(p, axis) >= p[axis[0]] for axis in _AXES)
    places = sum(_place_bits(p, axis) for axis in _AXES) if border else 0
    address, pixels = bits_for(size), bits_for(2 * p["LINE_PIXELS"]) + 1
    units = p["CHANNELS"] // p["GROUPS"] // p["LANES_OUT"]
    loops = (
        units,
        units * p["KERNEL_COLUMNS"],
        units * p["KERNEL_COLUMNS"] * p["KERNEL_ROWS"],
        p["REPEAT"] * p["GROUPS"],
        p["COLUMNS"],
        p["ROWS"],
        size,
        words,
        words,
        parts,
    )
    counters = sum(bits_for(n) + 1 for n in loops if n > 1)
    found["places"] = places
    found["addresses"] = address
    found["pixels"] = pixels
    found["counters"] = counters
    found["choosing"] = out * parts if parts > 1 else 0
    found["border"] = out if border else 0
    found["flip-flops"] += 2 * places + 4 * address + 6 * pixels + counters + (out if p["STAGES"] > 2 else 0)
    return found + Features({"one": 1})
