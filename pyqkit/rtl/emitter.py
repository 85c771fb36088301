"""Text of a generated network in SystemVerilog, collected operator by operator.

It has streams, blocks and constants.

Blocks stand in topological order, each with its `Timing`, so that schedules follow from the same list as the
text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pyqkit.dataflow import emitter as dataflow
from pyqkit.dataflow.constants import hex_words, packed
from pyqkit.dataflow.streams import (
    PACKET_ENDS,
    codes,
    end,
    ending_with,
    input_lanes,
    input_port,
    largest_lanes,
    output_reader,
)
from pyqkit.discovery import Registry
from pyqkit.errors import UserError
from pyqkit.formats import Integer, NumberFormat
from pyqkit.formats.port import End, Port
from pyqkit.graph.graph import Operator
from pyqkit.graph.reuse import passes
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import TARGET_MHZ, decode_stages, mirror
from pyqkit.rtl.timing import Closing, Narrow, Pipeline, Timing

# Of every module and file, so that they live beside other IP; everything else uses plain names.
PREFIX = "pqk_"
_WIRES = ("valid", "ready", "data")


@dataclass(frozen=True)
class Stream:
    """A declared stream, ``<name>_valid``, ``_ready`` and ``_data``.

    `lanes` codes of `bits` bits in every word.
    """

    name: str
    bits: int
    lanes: int

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.bits * self.lanes

    def port(self, name: str) -> dict[str, str]:
        """Connections of a block's port."""
        return {f"{name}_{wire}": f"{self.name}_{wire}" for wire in _WIRES}


@dataclass(frozen=True)
class Block:
    """An instance between streams.

    Attributes
    ----------
    name : str
        Of the instance.
    owner : str
        Operator (or port) that it belongs to.
    inputs, outputs : list of Stream
    timing : Timing or None
        None for a fork, whose outputs are its input.
    text : str
        The instance; empty for a FIFO, whose depth comes later.
    parts : tuple of Part
        Modules of the library that it is made of.
    passes : int
        How often a frame goes through it.
    """

    name: str
    owner: str
    inputs: list[Stream]
    outputs: list[Stream]
    timing: Timing | None
    text: str
    parts: tuple[Part, ...] = ()
    passes: int = 1


@dataclass(frozen=True)
class Fifo(Block):
    """The FIFO of an edge (tensor, reader); `words` replaces the derived depth."""

    edge: tuple[str, str] = ("", "")
    words: int | None = None


@dataclass
class Emitter(dataflow.Emitter[Stream]):
    """State of one generation.

    Rules of operators call `input`, `output`, `stream`, `block`, `converted` and the constants' functions.
    All of these take the name that is wanted and return what `names` made of it; files of constants are named
    by the same table, behind the `prefix` of the network. Wires are a stream's name and ``_valid``,
    ``_ready`` or ``_data``, instances end in a word of ours, so that a stream may be called as its tensor.

    `clock_mhz` decides how deep blocks are pipelined; see `pyqkit.rtl.pipelining.stages`.
    """

    prefix: str = PREFIX
    clock_mhz: float = TARGET_MHZ
    wires: list[Stream] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    decoders: dict[tuple[str, int], str] = field(default_factory=dict)
    ways_back: dict[str, Stream] = field(default_factory=dict)  # by the operator that they lead to

    @cached_property
    def passes(self) -> dict[str, int]:
        """How often a frame goes through each operator."""
        return {op.name: passes(self.graph, op) for op in self.graph.operators}

    def switching(self, op: Operator, repeat: int, prefix: str = "") -> Parameters:
        """Parameters of a block with constants of each pass, in which they are read `repeat` times.

        None for hardware that frames pass once.
        """
        count = self.passes[op.name]
        return {f"{prefix}REPEAT": repeat, f"{prefix}PASSES": count} if count > 1 else {}

    # ---- streams and blocks --------------------------------------------------------------------------

    def stream(self, name: str, bits: int, lanes: int) -> Stream:
        """Declare a stream."""
        made = Stream(self.names.new(name), bits, lanes)
        self.wires.append(made)
        return made

    def result(self, tensor: str, bits: int, lanes: int) -> Stream:
        return self.stream(tensor, bits, lanes)

    def block(
        self,
        owner: str,
        module: str,
        parameters: Parameters,
        inputs: Mapping[str, Stream],
        outputs: Mapping[str, Stream],
        timing: Timing,
        wires: Mapping[str, str] | None = None,
        before: str = "",
        parts: tuple[Part, ...] = (),
    ) -> None:
        """Add an instance of `module` with streams on its ports.

        `wires` are further connections, declared in the text `before`. Resources are counted by `parts`, by
        default the module with its parameters.
        """
        (out,) = outputs.values()
        connections = {"clock": "clock", "reset": "reset"}
        for port, stream in (*inputs.items(), *outputs.items()):
            connections |= stream.port(port)
        connections |= wires or {}
        name = self.names.new(f"{out.name}_block")
        text = before + instance(module, name, parameters, connections)
        parts = parts or (Part(module, parameters),)
        passes = self.passes.get(owner, 1)
        self.blocks.append(Block(name, owner, list(inputs.values()), [out], timing, text, parts, passes))

    def module(self, path: Path) -> None:
        """Bring a module along that is not of ``rtl/``, in a file of its name."""
        self.tables[path.name] = path.read_text()

    def width_converter(self, owner: str, stream: Stream, lanes: int, count: int, suffix: str) -> Stream:
        made = self.stream(f"{stream.name}_{suffix}", stream.bits, lanes)
        words = count // stream.lanes
        ratio = max(lanes, stream.lanes) // min(lanes, stream.lanes)
        timing = Narrow(words, ratio) if lanes < stream.lanes else Pipeline.every(words, 1, ratio)
        parameters: Parameters = {"BITS": stream.bits, "LANES_IN": stream.lanes, "LANES_OUT": lanes}
        self.block(owner, "width_converter", parameters, {"in": stream}, {"out": made}, timing)
        return made

    def fork(self, tensor: str, source: Stream, readers: Sequence[str]) -> list[Stream]:
        branches = [source] if len(readers) == 1 else self._branches(tensor, source, len(readers))
        made = []
        for reader, branch in zip(readers, branches):
            edge = tensor, reader
            out = self.stream(f"{tensor}_to_{reader}", source.bits, source.lanes)
            words = self.depths.get(edge)
            self.blocks.append(Fifo(out.name, tensor, [branch], [out], None, "", edge=edge, words=words))
            made.append(out)
        return made

    def kept(self, owner: str, source: Stream, name: str, words: int) -> tuple[Stream, Stream]:
        """A stream for an operator's first block, and what comes on it for a later one, out of a FIFO.

        `words` are what comes until the later block takes the first of them.
        """
        now, later = self._branches(name, source, 2, owner)
        out = self.stream(f"{name}_to_{owner}", source.bits, source.lanes)
        part = Part("fifo", {"WIDTH": source.width, "DEPTH": words})
        self.blocks.append(
            Fifo(out.name, owner, [later], [out], None, "", words=words, parts=(part,), edge=(name, owner))
        )
        return now, out

    def _branches(self, tensor: str, source: Stream, count: int, owner: str = "") -> list[Stream]:
        """Copies of a stream, which go in step."""
        branches = [self.stream(f"{tensor}_branch_{i}", source.bits, source.lanes) for i in range(count)]
        wires = {w: ", ".join(f"{b.name}_{w}" for b in reversed(branches)) for w in _WIRES}
        ports = source.port("in") | {f"out_{wire}": f"{{{text}}}" for wire, text in wires.items()}
        part = Part("fork_stream", {"WIDTH": source.width, "READERS": count})
        fork = self.names.new(f"{tensor}_fork")
        text = instance(part.module, fork, part.parameters, ports)
        self.blocks.append(Block(fork, owner or tensor, [source], branches, None, text, (part,)))
        return branches

    def enter(self, port: Port, index: int) -> End:
        tensor = self.graph.tensors[port.tensor]
        found = end(tensor, self.end_lanes(input_port(index), input_lanes(tensor)))
        out = self.produced[tensor.name] = self.result(tensor.name, found.bits, found.lanes)
        last = self.stream(f"in_{index}_last", 1, 1)
        name = self.names.new(f"in_{index}_block")
        ports = {"clock": "clock", "reset": "reset"}
        ports |= {f"t{wire}": f"in_{index}_t{wire}" for wire in (*_WIRES, "last")}
        ports |= out.port("out") | last.port("last")
        part = Part("from_axis", {"WIDTH": out.width, "BEAT_BITS": 8 * found.beat_bytes})
        text = instance(part.module, name, part.parameters, ports)
        source, owner = Stream(f"in_{index}", found.bits, found.lanes), input_port(index)
        timing = Pipeline.every(found.beats, 0)
        self.blocks.append(Block(name, owner, [source], [out, last], timing, text, (part,)))
        self._frame_end(owner, last, index, found.beats)
        return found

    def _frame_end(self, owner: str, last: Stream, index: int, beats: int) -> None:
        """A bit a frame of TLAST, if an output wants it."""
        if not ending_with(self.graph, index):
            wires = f"{last.name}_valid, {last.name}_data"
            text = f"  assign {last.name}_ready = 1'b1;\n  wire {last.name}_unused = &{{{wires}}};\n"
            self.blocks.append(Block(f"{last.name}_unused", owner, [last], [], None, text))
            return
        ends, timing = self.stream("packet_ends", 1, 1), Pipeline.every(beats, 0, beats)
        self.block(owner, "frame_end", {"BEATS": beats}, {"in": last}, {"out": ends}, timing)
        self.end_packets(index, ends)

    def leave(self, port: Port, index: int) -> End:
        tensor, owner, source = self.graph.tensors[port.tensor], output_reader(index), self.arriving(index)
        found = end(tensor, self.end_lanes(owner, largest_lanes(tensor, source.lanes)))
        source = self.converted(owner, source, found.lanes, codes(tensor), "beats")
        ends = self.arriving(index, PACKET_ENDS)
        ports = {"clock": "clock", "reset": "reset"} | source.port("in") | ends.port("end")
        ports |= {f"t{wire}": f"out_{index}_t{wire}" for wire in (*_WIRES, "last")}
        parameters: Parameters = {"WIDTH": source.width, "BEAT_BITS": 8 * found.beat_bytes}
        part = Part("to_axis", parameters | {"BEATS": found.beats})
        name = self.names.new(f"out_{index}_block")
        text = instance(part.module, name, part.parameters, ports)
        out, timing = Stream(f"out_{index}", found.bits, found.lanes), Closing(found.beats)
        self.blocks.append(Block(name, owner, [source, ends], [out], timing, text, (part,)))
        return found

    # ---- constants -----------------------------------------------------------------------------------

    def table(self, wanted: str, values: np.ndarray, bits: int) -> str:
        """A file of hexadecimal numbers for ``$readmemh``; returns it as a literal."""
        return self.file(self.names.new(wanted), values[:, None], bits)

    def file(self, name: str, words: np.ndarray, bits: int) -> str:
        """Words of several values (words, lanes), each of `bits` bits, the first in the lowest.

        The name is one that `names` gave, perhaps with numbers behind it.
        """
        name = self.prefix + name
        self.tables[f"{name}.hex"] = hex_words(words, bits)
        return f'"{name}.hex"'

    def memory(
        self, name: str, values: np.ndarray, lanes: int, bits: int, file: str, literal: str
    ) -> Parameters:
        """Parameters of a `rom` with `lanes` values a word: a file, or a literal if it has one word."""
        if values.size == lanes:
            return {literal: f"{lanes * bits}'h{packed(values.ravel().tolist(), bits):x}"}
        return {file: self.file(self.names.new(name), values.reshape(-1, lanes), bits)}

    def decoding(self, fmt: NumberFormat, width: int, prefix: str = "") -> Parameters:
        """Parameters of a `decode`: how a code becomes an integer of `width` bits."""
        if isinstance(fmt, Integer):
            return {f"{prefix}SIGNED": int(fmt.signed), f"{prefix}ZERO_POINT": fmt.zero_point}
        key = fmt.name, width
        if key not in self.decoders:
            self.decoders[key] = self.table(f"integers_{fmt.name}_{width}", fmt.integers, width)
        return {f"{prefix}TABLE": 1, f"{prefix}INTEGERS": self.decoders[key]}

    def pipelined_decoding(self, fmt: NumberFormat, width: int) -> Parameters:
        """Parameters of a `decode_pipeline`, with as many registers as the clock asks for."""
        stages = decode_stages(fmt, self.clock_mhz)
        return self.decoding(fmt, width) | {"MIRROR": mirror(fmt), "DECODE_STAGES": stages}


def instance(
    module: str, name: str, parameters: Mapping[str, int | str], connections: Mapping[str, str]
) -> str:
    """Text of an instance of a block of the library."""
    values = ",\n".join(f"      .{key}({value})" for key, value in parameters.items())
    ports = ",\n".join(f"      .{key}({value})" for key, value in connections.items())
    return f"  {PREFIX}{module} #(\n{values}\n  ) {name} (\n{ports}\n  );\n"


Rule = Callable[[Emitter, Operator], None]
_rules = Registry[Rule]("pyqkit.rtl.operators")


def emits(kind: str) -> Callable[[Rule], Rule]:
    """Decorator that announces how an operator is written in SystemVerilog."""
    return _rules.register(kind)


def is_emitted(op: Operator) -> bool:
    """Whether there is a rule for an operator."""
    return _rules.get(op.kind) is not None


def rule_for(op: Operator) -> Rule:
    """How to write an operator."""
    rule = _rules.get(op.kind)
    if rule is None:
        raise UserError(
            f"an operator with a SystemVerilog block was expected, but {op.name} is a {op.kind}; "
            "take an array (--array int8x8), whose host computes it, or add a rule to pyqkit/rtl/operators"
        )
    return rule
