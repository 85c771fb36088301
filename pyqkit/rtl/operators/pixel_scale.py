"""Integers times a factor of their pixel."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from pyqkit.dataflow.streams import codes
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, decoding_luts, decoding_registers, grows_with, rom
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.pipelining import booth_ns, booth_rows, stages
from pyqkit.rtl.timing import Pipeline

_LATENCY = 2  # the integers beside their factor, the products


@emits("pixel_scale")
def pixel_scale(e: Emitter, op: Operator) -> None:
    assert isinstance(op, PixelScale)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    bits = int(op.factors.max()).bit_length()
    width = signed_bits(np.array([tensor.low, tensor.high], dtype=object))
    decoding = e.pipelined_decoding(tensor.format, width)
    rows = booth_rows(width, bits + 1)
    delays = [booth_ns(ceil(rows / parts), width) for parts in range(1, rows + 1)]
    multiplying = stages(delays, e.clock_mhz) if tensor.pixels > 1 else 0
    parameters: Parameters = {
        "BITS_IN": source.bits,
        "WIDTH": width,
        "BITS_OUT": out.bits,
        **decoding,
        "FACTOR_BITS": bits,
        "MULTIPLY_STAGES": multiplying,
        "LANES": source.lanes,
        "DEPTH": tensor.shape[2] // source.lanes,
        "PIXELS": tensor.pixels,
    }
    parameters |= e.memory(f"{op.name}_factors", op.factors.reshape(-1, 1), 1, bits, "FACTORS", "FACTOR")
    timing = Pipeline.every(
        codes(tensor) // source.lanes, int(decoding["DECODE_STAGES"]) + multiplying + _LATENCY
    )
    e.block(op.name, "pixel_scale", parameters, {"in": source}, {"out": out}, timing)


@grows_with("pixel_scale")
def _features(p: Mapping[str, int]) -> Features:
    lanes, out, factor = p["LANES"], p["BITS_OUT"], p["FACTOR_BITS"]
    found = rom(factor, p["PIXELS"])
    found["flip-flops"] += 2 * lanes * out + 2 + bits_for(p["DEPTH"]) + bits_for(p["PIXELS"])
    found["multipliers" if p["PIXELS"] > 1 else "fixed multipliers"] = lanes * out * factor
    found["flip-flops"] += lanes * decoding_registers(p, p["BITS_IN"], p["WIDTH"])
    found["flip-flops"] += lanes * p["MULTIPLY_STAGES"] * (p["WIDTH"] + out)
    found["decoders"] = lanes * decoding_luts(p, p["BITS_IN"], p["WIDTH"])
    return found + Features({"one": 1})
