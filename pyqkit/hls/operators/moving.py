"""Pooling, and operators that move codes."""

from __future__ import annotations

from math import gcd

import numpy as np

from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.hls.emitter import Emitter, Stream, emits
from pyqkit.hls.operators.convolution import window_call


def _windows(e: Emitter, op: MaxPool | SumPool, fill: int) -> Stream:
    """Windows of a pool, in words of the input's width; a window of the whole frame is the stream itself."""
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    source = e.input(op)
    if tuple(op.window) == tensor.shape[:2] and not any(op.padding):
        return source
    made = e.stream(f"{op.name}_windows", tensor.format.bits, source.lanes)
    e.process(
        made.name,
        window_call(tensor, result.shape, op, 1, source.lanes, source.lanes, fill, source.name, made.name),
    )
    return made


@emits("max_pool")
def max_pool(e: Emitter, op: Operator) -> None:
    assert isinstance(op, MaxPool)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    source = _windows(e, op, tensor.format.lowest_code)
    out = e.output(op, source.lanes)
    numbers = f"{result.pixels}, {op.window[0] * op.window[1]}, {tensor.shape[2]}, {source.lanes}"
    e.process(op.name, f"pyqkit::max_pool<{e.format(tensor.format)}, {numbers}>({source.name}, {out.name})")


@emits("sum_pool")
def sum_pool(e: Emitter, op: Operator) -> None:
    assert isinstance(op, SumPool)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    source = _windows(e, op, tensor.format.zero_code if any(op.padding) else 0)
    out = e.output(op, source.lanes)
    numbers = (
        f"{result.format.bits}, {result.pixels}, {op.window[0] * op.window[1]}, {tensor.shape[2]}, "
        f"{source.lanes}"
    )
    e.process(op.name, f"pyqkit::sum_pool<{e.format(tensor.format)}, {numbers}>({source.name}, {out.name})")


@emits("permute")
def permute(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Permute)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, gcd(source.lanes, len(op.channels)))
    order = e.array(f"{op.name}_order", np.array(op.channels))
    table = e.struct(f"{op.name}_table", {"channel": ("int index", f"{order}[index]")})
    numbers = (
        f"{source.code}, {tensor.pixels}, {tensor.shape[2]}, {len(op.channels)}, {source.lanes}, {out.lanes}"
    )
    e.process(op.name, f"pyqkit::permute<{numbers}, {table}>({source.name}, {out.name})")


@emits("slice")
def take_slice(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Slice)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    out = e.output(op, source.lanes)
    numbers = ", ".join(map(str, (*tensor.shape, source.lanes, *op.start, *op.step, *op.size)))
    e.process(op.name, f"pyqkit::slice<{source.code}, {numbers}>({source.name}, {out.name})")


@emits("pad")
def pad(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Pad)
    (tensor,) = e.graph.input_tensors(op)
    (source,) = e.aligned(op, (op.before[2], op.after[2]))
    out = e.output(op, source.lanes)
    numbers = ", ".join(
        map(str, (*tensor.shape, source.lanes, *op.before, *op.after, tensor.format.zero_code))
    )
    e.process(op.name, f"pyqkit::pad<{source.code}, {numbers}>({source.name}, {out.name})")


@emits("concat")
def concat(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Concat)
    tensors = e.graph.input_tensors(op)
    sources = e.aligned(op)
    joined, channels = sources[0], tensors[0].shape[2]
    for index in range(1, len(sources)):
        last = index == len(sources) - 1
        out = (
            e.output(op, joined.lanes)
            if last
            else e.stream(f"{op.name}_partial_{index}", joined.bits, joined.lanes)
        )
        numbers = f"{joined.code}, {tensors[0].pixels}, {channels}, {tensors[index].shape[2]}, {joined.lanes}"
        e.process(out.name, f"pyqkit::concat<{numbers}>({joined.name}, {sources[index].name}, {out.name})")
        joined, channels = out, channels + tensors[index].shape[2]


@emits("reshape")
def reshape(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Reshape)
    source = e.input(op)
    lanes = gcd(source.lanes, op.shape[2])
    out = e.output(
        op, lanes
    )  # the same words under another name; a converter, because a stream has one reader
    count = int(np.prod(op.shape))
    e.process(
        op.name,
        f"pyqkit::convert_width<{source.code}, {count}, {source.lanes}, {lanes}>({source.name}, {out.name})",
    )
