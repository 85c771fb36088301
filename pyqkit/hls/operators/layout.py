"""Operators that move codes."""

from __future__ import annotations

from math import gcd, prod

import numpy as np

from pyqkit.dataflow.permute import in_order
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.hls.emitter import Emitter, emits

Pair = tuple[int, int]


@emits("permute")
def permute(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Permute)
    e.include("layout")
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    blocks = in_order(op.channels, tensor.shape[2], source.lanes)
    if blocks is not None:
        parts = tensor.pixels, tensor.shape[2] // blocks.size, blocks.size
        _sliced(e, op, parts, (0, blocks.start), (1, blocks.step), (tensor.pixels, blocks.count))
        return
    out = e.output(op, gcd(source.lanes, len(op.channels)))
    order = e.of_channels(f"{op.name}_order", np.array(op.channels), out.lanes)
    table = e.struct(f"{op.name}_table", {"channel": order})
    numbers = (
        f"{source.code}, {tensor.pixels}, {tensor.shape[2]}, {len(op.channels)}, {source.lanes}, {out.lanes}"
    )
    words_in, words_out = tensor.shape[2] // source.lanes, len(op.channels) // out.lanes
    trips = words_in + (tensor.pixels - 1) * max(words_in, words_out) + words_out
    e.process(op.name, f"pyqkit::permute<{numbers}, {table}>", f"{source.name}, {out.name}", trips, words_in)


@emits("slice")
def take_slice(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Slice)
    e.include("layout")
    (tensor,) = e.graph.input_tensors(op)
    _sliced(e, op, tensor.shape, op.start, op.step, op.size)


def _sliced(
    e: Emitter, op: Operator, shape: tuple[int, int, int], start: Pair, step: Pair, size: Pair
) -> None:
    """Rows and columns of a tensor, whose words may lie in another shape of as many codes."""
    source = e.input(op)
    out = e.output(op, source.lanes)
    height, width, channels = shape
    numbers = {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "LANES": source.lanes}
    numbers |= {"START_ROW": start[0], "START_COLUMN": start[1]}
    numbers |= {"STEP_ROWS": step[0], "STEP_COLUMNS": step[1], "ROWS": size[0], "COLUMNS": size[1]}
    block = f"pyqkit::slice<{source.code}, {e.numbers(f'{op.name}_shape', numbers)}>"
    e.process(op.name, block, f"{source.name}, {out.name}", prod(shape) // source.lanes)


@emits("pad")
def pad(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Pad)
    e.include("layout")
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    (source,) = e.aligned(op, (op.before[2], op.after[2]))
    out = e.output(op, source.lanes)
    height, width, channels = tensor.shape
    shape = {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "LANES": source.lanes}
    shape |= dict(zip(("TOP", "LEFT", "FRONT", "BOTTOM", "RIGHT", "BACK"), (*op.before, *op.after)))
    numbers = e.numbers(f"{op.name}_shape", shape | {"ZERO": tensor.format.zero_code})
    block, streams = f"pyqkit::pad<{source.code}, {numbers}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, codes(result) // source.lanes)


@emits("concat")
def concat(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Concat)
    e.include("layout")
    tensors = e.graph.input_tensors(op)
    sources = e.aligned(op)
    runs = op.runs(tensors[0].shape)
    joined, first = sources[0], codes(tensors[0]) // runs
    for index in range(1, len(sources)):
        last = index == len(sources) - 1
        out = (
            e.output(op, joined.lanes)
            if last
            else e.stream(f"{op.name}_partial_{index}", joined.bits, joined.lanes)
        )
        second = codes(tensors[index]) // runs
        numbers = f"{joined.code}, {runs}, {first}, {second}, {joined.lanes}"
        block, streams = f"pyqkit::concat<{numbers}>", f"{joined.name}, {sources[index].name}, {out.name}"
        e.process(out.name, block, streams, runs * (first + second) // joined.lanes)
        joined, first = out, first + second


@emits("reshape")
def reshape(e: Emitter, op: Operator) -> None:
    """The same words under another name, by a converter even if none is narrower: a stream has one reader."""
    assert isinstance(op, Reshape)
    e.include("layout")
    source = e.input(op)
    lanes = gcd(source.lanes, op.shape[2])
    out = e.output(op, lanes)
    numbers = f"{source.code}, {prod(op.shape)}, {source.lanes}, {lanes}"
    block, streams = f"pyqkit::convert_width<{numbers}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, prod(op.shape) // lanes)
