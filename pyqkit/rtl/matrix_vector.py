"""A matrix-vector unit with its products and memories: what it is made of, and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from pyqkit.dataflow.matrix_vector import BlockOrder, window_order
from pyqkit.dataflow.micro_blocks import MicroBlocks
from pyqkit.formats import NumberFormat
from pyqkit.formats.products.narrow import NarrowProduct, narrow
from pyqkit.graph.folding import MEMORIES
from pyqkit.graph.ops.convolution import PRODUCTS_OF_A_DSP, Convolution, ConvolutionFolding
from pyqkit.rtl import micro_blocks
from pyqkit.rtl.emitter import Emitter, instance
from pyqkit.rtl.features import bits_for, left_to_size, levels_of
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import stages
from pyqkit.rtl.products import ProductBlock, dsp_block, product_block
from pyqkit.rtl.products.narrow import NarrowBlock
from pyqkit.rtl.products.packed import GROUP, PackedBlock, packed_block

TermsBlock = ProductBlock | NarrowBlock | PackedBlock

BLOCK_RAM_NS = 2.0  # that a word takes longer to come out of a block RAM than out of a register
READ_NS = 0.45  # of each bit of an address, where memory is made of LUTs


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
    product : ProductBlock or NarrowBlock or PackedBlock
    weights : Memory
        Of packed products all memories together.
    exponents : Memory or None
        Of blocks of weights.
    blocks : MicroBlocks or None
        What lies in the place of weights, to be decoded.
    latency : int
        Cycles from the last word of a window to the sums.
    parts : tuple of Part
        What its resources are counted by, both memories included.
    """

    parameters: Parameters
    product: TermsBlock
    weights: Memory
    exponents: Memory | None
    blocks: MicroBlocks | None
    latency: int
    parts: tuple[Part, ...]


def unit(
    op: Convolution,
    activations: NumberFormat,
    sums: NumberFormat,
    folding: ConvolutionFolding,
    clock_mhz: float,
    passes: int = 1,
) -> Unit:
    """The matrix-vector unit of a convolution, pipelined for a clock, with the weights of all `passes`."""
    pe, simd, pixels = folding.pe, folding.simd, folding.pixels
    groups, lanes = window_order(op, folding)
    folds = op.weights[0].size // simd
    depth = folds * (len(op.weights) // groups // pe) * groups  # words of weights, which is cycles a pixel
    made = _multiplier(op, activations, folding, depth * passes, clock_mhz)
    product, terms = made.product, simd // made.summed
    apart = pixels if op.is_depthwise else 1  # lanes of their own, where others are as wide as both pixels
    found: Parameters = {
        "LEFT_BITS": activations.bits * pixels // apart,
        "RIGHT_BITS": 0 if made.blocks or isinstance(product, PackedBlock) else made.weights.bits,
        "PRODUCT_BITS": product.width,
    }
    found |= {"SIGNS": 1} if product.signs else {}
    found |= {"SUM_BITS": sums.bits, "PE": pe * pixels, "SIMD": terms, "LANES": lanes * apart}
    found |= {"FOLDS": folds, "DEPTH": depth}
    found |= {"PASSES": passes} if passes > 1 else {}
    found |= {"READ_STAGES": made.weights.stages, "PRODUCT_STAGES": made.stages}
    until = made.weights.stages + made.stages + 1  # weights, products, terms
    exponents, latency = None, until + levels_of(terms) + 1  # the levels of the adder tree, the sum
    if op.exponent_bits:
        order = BlockOrder.of(op, simd)
        words = depth // order.row * order.words
        exponents = Memory(words, pe * order.held, op.exponent_bits, folding.memory, made.weights.stages)
        order = replace(order, block=ceil(order.block / made.summed), segment=order.segment // made.summed)
        latency = until + levels_of(order.segment) + levels_of(terms // order.segment) + 2  # and the shift
        found |= {"EXPONENT_BITS": op.exponent_bits, "EXPONENT_DEPTH": exponents.words}
        found |= {name.upper(): value for name, value in vars(order).items()}
    parameters = {name: value for name, value in found.items() if name != "RIGHT_BITS"}
    parts = (Part("matrix_vector", found | _counted(folding, product)), *made.parts)
    return Unit(parameters, product, made.weights, exponents, made.blocks, latency, parts)


def unit_of_streams(
    formats: tuple[NumberFormat, NumberFormat],
    sums: NumberFormat,
    folding: ConvolutionFolding,
    folds: int,
    depth: int,
    clock_mhz: float,
) -> Unit:
    """A unit whose weights are a stream's, in a memory that is none of its parts.

    Parameters
    ----------
    formats : (NumberFormat, NumberFormat)
        Of activations and weights.
    sums : NumberFormat
    folding : ConvolutionFolding
        Its `memory` is where the weights lie.
    folds, depth : int
        Words of a window, and of the memory.
    clock_mhz : float
    """
    left, right = formats
    made = _of_formats(left, right, folding, depth, clock_mhz)
    product, terms = made.product, folding.simd // made.summed
    parameters: Parameters = {"LEFT_BITS": left.bits, "PRODUCT_BITS": product.width}
    parameters |= {"SIGNS": 1} if product.signs else {}
    parameters |= {"SUM_BITS": sums.bits, "PE": folding.pe, "SIMD": terms, "LANES": folding.simd}
    parameters |= {"FOLDS": folds, "DEPTH": depth}
    parameters |= {"READ_STAGES": made.weights.stages, "PRODUCT_STAGES": made.stages}
    latency = made.weights.stages + made.stages + 1 + levels_of(terms) + 1  # terms, their tree, the sum
    counted = _counted(replace(folding, memory="auto"), product)
    parts = Part("matrix_vector", parameters | {"RIGHT_BITS": 0} | counted), *made.parts
    return Unit(parameters, product, made.weights, None, None, latency, parts)


def _counted(folding: ConvolutionFolding, product: TermsBlock) -> Parameters:
    """What the resources of a unit depend on beside its parameters."""
    found: Parameters = {}
    if folding.multiplier == "dsp":
        found = {"DSP": 1, "DECODED": int(product.module == "product_decoded")}
    if folding.memory != "auto":
        found["MEMORY"] = MEMORIES.index(folding.memory)
    if folding.pixels > 1:
        found["PIXELS"] = folding.pixels
    return found


@dataclass(frozen=True)
class _Multiplier:
    """What makes the terms of a unit.

    Attributes
    ----------
    product : ProductBlock or NarrowBlock or PackedBlock
    weights : Memory
    stages : int
        Steps from activations and weights to terms.
    summed : int
        Lanes whose products it adds to a term.
    parts : tuple of Part
    blocks : MicroBlocks or None
        What is stored instead of codes.
    """

    product: TermsBlock
    weights: Memory
    stages: int
    summed: int
    parts: tuple[Part, ...]
    blocks: MicroBlocks | None = None


def _multiplier(
    op: Convolution, activations: NumberFormat, folding: ConvolutionFolding, depth: int, clock_mhz: float
) -> _Multiplier:
    """Products that share DSPs if a folding says so; narrow codes are looked up, others multiplied."""
    if folding.multiplier in PRODUCTS_OF_A_DSP:
        return _packed(op, activations, folding, depth, clock_mhz)
    blocks = MicroBlocks.of(op, folding)
    if op.exponent_bits or blocks is not None:
        return _apart(activations, op.weight_format, folding, depth, clock_mhz, blocks)
    return _of_formats(activations, op.weight_format, folding, depth, clock_mhz)


def _of_formats(
    left: NumberFormat, right: NumberFormat, folding: ConvolutionFolding, depth: int, clock_mhz: float
) -> _Multiplier:
    """Narrow codes are looked up, others multiplied."""
    pair, several = narrow(left, right), folding.pixels == 1 < folding.simd
    if pair is not None and several and folding.multiplier == "lut":
        return _narrow(pair, folding, depth, clock_mhz)
    return _apart(left, right, folding, depth, clock_mhz)


def _apart(
    left: NumberFormat,
    right: NumberFormat,
    folding: ConvolutionFolding,
    depth: int,
    clock_mhz: float,
    blocks: MicroBlocks | None = None,
) -> _Multiplier:
    """A multiplier for each product."""
    product = (dsp_block if folding.multiplier == "dsp" else product_block)(left, right)
    count = folding.pe * folding.simd
    weights = Memory(depth, count, right.bits, folding.memory)
    if blocks is None:
        reading, multiplying = _steps(product, weights, clock_mhz)
        beside: tuple[Part, ...] = ()
    else:
        reading = micro_blocks.reading(clock_mhz)
        multiplying = micro_blocks.multiplying(product.delays_ns or (0.0,), folding.pe, clock_mhz)
        beside = micro_blocks.parts(blocks, folding.memory)
    parameters = product.parameters | product.magnitude | {"STAGES": multiplying}
    part = Part(product.module, parameters, count * folding.pixels)
    weights = replace(weights, stages=reading)
    return _Multiplier(product, weights, multiplying, 1, (part, *beside), blocks)


def _narrow(pair: NarrowProduct, folding: ConvolutionFolding, depth: int, clock_mhz: float) -> _Multiplier:
    """Sums of narrow codes."""
    product = NarrowBlock(pair, folding.pe, folding.simd)
    weights = Memory(depth, folding.pe * folding.simd, pair.right.bits, folding.memory)
    reading, _ = _steps(product, weights, clock_mhz)
    part = Part(product.module, product.parameters)
    return _Multiplier(product, replace(weights, stages=reading), product.latency, folding.simd, (part,))


def _packed(
    op: Convolution, activations: NumberFormat, folding: ConvolutionFolding, depth: int, clock_mhz: float
) -> _Multiplier:
    """Products that share DSPs, whose own registers meet every clock that is asked for."""
    ways, pe, simd = PRODUCTS_OF_A_DSP[folding.multiplier], folding.pe, folding.simd
    segment = BlockOrder.of(op, simd).segment if op.exponent_bits else simd
    product = packed_block(activations, op.weight_format, ways, pe, simd, segment)
    memories = [_memory(product, group, depth, folding.memory) for group in range(product.groups)]
    parts = [Part(product.module, product.parameters)]
    for memory in memories:
        counted: Parameters = {"WIDTH": memory.width, "DEPTH": memory.words}
        parts.append(Part("rom", counted | {"MEMORY": MEMORIES.index(memory.kind)}))
    if product.groups > 1 and depth > 1:
        steps: Parameters = {"WIDTH": memories[0].address_bits, "STAGES": GROUP}
        parts.append(Part("delay", steps, product.groups - 1))
    weights = Memory(depth, sum(memory.lanes for memory in memories), product.pair_bits, folding.memory)
    return _Multiplier(product, weights, product.latency, product.length, tuple(parts))


def _memory(product: PackedBlock, group: int, depth: int, kind: str) -> Memory:
    """One of the memories of weights of packed products."""
    return Memory(depth, product.pairs[group], product.pair_bits, kind)


def _steps(product: ProductBlock | NarrowBlock, weights: Memory, clock_mhz: float) -> tuple[int, int]:
    """Steps from an address to its weights, and from there to the products: as few as the clock allows."""
    delays = product.delays_ns or (0.0,)
    kind = left_to_size(weights.width, weights.words) if weights.kind == "auto" else weights.kind
    if kind == "lut" or weights.words == 1:
        reading = READ_NS * weights.address_bits if weights.kind == "lut" else 0.0
        within = stages((reading, reading / 2), clock_mhz)  # the tree of choices
        return 1 + within, stages(delays, clock_mhz)
    depth = stages((BLOCK_RAM_NS + delays[0], *delays), clock_mhz)
    return min(1 + depth, 2), max(depth - 1, 0)


# ---- text -------------------------------------------------------------------------------------------------


def wires_of(e: Emitter, name: str, made: Unit) -> tuple[dict[str, str], str]:
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


def packed_products(
    e: Emitter, op: Convolution, made: Unit, weights: np.ndarray, wires: Mapping[str, str]
) -> str:
    """Text that multiplies for a matrix-vector unit in shared DSPs, and the memories of its weights.

    Each memory is read some steps after the one before, so that no words wait in registers.
    """
    product, text, place, address = made.product, "", 0, wires["address"]
    assert isinstance(product, PackedBlock)
    integers = op.weight_format.integers[weights].reshape(-1, product.pe, product.simd)
    for group, words in enumerate(product.memories(integers)):
        memory = _memory(product, group, len(words), made.weights.kind)
        if group:
            before, address = address, e.names.new(f"{op.name}_address_{group}")
            text += f"  wire [{memory.address_bits - 1}:0] {address};\n"
            values: Parameters = {"WIDTH": memory.address_bits, "STAGES": GROUP}
            ports = {"clock": "clock", "enable": wires["read"], "d": before, "q": address}
            text += instance("delay", e.names.new(f"{address}_delay"), values, ports)
        data = f"{wires['right']}[{place}+:{memory.width}]"
        named = {"read": wires["read"], "address": address, "data": data}
        text += memory_text(e, f"{op.name}_weights_{group}", words, memory, named, ("address", "data"))
        place += memory.width
    decoder = e.decoding(product.left, int(product.parameters["WIDTH"]))
    ports = {"clock": "clock", "enable": wires["read"], "left": wires["left"], "right": wires["right"]}
    ports |= {"sums": wires["products"]}
    name = e.names.new(f"{op.name}_products_block")
    text += instance(product.module, name, product.parameters | decoder, ports)
    return text + f"  assign {wires['negate']} = 0;\n"


def narrow_products(e: Emitter, name: str, made: Unit, wires: Mapping[str, str]) -> str:
    """Text that makes the sums of a matrix-vector unit's narrow codes."""
    product = made.product
    assert isinstance(product, NarrowBlock)
    ports = {"clock": "clock", "enable": wires["read"], "left": wires["left"], "right": wires["right"]}
    ports |= {"sums": wires["products"]}
    block = e.names.new(f"{name}_products_block")
    return instance(product.module, block, product.parameters, ports) + f"  assign {wires['negate']} = 0;\n"


def products(e: Emitter, name: str, made: Unit, wires: Mapping[str, str], pixels: int) -> str:
    """Text that multiplies for a matrix-vector unit: all weights by the first pixel, then by the next."""
    if isinstance(made.product, NarrowBlock):
        return narrow_products(e, name, made, wires)
    assert isinstance(made.product, ProductBlock)
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


def memory_text(
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
