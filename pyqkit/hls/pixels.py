"""Two pixels of a result at a time: what stands before their windows, and what puts their words in order."""

from __future__ import annotations

from pyqkit.dataflow.streams import FIFO_WORDS
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.hls.emitter import Emitter, Stream


def paired(e: Emitter, op: Operator, source: Stream, pairs: PixelPairs, fill: int) -> Stream:
    """The image that an operator reads, in pairs of pixels: codes are twice as wide, the first one below."""
    (tensor,) = e.graph.input_tensors(op)
    height, width, channels = tensor.shape
    words = height * pairs.width * channels // source.lanes
    e.include("pixel_pairs")
    if pairs.before or pairs.behind:
        e.include("layout")
        border = {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "LANES": source.lanes}
        border |= {"TOP": 0, "LEFT": pairs.before, "FRONT": 0, "BOTTOM": 0, "RIGHT": pairs.behind, "BACK": 0}
        shape = e.numbers(f"{op.name}_border", border | {"ZERO": fill})
        made = e.stream(f"{op.name}_padded", source.bits, source.lanes)
        e.process(made.name, f"pyqkit::pad<{source.code}, {shape}>", f"{source.name}, {made.name}", words)
        source = made
    values = {"CODE_BITS": source.bits, "HEIGHT": height, "WIDTH": pairs.width}
    values |= {"WORDS": channels // source.lanes, "LANES": source.lanes}
    shape = e.numbers(f"{op.name}_pair", values | {"SPAN": pairs.span, "COLUMNS": pairs.columns})
    made = e.stream(f"{op.name}_pairs", 2 * source.bits, source.lanes)
    e.process(made.name, f"pyqkit::pixel_pairs<{shape}>", f"{source.name}, {made.name}", words)
    return made


def put_in_order(e: Emitter, op: Operator, source: Stream) -> None:
    """The result of an operator from words that hold what both pixels of a pair have of some channels.

    All words of the first pixel go before those of the second, which waits meanwhile; the second pixel of the
    last pair of a row is dropped where the row has none.
    """
    (result,) = e.graph.output_tensors(op)
    rows, columns, channels = result.shape
    lanes, pairs, words = source.lanes // 2, -(-columns // 2), 2 * channels // source.lanes
    e.include("layout")
    odd = columns % 2 == 1
    made = e.stream(f"{op.name}_in_order", source.bits, lanes) if odd else e.output(op, lanes)
    if words == 1:
        numbers = f"{source.code}, {2 * rows * pairs * lanes}, {source.lanes}, {lanes}"
        block, streams = f"pyqkit::convert_width<{numbers}>", f"{source.name}, {made.name}"
    else:
        lower, upper = _halves(e, op, source, rows * pairs * words, words)
        numbers = f"{source.code}, {rows * pairs}, {words * lanes}, {words * lanes}, {lanes}"
        block, streams = f"pyqkit::concat<{numbers}>", f"{lower.name}, {upper.name}, {made.name}"
    e.process(made.name, block, streams, 2 * rows * pairs * words)
    if odd:
        shape = {"HEIGHT": rows, "WIDTH": 2 * pairs, "CHANNELS": channels, "LANES": lanes}
        shape |= {"START_ROW": 0, "START_COLUMN": 0, "STEP_ROWS": 1, "STEP_COLUMNS": 1}
        kept = e.numbers(f"{op.name}_columns", shape | {"ROWS": rows, "COLUMNS": columns})
        out = e.output(op, lanes)
        block, streams = f"pyqkit::slice<{source.code}, {kept}>", f"{made.name}, {out.name}"
        e.process(out.name, block, streams, 2 * rows * pairs * words)


def _halves(e: Emitter, op: Operator, source: Stream, count: int, words: int) -> tuple[Stream, Stream]:
    """The lower and the upper halves of `count` words, `words` of which wait for their turn."""
    depth, lanes = max(FIFO_WORDS, 2 * words + 2), source.lanes // 2
    lower = e.stream(f"{op.name}_lower_half", source.bits, lanes, depth)
    upper = e.stream(f"{op.name}_upper_half", source.bits, lanes, depth)
    block = f"pyqkit::split<{source.code}, {count}, {lanes}>"
    streams = f"{source.name}, {lower.name}, {upper.name}"
    e.process(f"{op.name}_split", block, streams, count)
    return lower, upper
