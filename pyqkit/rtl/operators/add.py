"""Residual addition."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from pyqkit.dataflow.passes import partial_sums
from pyqkit.dataflow.streams import codes
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.add import Add
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import (
    Features,
    decoding_luts,
    decoding_registers,
    grows_with,
    pass_counters,
    rom,
)
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.pipelining import booth_ns, booth_rows, decode_stages, mirror, stages
from pyqkit.rtl.timing import Pipeline


@emits("add")
def add(e: Emitter, op: Operator) -> None:
    """Branches are added one after the other, each sum as wide as it can become."""
    assert isinstance(op, Add)
    variants = e.variants(op)
    tensors, (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    sources = e.aligned(op)
    lanes, channels = sources[0].lanes, result.shape[2]
    multipliers = np.stack([one.multipliers for one in variants], axis=1)  # (inputs, passes, channels)
    partial, known, ones = sources[0], tensors[0].format, np.ones((1, channels), np.int64)
    for index, total in enumerate(partial_sums(variants, tensors, result), 1):
        last, tensor, factors = index == len(sources) - 1, tensors[index], multipliers[index]
        out = e.output(op, lanes) if last else e.stream(f"{op.name}_partial_{index}", total.bits, lanes)
        parameters: Parameters = {"LANES": lanes, "SUM_BITS": total.bits}
        sides = (
            ("LEFT", known, multipliers[0] if index == 1 else ones),
            ("RIGHT", tensor.format, factors),
        )
        for side, fmt, values in sides:
            parameters |= {f"{side}_BITS": fmt.bits, **e.decoding(fmt, total.bits, f"{side}_")}
            parameters[f"{side}_MIRROR"] = mirror(fmt)
            words = values.reshape(len(values), -1, lanes)
            words = words[:, :1] if (words == words[:, :1]).all() else words
            words = words[:1] if (words == words[0]).all() else words
            parameters[f"{side}_DEPTH"] = depth = words.shape[1]
            if len(words) > 1:
                parameters |= e.switching(op, codes(result) // lanes // depth, f"{side}_")
            parameters[f"{side}_FACTOR_BITS"] = signed_bits(values)
            name = f"{out.name}_{side.lower()}"
            parameters |= e.memory(name, words, lanes, total.bits, f"{side}_FACTORS", f"{side}_FACTOR")
        deepest = max(decode_stages(fmt, e.clock_mhz) for fmt in (known, tensor.format))
        registers = {"DECODE_STAGES": deepest, **_add_stages(parameters, e.clock_mhz)}
        parameters |= registers
        timing = Pipeline.every(codes(result) // lanes, sum(registers.values()) + 1)  # and the sum
        e.block(op.name, "add", parameters, {"left": partial, "right": sources[index]}, {"out": out}, timing)
        partial, known = out, total


def _read(p: Mapping[str, int | str], side: str) -> int:
    """Words of the factors of a branch."""
    return int(p[f"{side}_DEPTH"]) * int(p.get(f"{side}_PASSES", 1))


def _add_stages(p: Parameters, clock_mhz: float) -> dict[str, int]:
    """Registers of an `add` in front of the sum; factors of one need but that of the integers."""
    sides, width = ("LEFT", "RIGHT"), int(p["SUM_BITS"])
    rows = max(booth_rows(width, int(p[f"{side}_FACTOR_BITS"])) for side in sides)
    alike = all(_read(p, side) == 1 for side in sides)
    if alike and rows == 1:  # one, or a sum or difference with it: nothing is multiplied
        return {"READ_STAGES": 1, "MULTIPLY_STAGES": 0}
    sum_ns = 1.8 + 0.03 * width
    delays = [1.5 + booth_ns(rows, width) + sum_ns]
    delays += [max(1.5 + sum_ns, booth_ns(ceil(rows / parts), width)) for parts in range(1, rows + 1)]
    depth = stages(delays, clock_mhz)
    return {"READ_STAGES": 2 if depth and not alike else 1, "MULTIPLY_STAGES": depth}


# ---- what the modules grow with ------------------------------------------------------------------------


@grows_with("add")
def _add_features(p: Mapping[str, int]) -> Features:
    lanes, width, multiplying = p["LANES"], p["SUM_BITS"], p["MULTIPLY_STAGES"]
    found = Features({"one": 1, "adders": lanes * width, "flip-flops": lanes * width + 2})
    for side in ("LEFT", "RIGHT"):
        names = ("TABLE", "ZERO_POINT", "MIRROR")
        decoding = {name: p.get(f"{side}_{name}", 0) for name in names} | {
            "DECODE_STAGES": p["DECODE_STAGES"]
        }
        found["decoders"] += lanes * decoding_luts(
            decoding, p[f"{side}_BITS"], min(width, 2 * p[f"{side}_BITS"])
        )
        found["flip-flops"] += lanes * decoding_registers(decoding, p[f"{side}_BITS"], width)
        found["flip-flops"] += lanes * (p[f"{side}_BITS"] * p["READ_STAGES"] + width * multiplying)
        found += pass_counters(p, f"{side}_")
        if _read(p, side) > 1:
            found += rom(lanes * p[f"{side}_FACTOR_BITS"], _read(p, side))
            found["multipliers"] += lanes * width * booth_rows(width, p[f"{side}_FACTOR_BITS"])
    return found
