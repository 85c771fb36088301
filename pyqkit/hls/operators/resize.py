"""Nearest-neighbour resizing."""

from __future__ import annotations

import numpy as np

from pyqkit.dataflow.resize import steps
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.resize import Resize, ResizeFolding
from pyqkit.hls.emitter import Emitter, emits


@emits("resize")
def resize(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Resize)
    e.include("resize")
    (tensor,), lanes = e.graph.input_tensors(op), e.folding_of(op, ResizeFolding).lanes
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    out = e.output(op, lanes)
    height, width, channels = tensor.shape
    shape = {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "LANES": lanes}
    takes, _ = steps(op, channels // lanes)
    numbers = e.numbers(f"{op.name}_shape", shape | {"TRIPS": len(takes), "LINE": max(op.rows) > 1})
    times = {
        f"{axis}s": (f"int {axis}", _times(e, f"{op.name}_{axis}s", axis, found))
        for axis, found in (("row", op.rows), ("column", op.columns))
    }
    table = e.struct(f"{op.name}_table", times)
    block, streams = f"pyqkit::resize<{source.code}, {numbers}, {table}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, len(takes))


def _times(e: Emitter, wanted: str, place: str, times: list[int]) -> str:
    """How often a place comes: one number for all, or one of a table."""
    if len(set(times)) == 1:
        return str(times[0])
    return f"{e.array(wanted, np.array(times))}[{place}]"
