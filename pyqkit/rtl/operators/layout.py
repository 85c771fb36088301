"""Operators that move codes."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

import numpy as np

from pyqkit.dataflow.constants import packed
from pyqkit.dataflow.permute import in_order
from pyqkit.dataflow.streams import codes
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.rtl.emitter import Emitter, emits
from pyqkit.rtl.features import Features, bits_for, grows_with
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Exchange, Merge, Pipeline

Pair = tuple[int, int]


@emits("permute")
def permute(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Permute)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    channels = tensor.shape[2]
    blocks = in_order(op.channels, channels, source.lanes)
    if blocks is not None:
        parts = 1, channels // blocks.size, blocks.size // source.lanes  # of a pixel
        _sliced(e, op, parts, (0, blocks.start), (1, blocks.step), (1, blocks.count), tensor.pixels)
        return
    out = e.output(op, gcd(source.lanes, len(op.channels)))
    index_bits = max(1, (channels - 1).bit_length())
    rows = np.reshape(op.channels, (-1, out.lanes))
    order = e.file(e.names.new(f"{op.name}_order"), rows, index_bits)
    parameters: Parameters = {"BITS": source.bits, "CHANNELS_IN": channels, "CHANNELS_OUT": len(op.channels)}
    parameters |= {"LANES_IN": source.lanes, "LANES_OUT": out.lanes, "ORDER": order}
    timing = Exchange(tensor.pixels, channels // source.lanes, len(op.channels) // out.lanes, 2)
    e.block(op.name, "permute", parameters, {"in": source}, {"out": out}, timing)


@emits("slice")
def take_slice(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Slice)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    size = (*tensor.shape[:2], tensor.shape[2] // source.lanes)
    _sliced(e, op, size, op.start, op.step, op.size)


def _sliced(
    e: Emitter,
    op: Operator,
    shape: tuple[int, int, int],
    start: Pair,
    step: Pair,
    size: Pair,
    times: int = 1,
) -> None:
    """Rows and columns of a frame of height, width and words a pixel; there are `times` such frames."""
    source = e.input(op)
    kept = np.zeros(shape, bool)
    rows, columns = (slice(s, s + (n - 1) * d + 1, d) for s, d, n in zip(start, step, size))
    kept[rows, columns] = True
    names = (
        "BITS",
        "HEIGHT",
        "WIDTH",
        "WORDS",
        "START_ROW",
        "START_COLUMN",
        "STEP_ROWS",
        "STEP_COLUMNS",
        "ROWS",
        "COLUMNS",
    )
    parameters: Parameters = dict(zip(names, map(int, (source.width, *shape, *start, *step, *size))))
    timing = Pipeline(np.tile(kept.ravel(), times), 0)
    e.block(op.name, "slice", parameters, {"in": source}, {"out": e.output(op, source.lanes)}, timing)


@emits("pad")
def pad(e: Emitter, op: Operator) -> None:
    assert isinstance(op, Pad)
    (tensor,), (result,) = e.graph.input_tensors(op), e.graph.output_tensors(op)
    (source,) = e.aligned(op, (op.before[2], op.after[2]))
    lanes = source.lanes
    inside = np.full((*result.shape[:2], result.shape[2] // lanes), -1)
    top, left, front = op.before[0], op.before[1], op.before[2] // lanes
    inside[
        top : top + tensor.shape[0], left : left + tensor.shape[1], front : front + tensor.shape[2] // lanes
    ] = 0
    parameters: Parameters = {"BITS": source.width, "HEIGHT": tensor.shape[0], "WIDTH": tensor.shape[1]}
    parameters |= {"WORDS": tensor.shape[2] // lanes, "TOP": top, "LEFT": left, "FRONT": front}
    parameters |= {"BOTTOM": op.after[0], "RIGHT": op.after[1], "BACK": op.after[2] // lanes}
    parameters["FILL"] = f"{source.width}'h{packed([tensor.format.zero_code] * lanes, source.bits):x}"
    e.block(op.name, "pad", parameters, {"in": source}, {"out": e.output(op, lanes)}, Merge(inside.ravel()))


@emits("concat")
def concat(e: Emitter, op: Operator) -> None:
    """Inputs are joined one after the other."""
    assert isinstance(op, Concat)
    tensors, sources = e.graph.input_tensors(op), e.aligned(op)
    joined, lanes, runs = sources[0], sources[0].lanes, op.runs(tensors[0].shape)
    words = codes(tensors[0]) // runs // lanes
    for index in range(1, len(sources)):
        last = index == len(sources) - 1
        out = e.output(op, lanes) if last else e.stream(f"{op.name}_partial_{index}", joined.bits, lanes)
        more = codes(tensors[index]) // runs // lanes
        parameters: Parameters = {"BITS": joined.width, "FIRST_WORDS": words, "SECOND_WORDS": more}
        timing = Merge(np.tile(np.repeat([0, 1], [words, more]), runs))
        e.block(
            op.name, "concat", parameters, {"first": joined, "second": sources[index]}, {"out": out}, timing
        )
        joined, words = out, words + more


@emits("reshape")
def reshape(e: Emitter, op: Operator) -> None:
    """The same words under another name, or narrower ones."""
    assert isinstance(op, Reshape)
    (tensor,) = e.graph.input_tensors(op)
    source = e.input(op)
    lanes = gcd(source.lanes, op.shape[2])
    e.produced[op.outputs[0]] = e.converted(op.name, source, lanes, codes(tensor), op.name)


# ---- what the modules grow with ------------------------------------------------------------------------


@grows_with("permute")
def _permute_features(p: Mapping[str, int]) -> Features:
    channels, bits, lanes = p["CHANNELS_IN"], p["BITS"], p["LANES_OUT"]
    held = 2 * channels * bits + lanes * (bits + bits_for(channels)) + 8
    return Features({"one": 1, "choosing": lanes * bits * channels / 4, "flip-flops": held})


@grows_with("concat")
def _concat_features(p: Mapping[str, int]) -> Features:
    counter = bits_for(p["FIRST_WORDS"] + p["SECOND_WORDS"])
    return Features({"one": 1, "choosing": p["BITS"], "flip-flops": counter})


@grows_with("pad")
def _pad_features(p: Mapping[str, int]) -> Features:
    axes = (("FRONT", "WORDS", "BACK"), ("LEFT", "WIDTH", "RIGHT"), ("TOP", "HEIGHT", "BOTTOM"))
    counters = sum(bits_for(sum(p[name] for name in axis) + 1) for axis in axes)
    return Features({"one": 1, "counters": counters, "choosing": p["BITS"], "flip-flops": counters})


@grows_with("slice")
def _slice_features(p: Mapping[str, int]) -> Features:
    counters = bits_for(p["WORDS"]) + 2 * bits_for(p["WIDTH"] + 1) + 2 * bits_for(p["HEIGHT"] + 1)
    return Features({"one": 1, "counters": counters, "flip-flops": counters})
