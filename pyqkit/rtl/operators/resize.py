"""Nearest-neighbour resizing."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from pyqkit.dataflow.resize import steps
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.resize import Resize, ResizeFolding
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, grows_with, ram
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Steps


@emits("resize")
def resize(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Resize)
    (tensor,), lanes = e.graph.input_tensors(op), e.folding_of(op, ResizeFolding).lanes
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    out = e.output(op, lanes)
    height, width, channels = tensor.shape
    words = channels // lanes
    parameters: Parameters = {"BITS": source.width, "HEIGHT": height, "WIDTH": width, "WORDS": words}
    parameters |= {"LINE": int(max(op.rows) > 1)}
    for axis, times in (("ROW", op.rows), ("COLUMN", op.columns)):
        parameters |= _times(e, op.name, axis, times)
    e.block(op.name, "resize", parameters, {"in": source}, {"out": out}, Steps(*steps(op, words), 1))


def _times(e: Emitter, name: str, axis: str, times: list[int]) -> Parameters:
    """How often each place of an axis comes: one number for all, or a file."""
    bits = max(times).bit_length()
    if len(set(times)) == 1:
        return {f"{axis}_TIMES": times[0], f"{axis}_BITS": bits}
    file = e.table(f"{name}_{axis.lower()}s", np.array(times), bits)
    return {f"{axis}_TIMES": 0, f"{axis}_BITS": bits, f"{axis}_FILE": file}


@grows_with("resize")
def _resize_features(p: Mapping[str, int]) -> Features:
    """Two words, memory of a row or a pixel, counters of places and of passes, tables."""
    words = p["WORDS"] * (p["WIDTH"] if p["LINE"] else 1)
    counters, tables = bits_for(p["WORDS"]) + bits_for(words), 0
    for axis, length in (("ROW", p["HEIGHT"]), ("COLUMN", p["WIDTH"])):
        counters += bits_for(length) + p[f"{axis}_BITS"]
        tables += 0 if p[f"{axis}_TIMES"] else p[f"{axis}_BITS"] * ceil(length / 64)
    found = ram(p["BITS"], words)
    found["flip-flops"] += p["BITS"] + counters + 2
    return found + Features({"one": 1, "counters": counters, "choosing": p["BITS"], "tables": tables})
