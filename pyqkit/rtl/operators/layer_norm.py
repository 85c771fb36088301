"""Layer norm and RMS norm: sums of a pixel, the digits of its root, codes of its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from pyqkit.dataflow.constants import packed
from pyqkit.dataflow.norm import Norm, norm
from pyqkit.dataflow.streams import codes
from pyqkit.formats.widths import signed_bits, signed_range_bits
from pyqkit.graph.graph import Operator, Tensor
from pyqkit.graph.ops.layer_norm import LayerNorm, LayerNormFolding
from pyqkit.rtl.emitter import Emitter, Stream, emits
from pyqkit.rtl.features import (
    Features,
    bits_for,
    decoding_luts,
    decoding_registers,
    delay,
    grows_with,
    pass_counters,
    rom,
)
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import booth_rows, sum_chunk
from pyqkit.rtl.pixel_timing import Opening, Serial
from pyqkit.rtl.root_digits import Segment, segments
from pyqkit.rtl.row_search import (
    multiplier,
    multiply_stages,
    search_parameters,
    search_parts,
    search_steps,
    wide_product,
)
from pyqkit.rtl.timing import Pipeline

_MOMENT_STEPS = 6  # integers, squares, sums, their products, v, the radicand
_WIDE = 48  # bits of a gain that is recoded, as in `rtl/pqk_norm_codes.sv`
_HANDED_ON = 8  # cycles that FIFOs and forks take
_CODE_STEPS = 4  # integers as often as there are channels, the distance, the products, the code


@emits("layer_norm")
def layer_norm(e: Emitter, op: Operator) -> None:
    assert isinstance(op, LayerNorm)
    (tensor,), lanes = e.graph.input_tensors(op), e.folding_of(op, LayerNormFolding).pe
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    words = tensor.shape[2] // lanes
    variants = e.variants(op)
    found, sizes = norm(variants, tensor, words), _sizes(tensor, op, lanes, source.bits)
    sizes |= e.pipelined_decoding(tensor.format, int(sizes["WIDTH"]))
    squares = _squares(e, sizes)
    found_by = segments(found.root_bits, words, e.clock_mhz)
    digits = sum(segment.steps for segment in found_by) + len(found_by)
    late = words + digits + _moment_steps(sizes | squares) + _HANDED_ON
    now, later = e.kept(op.name, source, f"{op.name}_codes", late)
    root = _root(e, op, now, found, found_by, sizes | squares, codes(tensor) // lanes)
    out = e.output(op, lanes)
    total = found.root_bits + found.unit.bit_length() - 1 + (found.unit.bit_count() > 1)
    search = search_parameters(e, op.name, found.search, found.bits, total, out.bits)
    own, constants = _constants(e, op, tensor, found, lanes)
    own |= {"BITS": found.bits, "TOTAL_BITS": total, "UNIT": f"{total}'h{found.unit:x}"}
    parameters = sizes | own | search | constants | e.switching(op, tensor.pixels)
    latency = sum(int(parameters[f"{stage}_STAGES"]) for stage in ("DECODE", "SCALE"))
    latency += _CODE_STEPS + ceil(found.bits / int(parameters["SUM_CHUNK"]))
    latency += search_steps(search, found.bits)
    timing = Opening(codes(tensor) // lanes, latency, words, found.search.pace)
    streams = {"in": later, "root": root}
    e.block(op.name, "norm_codes", parameters, streams, {"out": out}, timing, parts=_parts(parameters, found))


def _sizes(tensor: Tensor, op: LayerNorm, lanes: int, bits: int) -> Parameters:
    """What the blocks of a norm have in common."""
    channels, largest = tensor.shape[2], max(abs(tensor.low), abs(tensor.high))
    width = signed_bits(np.array([tensor.low, tensor.high], dtype=object))
    sums = signed_range_bits(-channels * largest, channels * largest)
    return {"BITS_IN": bits, "WIDTH": width, "LANES": lanes, "WORDS": channels // lanes, "SUM_BITS": sums}


def _squares(e: Emitter, sizes: Parameters) -> Parameters:
    """Registers inside the squares of integers and of their sum."""
    width, sums = int(sizes["WIDTH"]), int(sizes["SUM_BITS"])
    square, spread = (multiply_stages(bits, bits, e.clock_mhz) for bits in (width, sums))
    return {"SQUARE_STAGES": square, "SPREAD_STAGES": spread}


def _moment_steps(p: Parameters) -> int:
    """Steps from the last word of a pixel to its moments."""
    return _MOMENT_STEPS + sum(int(p[f"{name}_STAGES"]) for name in ("DECODE", "SQUARE", "SPREAD"))


def _root(
    e: Emitter,
    op: LayerNorm,
    now: Stream,
    found: Norm,
    found_by: list[Segment],
    sizes: Parameters,
    count: int,
) -> Stream:
    """The stream of {root, sum} of each pixel."""
    spread = max(1, found.most_spread.bit_length())  # of v: its terms are exact modulo that
    radicand, sums = 2 * found.radicand_digits, int(sizes["SUM_BITS"])
    moments = e.stream(f"{op.name}_moments", radicand + sums, 1)
    parameters = sizes | {"CENTRED": int(op.centred), "SPREAD_BITS": spread, "RADICAND_BITS": radicand}
    part = Part("norm_moments", dict(parameters) | {"ONES": found.scale.bit_count()})
    width = int(sizes["WIDTH"])
    parts = [part, multiplier(width, width, int(sizes["SQUARE_STAGES"]), int(sizes["LANES"]))]
    if op.centred:
        parts.append(multiplier(sums, sums, int(sizes["SPREAD_STAGES"]), 1))
    scale = found.scale & ((1 << radicand) - 1)
    words, passes = int(sizes["WORDS"]), len(found.epsilons)
    epsilon = f"{passes * radicand}'h{packed(found.epsilons, radicand):x}"
    parameters |= {"SCALE": f"{radicand}'h{scale:x}", "EPSILON": epsilon}
    parameters |= e.switching(op, count // words)
    timing = Pipeline.every(count, _moment_steps(parameters), words)
    e.block(op.name, "norm_moments", parameters, {"in": now}, {"out": moments}, timing, parts=tuple(parts))
    state = radicand + 2 * found.root_bits + 2 + sums
    numbers: Parameters = {"SUM_BITS": sums, "ROOT_BITS": found.root_bits, "RADICAND_BITS": radicand}
    for place, segment in enumerate(found_by):
        out = e.stream(f"{op.name}_root_{place}", state, 1)
        wires, data = {}, f"{moments.name}_data"
        if place == 0:
            high, low = f"{data}[{sums + radicand - 1}:{sums}]", f"{data}[{sums - 1}:0]"
            begun = f"{high}, 1'b1, {2 * found.root_bits + 1}'b0, {low}"
            wires = {"in_data": f"{{{begun}}}"}
        own = numbers | {name.upper(): value for name, value in vars(segment).items()}
        digits = Serial(count // words, segment.steps)
        e.block(op.name, "norm_root", own, {"in": moments}, {"out": out}, digits, wires=wires)
        moments = out
    return moments


def _constants(
    e: Emitter, op: LayerNorm, tensor: Tensor, found: Norm, lanes: int
) -> tuple[Parameters, Parameters]:
    """Parameters of the products with gains and offsets: widths, and the memory of both."""
    largest = max(abs(tensor.low), abs(tensor.high))
    reach = tensor.shape[2] * largest * (2 if op.centred else 1)
    moved = signed_range_bits(-reach, reach)
    gain, offset = (_signed(values) for values in (found.gains, found.offsets))
    radicand = 2 * found.radicand_digits
    sizes: Parameters = {
        "RADICAND_BITS": radicand,
        "ROOT_BITS": found.root_bits,
        "FRACTION_BITS": found.fraction_bits,
    }
    sizes |= {"MOVED_BITS": moved, "GAIN_BITS": gain, "OFFSET_BITS": offset}
    sizes["SUM_CHUNK"] = sum_chunk(found.bits, (found.root_bits, offset), e.clock_mhz)
    factor = min(int(sizes["SUM_CHUNK"]), found.root_bits)
    recoded, other = (gain, moved) if gain > _WIDE else (min(gain, moved), max(gain, moved))
    shifting = multiply_stages(offset, factor, e.clock_mhz)
    if factor < found.root_bits:  # no row and sum with what lies below in a step
        shifting = booth_rows(offset, offset) + 1
    sizes["SCALE_STAGES"] = max(multiply_stages(recoded, other, e.clock_mhz), shifting)
    pairs = [
        (g & ((1 << gain) - 1)) | (o & ((1 << offset) - 1)) << gain
        for g, o in zip(found.gains, found.offsets)
    ]
    words = np.array(pairs, object)
    return sizes, e.memory(f"{op.name}_constants", words, lanes, gain + offset, "CONSTANTS", "CONSTANT")


def _signed(values: Sequence[int]) -> int:
    """Bits of signed integers that hold numbers of any size."""
    return max(abs(value) for value in values).bit_length() + 1


# ---- what the modules grow with ------------------------------------------------------------------------


def _parts(p: Parameters, found: Norm) -> tuple[Part, ...]:
    lanes, depth, shifting = int(p["LANES"]), int(p["SCALE_STAGES"]), any(found.offsets)
    own = Part("norm_codes", p | {"ONES": found.unit.bit_count(), "SHIFTING": int(shifting)})
    scale = multiplier(int(p["MOVED_BITS"]), int(p["GAIN_BITS"]), depth, lanes)
    zeros = 0 if shifting else found.fraction_bits
    parts = own, scale, *search_parts(p, found.search, found.bits, int(p["TOTAL_BITS"]), lanes, zeros)
    if not shifting:
        return parts
    size = int(p["SUM_CHUNK"])
    sizes = found.root_bits, int(p["OFFSET_BITS"]), size, ceil(found.bits / size)
    return *parts, wide_product(sizes, (depth, 0), found.offsets, lanes)


@grows_with("norm_moments")
def _moments(p: Mapping[str, int]) -> Features:
    lanes, width, sums, spread = p["LANES"], p["WIDTH"], p["SUM_BITS"], p["SPREAD_BITS"]
    found = Features({"one": 1, "adders": lanes * spread + p["ONES"] * p["RADICAND_BITS"]})
    found["flip-flops"] = lanes * 3 * width + spread + p["RADICAND_BITS"] + 6
    # As many times as there are channels: a sum of as many as that has ones.
    found["adders"] += ((p["WORDS"] * lanes).bit_count() - 1) * spread
    if p["CENTRED"]:
        found["adders"] += lanes * sums + spread
        found["flip-flops"] += lanes * width + 3 * sums + 2 * spread
    found += delay(spread, p["SPREAD_STAGES"] + 1)
    if p["CENTRED"]:
        found += delay(lanes * width, p["SQUARE_STAGES"] + 1) + delay(sums, p["SPREAD_STAGES"] + 1)
    found["flip-flops"] += bits_for(p["WORDS"]) + lanes * decoding_registers(p, p["BITS_IN"], width)
    found["decoders"] = lanes * decoding_luts(p, p["BITS_IN"], width)
    return found + pass_counters(p)


@grows_with("norm_root")
def _root_features(p: Mapping[str, int]) -> Features:
    found, before = p["FOUND"], p["FOUND"] - p["DIGITS"]
    live, later = (max(0, p["RADICAND_BITS"] - 2 * known) for known in (before, found))
    counters = bits_for(p["DIGITS"]) + bits_for(p["PARTS"]) - 1
    size = ceil((found + 4) / p["PARTS"])
    made = Features({"one": 1, "adders": found + 4, "choosing": live + bool(before) * (2 * found + 1)})
    held = live + later + 2 * (2 * found + 2 + p["SUM_BITS"])
    made["flip-flops"] = held + counters + 3 + (p["PARTS"] - 1) * (size + 1)
    return made


@grows_with("norm_codes")
def _codes(p: Mapping[str, int]) -> Features:
    """Without multipliers and searches."""
    lanes, root, bits, width = p["LANES"], p["ROOT_BITS"], p["BITS"], p["WIDTH"]
    found = rom(lanes * (p["GAIN_BITS"] + p["OFFSET_BITS"]), p["WORDS"] * p.get("PASSES", 1))
    found += pass_counters(p, words="WORDS")
    parts, moved, scaled = ceil(bits / p["SUM_CHUNK"]), p["MOVED_BITS"], p["MOVED_BITS"] + p["GAIN_BITS"]
    found += delay(root + p["SUM_BITS"], p["DECODE_STAGES"] + 1) + delay(root, p["SCALE_STAGES"] + parts)
    found["flip-flops"] += 2 * root + p["SUM_BITS"] + p["TOTAL_BITS"] + 2 * bits_for(p["WORDS"]) + 4
    added = bits - p["FRACTION_BITS"]
    found["flip-flops"] += lanes * (
        2 * moved + scaled + (bits if p["SHIFTING"] else added) + 2 * p["BITS_OUT"]
    )
    found += delay(lanes * bits, (parts - 1) // 2 * 2)  # parts wait for those below and above
    found["flip-flops"] += lanes * decoding_registers(p, p["BITS_IN"], width)
    found["decoders"] = lanes * decoding_luts(p, p["BITS_IN"], width)
    times = (p["WORDS"] * lanes).bit_count()  # a product with that number is a sum of as many
    found["adders"] = lanes * (times * moved + p["SHIFTING"] * added) + (p["ONES"] - 1) * p["TOTAL_BITS"]
    return found + Features({"one": 1, "choosing": root + p["SUM_BITS"] + lanes * p["BITS_OUT"]})
