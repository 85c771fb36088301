"""Where frames enter and leave hardware that they pass several times.

Words are as wide as an AXI beat there, whatever stands in front and behind, so that either end is known
without the other. The way back is a FIFO of a frame, and that is never full: no word leaves a pass before the
one in its place has entered it, so that what entered and what waits are one frame at most.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyqkit.dataflow.streams import codes, input_lanes
from pyqkit.graph.graph import Operator
from pyqkit.graph.reuse import LoopEntry, LoopExit
from pyqkit.rtl.emitter import Block, Emitter, Fifo, Stream, emits, instance
from pyqkit.rtl.features import Features, bits_for, grows_with
from pyqkit.rtl.loop_timing import Enter, Leave
from pyqkit.rtl.parts import Parameters, Part

LEAST_FIFO = 3  # words with which a FIFO lets a word through every cycle


@emits("loop_entry")
def loop_entry(e: Emitter, op: Operator) -> None:
    assert isinstance(op, LoopEntry)
    (tensor,), source = e.graph.input_tensors(op), _beats(e, op)
    back = e.ways_back[op.name] = e.stream(f"{op.name}_back", source.bits, source.lanes)
    words = codes(tensor) // source.lanes
    parameters: Parameters = {"WIDTH": source.width, "WORDS": words, "PASSES": op.passes}
    streams = {"in": source, "back": back}, {"out": e.output(op, source.lanes)}
    e.block(op.name, "loop_entry", parameters, *streams, Enter(words, op.passes))


@emits("loop_exit")
def loop_exit(e: Emitter, op: Operator) -> None:
    assert isinstance(op, LoopExit)
    (tensor,), source = e.graph.input_tensors(op), _beats(e, op)
    words = codes(tensor) // source.lanes
    again, out = e.stream(f"{op.name}_again", source.bits, source.lanes), e.output(op, source.lanes)
    part = Part("loop_exit", {"WIDTH": source.width, "WORDS": words, "PASSES": op.passes})
    ports = {"clock": "clock", "reset": "reset"} | source.port("in") | again.port("back") | out.port("out")
    name, timing = e.names.new(f"{out.name}_block"), Leave(words, op.passes)
    text = instance(part.module, name, part.parameters, ports)
    e.blocks.append(Block(name, op.name, [source], [again, out], timing, text, (part,), op.passes))
    depth = max(words, LEAST_FIFO)
    held = Part("fifo", {"WIDTH": source.width, "DEPTH": depth})
    back = e.ways_back.get(op.entry, again)  # an outline has but one end
    edge = op.name, op.entry
    e.blocks.append(Fifo(back.name, op.name, [again], [back], None, "", (held,), edge=edge, words=depth))


def _beats(e: Emitter, op: Operator) -> Stream:
    (tensor,) = e.graph.input_tensors(op)
    return e.converted(op.name, e.input(op), input_lanes(tensor), codes(tensor), f"for_{op.name}")


@grows_with("loop_entry")
def _entry(p: Mapping[str, int]) -> Features:
    return Features({"choosing": p["WIDTH"]}) + _exit(p)


@grows_with("loop_exit")
def _exit(p: Mapping[str, int]) -> Features:
    counters = 3 * bits_for(p["PASSES"]) + bits_for(p["WORDS"])
    return Features({"one": 1, "flip-flops": counters + 2, "counters": counters})
