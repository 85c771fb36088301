"""Integers times a factor of their channel, and a number of their own added."""

from __future__ import annotations

from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_offset import PixelOffset
from pyqkit.hls.emitter import Emitter, emits


@emits("pixel_offset")
def pixel_offset(e: Emitter, op: Operator) -> None:
    assert isinstance(op, PixelOffset)
    e.include("pixel_offset")
    (tensor,), source = e.graph.input_tensors(op), e.input(op)
    out, lanes = e.output(op, source.lanes), source.lanes
    offsets = e.lines(f"{op.name}_offsets", op.offsets.reshape(-1, lanes))
    table = e.struct(
        f"{op.name}_table",
        {
            "factor": e.of_channels(f"{op.name}_factors", op.factors, lanes),
            "offset": ("int trip, int lane", f"{offsets}[trip][lane]"),
        },
    )
    numbers = f"{out.bits}, {tensor.pixels}, {tensor.shape[2]}, {lanes}"
    kind = e.format(tensor.format)
    block, streams = f"pyqkit::pixel_offset<{kind}, {numbers}, {table}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, codes(tensor) // lanes)
