"""Integers times a factor of their pixel."""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, decoding_luts, grows_with, rom
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Pipeline

_LATENCY = 2  # the integers beside their factor, the products


@emits("pixel_scale")
def pixel_scale(e: Emitter, op: Operator) -> None:
    assert isinstance(op, PixelScale)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    bits = int(op.factors.max()).bit_length()
    parameters: Parameters = {
        "BITS_IN": source.bits,
        "BITS_OUT": out.bits,
        **e.decoding(tensor.format, out.bits),
        "FACTOR_BITS": bits,
        "LANES": source.lanes,
        "DEPTH": tensor.shape[2] // source.lanes,
        "PIXELS": tensor.pixels,
    }
    parameters |= e.memory(f"{op.name}_factors", op.factors.reshape(-1, 1), 1, bits, "FACTORS", "FACTOR")
    timing = Pipeline.every(codes(tensor) // source.lanes, _LATENCY)
    e.block(op.name, "pixel_scale", parameters, {"in": source}, {"out": out}, timing)


@grows_with("pixel_scale")
def _features(p: Mapping[str, int]) -> Features:
    lanes, out, factor = p["LANES"], p["BITS_OUT"], p["FACTOR_BITS"]
    found = rom(factor, p["PIXELS"])
    found["flip-flops"] += 2 * lanes * out + 2 + bits_for(p["DEPTH"]) + bits_for(p["PIXELS"])
    found["multipliers" if p["PIXELS"] > 1 else "fixed multipliers"] = lanes * out * factor
    found["decoders"] = lanes * decoding_luts(p, p["BITS_IN"], out)
    return found + Features({"one": 1})
