"""Two pixels of a result at a time: what stands before their windows, and what puts their words in order."""

from __future__ import annotations

import numpy as np

from pyqkit.dataflow.constants import packed
from pyqkit.dataflow.streams import FIFO_WORDS
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.rtl.emitter import Block, Emitter, Fifo, Stream, instance
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.timing import Merge, Narrow, Pipeline


def paired(e: Emitter, op: Operator, source: Stream, pairs: PixelPairs, fill: int) -> Stream:
    """The image that an operator reads, in pairs of pixels: codes are twice as wide, the first one below."""
    (tensor,) = e.graph.input_tensors(op)
    rows, columns, channels = tensor.shape
    words = channels // source.lanes
    if pairs.before or pairs.behind:
        inside = np.full((rows, pairs.width, words), -1)
        inside[:, pairs.before : pairs.before + columns] = 0
        border: Parameters = {"BITS": source.width, "HEIGHT": rows, "WIDTH": columns, "WORDS": words}
        border |= dict(zip(("TOP", "LEFT", "FRONT"), (0, pairs.before, 0)))
        border |= dict(zip(("BOTTOM", "RIGHT", "BACK"), (0, pairs.behind, 0)))
        border["FILL"] = f"{source.width}'h{packed([fill] * source.lanes, source.bits):x}"
        made = e.stream(f"{op.name}_padded", source.bits, source.lanes)
        e.block(op.name, "pad", border, {"in": source}, {"out": made}, Merge(inside.ravel()))
        source = made
    kept = np.zeros((rows, pairs.width, words), bool)
    kept[:, pairs.span : pairs.span + pairs.columns] = True
    parameters: Parameters = {"BITS": source.bits, "LANES": source.lanes, "WIDTH": pairs.width}
    parameters |= {"WORDS": words, "SPAN": pairs.span, "COLUMNS": pairs.columns}
    made = e.stream(f"{op.name}_pairs", 2 * source.bits, source.lanes)
    e.block(op.name, "pixel_pairs", parameters, {"in": source}, {"out": made}, Pipeline(kept.ravel(), 0))
    return made


def put_in_order(e: Emitter, op: Operator, source: Stream) -> None:
    """The result of an operator from words that hold what both pixels of a pair have of some channels.

    All words of the first pixel go before those of the second, which waits meanwhile; the second pixel of the
    last pair of a row is dropped where the row has none.
    """
    (result,) = e.graph.output_tensors(op)
    rows, columns, channels = result.shape
    lanes, pairs, words = source.lanes // 2, -(-columns // 2), 2 * channels // source.lanes
    odd = columns % 2 == 1
    made = e.stream(f"{op.name}_in_order", source.bits, lanes) if odd else e.output(op, lanes)
    parameters: Parameters
    if words == 1:
        parameters = {"BITS": source.bits, "LANES_IN": source.lanes, "LANES_OUT": lanes}
        apart = Narrow(rows * pairs, 2)
        e.block(op.name, "width_converter", parameters, {"in": source}, {"out": made}, apart)
    else:
        halves = [e.stream(f"{op.name}_{which}_half", source.bits, lanes) for which in ("lower", "upper")]
        _split(e, op, source, halves)
        first, second = (_waiting(e, op, half, words) for half in halves)
        parameters = {"BITS": first.width, "FIRST_WORDS": words, "SECOND_WORDS": words}
        in_turn = Merge(np.tile(np.repeat([0, 1], words), rows * pairs))
        e.block(op.name, "concat", parameters, {"first": first, "second": second}, {"out": made}, in_turn)
    if odd:
        kept = np.ones((rows, 2 * pairs, words), bool)
        kept[:, -1] = False
        parameters = {"BITS": made.width, "HEIGHT": rows, "WIDTH": 2 * pairs, "WORDS": words}
        parameters |= {
            "START_ROW": 0,
            "START_COLUMN": 0,
            "STEP_ROWS": 1,
            "STEP_COLUMNS": 1,
            "ROWS": rows,
            "COLUMNS": columns,
        }
        only = Pipeline(kept.ravel(), 0)
        e.block(op.name, "slice", parameters, {"in": made}, {"out": e.output(op, lanes)}, only)


def _split(e: Emitter, op: Operator, source: Stream, halves: list[Stream]) -> None:
    ports = source.port("in")
    for wire in ("valid", "ready", "data"):
        ports[f"out_{wire}"] = f"{{{', '.join(half.port('out')[f'out_{wire}'] for half in halves[::-1])}}}"
    part = Part("split", {"WIDTH": halves[0].width})
    name = e.names.new(f"{op.name}_split")
    text = instance(part.module, name, part.parameters, ports)
    e.blocks.append(Block(name, op.name, [source], halves, None, text, (part,)))


def _waiting(e: Emitter, op: Operator, half: Stream, words: int) -> Stream:
    """A FIFO in which halves wait for their turn."""
    out = e.stream(f"{half.name}_waiting", half.bits, half.lanes)
    counted = Part("fifo", {"WIDTH": half.width, "DEPTH": max(FIFO_WORDS, 2 * words + 2)})
    edge = half.name, op.name
    e.blocks.append(
        Fifo(out.name, op.name, [half], [out], None, "", (counted,), edge=edge, words=e.depths.get(edge))
    )
    return out
