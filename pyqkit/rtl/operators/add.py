"""Residual addition."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.add import Add
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, decoding_luts, grows_with, rom
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Pipeline


@emits("add")
def add(e: Emitter, op: Operator) -> None:
    """Branches are added one after the other, each sum as wide as it can become."""
    assert isinstance(op, Add)
    tensors, (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    sources = e.aligned(op)
    lanes, channels = sources[0].lanes, result.shape[2]
    partial, known, ones = sources[0], tensors[0].format, np.ones(channels, np.int64)
    for index, total in enumerate(op.partial_sums(tensors), 1):
        last, tensor, factors = index == len(sources) - 1, tensors[index], op.multipliers[index]
        out = e.output(op, lanes) if last else e.stream(f"{op.name}_partial_{index}", total.bits, lanes)
        parameters: Parameters = {"LANES": lanes, "SUM_BITS": total.bits}
        sides = (
            ("LEFT", known, op.multipliers[0] if index == 1 else ones),
            ("RIGHT", tensor.format, factors),
        )
        for side, fmt, values in sides:
            parameters |= {f"{side}_BITS": fmt.bits, **e.decoding(fmt, total.bits, f"{side}_")}
            words = values.reshape(-1, lanes)
            words = words[:1] if (words == words[0]).all() else words
            parameters[f"{side}_DEPTH"] = len(words)
            name = f"{out.name}_{side.lower()}"
            parameters |= e.memory(name, words, lanes, total.bits, f"{side}_FACTORS", f"{side}_FACTOR")
        timing = Pipeline.every(codes(result) // lanes, 2)
        e.block(op.name, "add", parameters, {"left": partial, "right": sources[index]}, {"out": out}, timing)
        partial, known = out, total


# ---- what the modules grow with ------------------------------------------------------------------------


@grows_with("add")
def _add_features(p: Mapping[str, int]) -> Features:
    lanes, width = p["LANES"], p["SUM_BITS"]
    found = Features({"one": 1, "adders": lanes * width, "flip-flops": lanes * width + 2})
    for side in ("LEFT", "RIGHT"):
        table = {"TABLE": p.get(f"{side}_TABLE", 0), "ZERO_POINT": p.get(f"{side}_ZERO_POINT", 0)}
        found["decoders"] += lanes * decoding_luts(
            table, p[f"{side}_BITS"], min(width, 2 * p[f"{side}_BITS"])
        )
        found["flip-flops"] += lanes * p[f"{side}_BITS"]
        if p[f"{side}_DEPTH"] > 1:
            found += rom(lanes * 4, p[f"{side}_DEPTH"])
            found["multipliers"] += lanes * width * p[f"{side}_BITS"]
    return found
