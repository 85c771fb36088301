"""Integers times a factor of their channel, and a number of their own added."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pyqkit.dataflow.streams import codes
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_offset import PixelOffset
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, decoding_luts, decoding_registers, grows_with, rom
from pyqkit.rtl.matrix_vector import BLOCK_RAM_NS
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import booth_digits, booth_ns, booth_rows, stages
from pyqkit.rtl.timing import Pipeline


@emits("pixel_offset")
def pixel_offset(e: Emitter, op: Operator) -> None:
    assert isinstance(op, PixelOffset)
    (tensor,), source = e.graph.input_tensors(op), e.input(op)
    out, lanes = e.output(op, source.lanes), source.lanes
    factors, offsets = op.factors.reshape(-1, lanes), op.offsets.reshape(-1, lanes)
    factors = factors[:1] if (factors == factors[0]).all() else factors
    offset_bits = min(out.bits, signed_bits(offsets))  # sums are exact modulo their range
    parameters: Parameters = {"LANES": lanes, "BITS": source.bits, "SUM_BITS": out.bits}
    parameters |= e.pipelined_decoding(tensor.format, out.bits)
    parameters |= {"FACTOR_DEPTH": len(factors), "FACTOR_BITS": min(out.bits, signed_bits(factors))}
    parameters |= {"OFFSET_BITS": offset_bits, "DEPTH": len(offsets)}
    parameters |= e.memory(f"{op.name}_factors", factors, lanes, out.bits, "FACTORS", "FACTOR")
    parameters |= e.memory(f"{op.name}_offsets", offsets, lanes, offset_bits, "OFFSETS", "OFFSET")
    parameters |= _registers(parameters, e.clock_mhz)
    latency = sum(int(parameters[f"{name}_STAGES"]) for name in ("DECODE", "READ", "MULTIPLY")) + 1
    timing = Pipeline.every(codes(tensor) // lanes, latency)  # the sum is the last register
    fixed = factors.ravel().tolist() if len(factors) == 1 and parameters["MULTIPLY_STAGES"] else []
    rows = sum(sum(booth_digits(factor, int(parameters["FACTOR_BITS"]))) for factor in fixed)
    parts = (Part("pixel_offset", parameters | {"ROWS": rows}),)
    e.block(op.name, "pixel_offset", parameters, {"in": source}, {"out": out}, timing, parts=parts)


def _registers(p: Parameters, clock_mhz: float) -> dict[str, int]:
    """Registers between integers and the sum, as few as the clock allows."""
    width = int(p["SUM_BITS"])
    rows, sum_ns = booth_rows(width, int(p["FACTOR_BITS"])), 1.8 + 0.03 * width
    reading = 1 + stages([BLOCK_RAM_NS + sum_ns, sum_ns], clock_mhz)
    if p["FACTOR_DEPTH"] == 1 and rows == 1:  # a factor of one, or minus one: nothing is multiplied
        return {"READ_STAGES": reading, "MULTIPLY_STAGES": 0}
    delays = [1.5 + booth_ns(rows, width) + sum_ns]
    delays += [max(1.5 + sum_ns, booth_ns(ceil(rows / parts), width)) for parts in range(1, rows + 1)]
    depth = stages(delays, clock_mhz)
    return {"READ_STAGES": 2 if depth else reading, "MULTIPLY_STAGES": depth}


@grows_with("pixel_offset")
def _features(p: Mapping[str, int]) -> Features:
    lanes, width, multiplying = p["LANES"], p["SUM_BITS"], p["MULTIPLY_STAGES"]
    found = rom(lanes * p["OFFSET_BITS"], p["DEPTH"])
    if p["FACTOR_DEPTH"] > 1:
        found += rom(lanes * p["FACTOR_BITS"], p["FACTOR_DEPTH"])
        found["multipliers"] = lanes * width * booth_rows(width, p["FACTOR_BITS"])
    found["rows"] = width * p["ROWS"]  # of factors that are known
    held = p["BITS"] * p["READ_STAGES"] + width * (multiplying + 1)
    found["flip-flops"] += lanes * (held + decoding_registers(p, p["BITS"], width))
    found["flip-flops"] += p["DECODE_STAGES"] + p["READ_STAGES"] + multiplying + 1
    counters = bits_for(p["DEPTH"]) + bits_for(p["FACTOR_DEPTH"])
    found["flip-flops"] += counters
    found["decoders"] = lanes * decoding_luts(p, p["BITS"], width)
    return found + Features({"one": 1, "adders": lanes * width, "counters": counters})
