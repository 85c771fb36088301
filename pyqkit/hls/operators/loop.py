"""Where frames enter and leave hardware that they pass several times.

Words are as wide as an AXI beat there, whatever stands in front and behind, so that either end is known
without the other. The way back is a FIFO of a frame, and that is never full: no word leaves a pass before the
one in its place has entered it, so that what entered and what waits are one frame at most.
"""

from __future__ import annotations

from pyqkit.dataflow.streams import codes, input_lanes
from pyqkit.graph.graph import Operator
from pyqkit.graph.reuse import LoopEntry, LoopExit
from pyqkit.hls.emitter import Emitter, Loop, Stream, emits


@emits("loop_entry")
def loop_entry(e: Emitter, op: Operator) -> None:
    assert isinstance(op, LoopEntry)
    source = _beats(e, op)
    words = _words(e, op, source)
    e.loop = Loop(source, e.stream(f"{op.name}_back", source.bits, source.lanes, words))
    e.passes = op.passes  # from here to the exit
    out = e.output(op, source.lanes)
    block = f"pyqkit::loop_entry<{source.code}, {words}, {source.lanes}>"
    streams = f"{source.name}, {e.loop.back.name}, {out.name}"
    e.process(op.name, block, streams, words, switched=True)


@emits("loop_exit")
def loop_exit(e: Emitter, op: Operator) -> None:
    assert isinstance(op, LoopExit) and e.loop is not None
    source = _beats(e, op)
    words = _words(e, op, source)
    block = f"pyqkit::loop_exit<{source.code}, {words}, {source.lanes}, {op.passes}>"
    e.passes = 1  # of its result
    out = e.loop.left = e.output(op, source.lanes)
    e.passes = op.passes
    streams = f"{source.name}, {e.loop.back.name}, {out.name}"
    e.process(op.name, block, streams, words, switched=True)
    e.passes = 1


def _beats(e: Emitter, op: Operator) -> Stream:
    e.include("loop")
    (tensor,) = e.graph.input_tensors(op)
    return e.converted(op.name, e.input(op), input_lanes(tensor), codes(tensor), f"for_{op.name}")


def _words(e: Emitter, op: Operator, source: Stream) -> int:
    return codes(e.graph.input_tensors(op)[0]) // source.lanes
