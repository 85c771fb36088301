"""Text of a generated network: streams, processes and constants, collected operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from pyqkit.dataflow import emitter as dataflow
from pyqkit.dataflow.constants import initialiser
from pyqkit.dataflow.streams import (
    FIFO_WORDS,
    PACKET_ENDS,
    Edge,
    codes,
    end,
    ending_with,
    fifo_words,
    input_lanes,
    input_port,
    largest_lanes,
    output_reader,
)
from pyqkit.discovery import Registry
from pyqkit.errors import UserError
from pyqkit.formats import Integer, Minifloat, NumberFormat
from pyqkit.formats.port import End, Port
from pyqkit.formats.widths import signed_bits, signed_range_bits
from pyqkit.graph.graph import Operator
from pyqkit.names import LONGEST_GENERATED, identifier

Function = tuple[str, str]  # of a struct: its parameters and the expression that it returns
_FEW = 256  # numbers that become logic; more are a memory with a port for each reader
_MEMORIES = {"lut": "lutram", "block": "bram"}


@dataclass(frozen=True)
class Stream:
    """A declared stream: `lanes` codes of `bits` bits in every word."""

    name: str
    bits: int
    lanes: int

    @property
    def word(self) -> str:
        """C++ type of a word."""
        return f"pyqkit::Word<ap_uint<{self.bits}>, {self.lanes}>"

    @property
    def code(self) -> str:
        """C++ type of a lane."""
        return f"ap_uint<{self.bits}>"


@dataclass(frozen=True)
class Process:
    """A process of the network: a loop that handles a frame.

    Attributes
    ----------
    name : str
        For messages; need not be the only one.
    owner : str
        Operator (or port) that it belongs to.
    block, arguments : str
        C++.
    trips : int
        Of its loop, in all passes of a frame.
    fill : int
        Trips before the first word of a pass goes, in all passes. A process begins anew with every pass, so
        that the one before does not hide them.
    passes : int
        How often a frame goes through it.
    switched : bool
        Whether its constants differ from pass to pass.
    """

    name: str
    owner: str
    block: str
    arguments: str
    trips: int
    fill: int = 0
    passes: int = 1
    switched: bool = False

    @property
    def text(self) -> str:
        """C++ of it."""
        if self.passes == 1:
            return f'PYQKIT_PROCESS("{self.name}", {self.block}({self.arguments}))'
        arguments = f"{self.arguments}, pass" if self.switched else self.arguments
        return f'PYQKIT_PASSES_PROCESS("{self.name}", {self.passes}, {self.block}({arguments}))'


@dataclass
class Loop:
    """Streams of what frames pass several times: how they enter it, come back and leave it."""

    entered: Stream
    back: Stream
    left: Stream | None = None


@dataclass
class Emitter(dataflow.Emitter[Stream]):
    """State of one generation.

    Rules of operators call `stream`, `process`, `array`, `store`, `struct` and `typedef`, and `include`
    the headers whose blocks they instantiate. All take the name that is wanted and return what `names` made
    of it.
    """

    waiting: dict[Edge, int] = field(default_factory=dict)
    streams: dict[str, tuple[Stream, int]] = field(default_factory=dict)
    inside: set[str] = field(default_factory=set)  # streams that are passed several times
    processes: list[Process] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    stored: list[tuple[int, str]] = field(default_factory=list)  # passes of whom, pragma
    headers: dict[str, Path | None] = field(default_factory=dict)
    owner: str = ""  # whose processes are being written
    passes: int = 1  # how often frames go through them
    loop: Loop | None = None

    def include(self, header: str | Path) -> None:
        """Name a header: one of ``hls/`` without its ending, or a file of the operator's own.

        The latter is written beside the generated text.
        """
        if isinstance(header, Path):
            self.headers[header.name] = header
        else:
            self.headers[f"{header}.hpp"] = None

    def stream(self, name: str, bits: int, lanes: int, words: int = FIFO_WORDS) -> Stream:
        """Declare a stream that holds so many words."""
        made = Stream(self.names.new(name), bits, lanes)
        self.streams[made.name] = made, max(words, 2)
        if self.passes > 1:
            self.inside.add(made.name)
        return made

    def result(self, tensor: str, bits: int, lanes: int) -> Stream:
        return self.stream(f"{tensor}_stream", bits, lanes)

    def process(
        self, name: str, block: str, arguments: str, trips: int, fill: int = 0, switched: bool = False
    ) -> None:
        """Add a process: a block that handles a frame, or a pass of it, in so many trips of its loop.

        Behind its arguments a `switched` one is told the pass.
        """
        known, passes = identifier(name, LONGEST_GENERATED), self.passes
        made = Process(known, self.owner, block, arguments, trips * passes, fill * passes, passes, switched)
        self.processes.append(made)

    def width_converter(self, owner: str, stream: Stream, lanes: int, count: int, suffix: str) -> Stream:
        self.include("layout")
        made = self.stream(f"{stream.name}_{suffix}", stream.bits, lanes)
        numbers = f"{stream.code}, {count}, {stream.lanes}, {lanes}"
        block, streams = f"pyqkit::convert_width<{numbers}>", f"{stream.name}, {made.name}"
        self.process(made.name, block, streams, count // min(stream.lanes, lanes))
        return made

    def fork(self, tensor: str, source: Stream, readers: Sequence[str]) -> list[Stream]:
        words = [self._fifo_words(tensor, source, reader, len(readers)) for reader in readers]
        if len(readers) == 1:
            self.streams[source.name] = source, words[0]
            return [source]
        branches = [
            self.stream(f"{tensor}_to_{reader}", source.bits, source.lanes, depth)
            for reader, depth in zip(readers, words)
        ]
        words_a_frame = 1 if tensor == PACKET_ENDS else codes(self.graph.tensors[tensor]) // source.lanes
        self.chain(source, words_a_frame, branches, f"{tensor}_rest")
        return branches

    def _fifo_words(self, tensor: str, source: Stream, reader: str, readers: int) -> int:
        if tensor == PACKET_ENDS:
            return FIFO_WORDS  # until `leave` knows better
        words_per_pixel = self.graph.tensors[tensor].shape[2] // source.lanes
        derived = fifo_words(words_per_pixel, self.waiting.get((tensor, reader), 0), readers)
        return self.depths.get((tensor, reader), derived)

    def chain(self, source: Stream, words: int, branches: Sequence[Stream], rest: str) -> None:
        """Copy a stream of `words` words a frame to two or more branches, one block for each but the last."""
        self.include("layout")
        numbers = f"{source.code}, {words}, {source.lanes}"
        for index, branch in enumerate(branches[:-1]):
            last = index == len(branches) - 2
            other = branches[-1] if last else self.stream(f"{rest}_{index}", source.bits, source.lanes)
            block, streams = f"pyqkit::fork<{numbers}>", f"{source.name}, {branch.name}, {other.name}"
            self.process(f"{branch.name}_fork", block, streams, words)
            source = other

    def enter(self, port: Port, index: int) -> End:
        tensor = self.graph.tensors[port.tensor]
        found = end(tensor, self.end_lanes(input_port(index), input_lanes(tensor)))
        out = self.produced[tensor.name] = self.result(tensor.name, tensor.format.bits, found.lanes)
        self.owner = input_port(index)
        streams = f"in_{index}, {out.name}"
        if ending_with(self.graph, index):
            ends = self.stream(f"in_{index}_packet_ends", 1, 1)
            streams += f", {ends.name}"
        block = f"pyqkit::from_axi<{counts(found)}, {found.beat_bytes}>"
        self.process(f"input_{index}", block, streams, found.beats)
        if ending_with(self.graph, index):
            self.end_packets(index, ends)
        return found

    def leave(self, port: Port, index: int) -> End:
        tensor, source = self.graph.tensors[port.tensor], self.arriving(index)
        self.owner = output_reader(index)
        lanes = self.end_lanes(self.owner, largest_lanes(tensor, source.lanes))
        source = self.converted(f"output_{index}", source, lanes, codes(tensor), f"out_{index}")
        found = end(tensor, lanes)
        ends = self.arriving(index, PACKET_ENDS)
        # Every process has a frame at a time, so no more of them are under way.
        self.streams[ends.name] = ends, max(FIFO_WORDS, len(self.processes))
        block = f"pyqkit::to_axi<{counts(found)}, {found.beat_bytes}>"
        streams = f"{source.name}, {ends.name}, out_{index}"
        self.process(f"output_{index}", block, streams, found.beats)
        return found

    def array(self, wanted: str, values: np.ndarray) -> str:
        """A constant array of the narrowest C type; returns its name."""
        name = self.names.new(wanted)
        flat = np.asarray(values).ravel()
        low, high = int(flat.min(initial=0)), int(flat.max(initial=0))
        bits = next(
            b
            for b in (8, 16, 32, 64)
            if -(2 ** (b - 1)) <= low and (high < 2 ** (b - 1) or (low >= 0 and high < 2**b))
        )
        kind = f"{'u' if low >= 0 and high >= 2 ** (bits - 1) else ''}int{bits}_t"
        numbers = self._initialiser(flat)
        self.constants.append(f"static const {kind} {name}[{len(flat)}] = {{\n{numbers}}};\n")
        return name

    def lines(self, wanted: str, values: np.ndarray, memory: str = "auto") -> str:
        """A constant array (lines, numbers of a line): one line is read in every cycle.

        `memory` is what `Folding.memory` chooses.
        """
        name = self._memory(wanted, values)
        self._bind(f"#pragma HLS ARRAY_RESHAPE variable = {name} complete dim = 2\n")
        self.store(name, memory)
        return name

    def banks(self, wanted: str, values: np.ndarray) -> str:
        """A constant array (lanes, numbers): every lane reads a number in every cycle, wherever it lies."""
        name = self._memory(wanted, values)
        self._bind(f"#pragma HLS ARRAY_PARTITION variable = {name} complete dim = 1\n")
        self.store(name, "auto")
        return name

    def everywhere(self, wanted: str, values: np.ndarray) -> str:
        """A small constant array that all lanes read at once, wherever they like."""
        name = self.array(wanted, values)
        if len(values) <= _FEW:
            self._bind(f"#pragma HLS ARRAY_PARTITION variable = {name} complete\n")
        else:
            self._bind(f"#pragma HLS BIND_STORAGE variable = {name} type = rom_np\n")
        return name

    def of_channels(self, wanted: str, values: np.ndarray, lanes: int) -> Function:
        """A function of a struct: (word, lane) to the number of a channel; one for all needs no memory."""
        if (values == values[0]).all():
            return "int, int", f"{values[0]}LL"
        return "int word, int lane", f"{self.lines(wanted, values.reshape(-1, lanes))}[word][lane]"

    def store(self, name: str, memory: str) -> None:
        """Choose the memory of a constant array, as `Folding.memory` does; ``auto`` goes by size."""
        kind = f" impl = {_MEMORIES[memory]}" if memory != "auto" else ""
        self._bind(f"#pragma HLS BIND_STORAGE variable = {name} type = rom_1p{kind}\n")

    def _bind(self, pragma: str) -> None:
        """A pragma of the function that reads a memory."""
        self.stored.append((self.passes, pragma))

    def _memory(self, wanted: str, values: np.ndarray) -> str:
        """Two dimensions, each number as wide as the largest needs."""
        name, (lines, count) = self.names.new(wanted), values.shape
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        bits = signed_range_bits(low, high) if low < 0 else max(1, high.bit_length())
        kind = f"pyqkit::Constant<{bits}, {str(low < 0).lower()}>"
        numbers = self._initialiser(values)
        self.constants.append(f"static const {kind} {name}[{lines}][{count}] = {{\n{numbers}}};\n")
        return name

    @staticmethod
    def _initialiser(values: np.ndarray) -> str:
        """Numbers of an array; those of more than 32 bits are long ones."""
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        if low >= -(2**31) and high < 2**32:
            return initialiser(values)
        # no literal: the minus is an operator
        return initialiser(values, "LL").replace("-9223372036854775808LL", "INT64_MIN")

    def struct(self, wanted: str, functions: Mapping[str, Function | list[Function]]) -> str:
        """A struct of static functions, of which some are overloaded; returns its name."""
        name = self.names.new(wanted)
        body = "".join(
            f"  static int64_t {f}({args}) {{ return {value}; }}\n"
            for f, found in functions.items()
            for args, value in (found if isinstance(found, list) else [found])
        )
        self.constants.append(f"struct {name} {{\n{body}}};\n")
        return name

    def numbers(self, wanted: str, values: Mapping[str, int]) -> str:
        """A struct of named constants, one template argument instead of many; returns its name."""
        name = self.names.new(wanted)
        body = "".join(f"  static const int {key} = {int(value)};\n" for key, value in values.items())
        self.constants.append(f"struct {name} {{\n{body}}};\n")
        return name

    def typedef(self, wanted: str, kind: str) -> str:
        """A name for a type; returns it."""
        name = self.names.new(wanted)
        self.constants.append(f"typedef {kind} {name};\n")
        return name

    def format(self, fmt: NumberFormat) -> str:
        """C++ type of a format; formats without arithmetic of their own are decoded by a table."""
        if isinstance(fmt, Integer):
            return f"pyqkit::Integer<{fmt.width}, {str(fmt.signed).lower()}, {fmt.zero_point}>"
        if isinstance(fmt, Minifloat):
            return (
                f"pyqkit::Minifloat<{fmt.exponent_bits}, {fmt.significand_bits}, {str(fmt.signed).lower()}>"
            )
        if fmt.name not in self.tables:
            if fmt.integers.dtype == object:
                raise UserError(
                    f"a format whose integers fit 64 bits was expected, but {fmt.name} came; use a "
                    "smaller exponent or regime size"
                )
            integers = self.array(f"format_{fmt.name}_integers", fmt.integers)
            self.tables[fmt.name] = self.struct(
                f"format_{fmt.name}_table", {"value": ("int code", f"{integers}[code]")}
            )
        return f"pyqkit::TableFormat<{fmt.bits}, {signed_bits(fmt.integers)}, {self.tables[fmt.name]}>"


def counts(end: End) -> str:
    """Template arguments of the blocks at an end."""
    return f"{end.bits}, {end.beats}, {end.lanes}"


Rule = Callable[[Emitter, Operator], None]
_rules = Registry[Rule]("pyqkit.hls.operators")


def emits(kind: str) -> Callable[[Rule], Rule]:
    """Decorator that announces how an operator is written in C++."""
    return _rules.register(kind)


def rule_for(op: Operator) -> Rule:
    """How to write an operator."""
    rule = _rules.get(op.kind)
    if rule is None:
        raise UserError(
            f"an operator with a C++ block was expected, but {op.name} is a {op.kind}; take an "
            "array (--array int8x8), whose host computes it, or add a rule to pyqkit/hls/operators"
        )
    return partial(_owned, rule)


def _owned(rule: Rule, e: Emitter, op: Operator) -> None:
    """Write an operator, whose processes are its own."""
    e.owner = op.name
    rule(e, op)
