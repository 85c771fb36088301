"""Requantisers."""

from __future__ import annotations

import numpy as np

from pyqkit.dataflow.thresholds import search_table
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.hls.emitter import Emitter, emits


@emits("threshold")
def threshold(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Threshold)
    e.include("requantise")
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    search = search_table(op, tensor)
    thresholds = e.array(f"{op.name}_thresholds", search.limits)
    falling = e.array(f"{op.name}_falling", op.falling.astype(np.int64))
    codes = e.array(f"{op.name}_codes", search.codes)
    table = e.struct(
        f"{op.name}_table",
        {
            "threshold": (
                "int channel, int index",
                f"{thresholds}[channel * {search.limits.shape[1]} + index]",
            ),
            "falling": ("int channel", f"{falling}[channel]"),
            "code": ("int index", f"{codes}[index]"),
        },
    )
    numbers = f"{op.format.bits}, {tensor.pixels}, {tensor.shape[2]}, {source.lanes}, {search.steps}"
    e.process(
        op.name,
        f"pyqkit::threshold<{e.format(tensor.format)}, {numbers}, {table}>({source.name}, {out.name})",
    )


@emits("rescale")
def rescale(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Rescale)
    e.include("requantise")
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    functions = {}
    for word, values in (("multiplier", op.multiplier), ("offset", op.offset)):
        # One number for all channels is no memory, and no multiplier if it is a power of two.
        if (values == values[0]).all():
            functions[word] = "int", f"{values[0]}LL"
        else:
            functions[word] = "int channel", f"{e.array(f'{op.name}_{word}s', values)}[channel]"
    table = e.struct(f"{op.name}_table", functions)
    widths = f"{signed_bits(op.multiplier)}, {op.scaled_bits(tensor)}"
    numbers = (
        f"{op.format.bits}, {tensor.pixels}, {tensor.shape[2]}, {source.lanes}, {widths}, "
        f"{op.shift}, {str(op.relu).lower()}"
    )
    limits = f"{op.format.low}LL, {op.format.high}LL, {op.format.zero_point}"
    e.process(
        op.name,
        f"pyqkit::rescale<{e.format(tensor.format)}, {numbers}, {table}>({source.name}, {out.name}, "
        f"{limits})",
    )
