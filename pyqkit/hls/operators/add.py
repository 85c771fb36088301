"""Residual addition."""

from __future__ import annotations

import numpy as np

from pyqkit.dataflow.passes import partial_sums
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.add import Add
from pyqkit.hls.emitter import Emitter, emits


@emits("add")
def add(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Add)
    e.include("add")
    variants = e.variants(op)
    multipliers = np.concatenate([one.multipliers for one in variants], axis=1)  # channels of all passes
    tensors, (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    sources = e.aligned(op)
    lanes, channels = sources[0].lanes, result.shape[2]
    partial, kind, ones = sources[0], e.format(tensors[0].format), np.ones_like(multipliers[0])
    for index, total in enumerate(partial_sums(variants, tensors, result), 1):
        last, bits = index == len(sources) - 1, total.bits
        name = op.name if last else f"{op.name}_partial_{index}"
        factors = multipliers[0] if index == 1 else ones
        table = e.struct(
            f"{name}_table",
            {
                "left": e.of_channels(f"{name}_left", factors, lanes),
                "right": e.of_channels(f"{name}_right", multipliers[index], lanes),
            },
        )
        out = e.output(op, lanes) if last else e.stream(f"{name}_stream", bits, lanes)
        numbers = f"{bits}, {result.pixels}, {channels}, {lanes}"
        other = e.format(tensors[index].format)
        e.process(
            name,
            f"pyqkit::add<{kind}, {other}, {numbers}, {table}>",
            f"{partial.name}, {sources[index].name}, {out.name}",
            codes(result) // lanes,
            switched=True,
        )
        partial, kind = out, e.format(total)
