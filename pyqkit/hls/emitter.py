"""Text of a generated network: streams, processes and constants, collected operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import gcd

import numpy as np

from pyqkit.discovery import Rules
from pyqkit.errors import UserError
from pyqkit.formats import Integer, Minifloat, NumberFormat
from pyqkit.formats.widths import signed_bits
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.hardware.folding_types import Folding
from pyqkit.names import LONGEST_GENERATED, Identifiers, identifier

FIFO_WORDS = 32  # an SRL32 holds 32 words in one LUT per bit, so a shallower FIFO saves nothing
BEAT_BITS = 64  # codes that share an AXI beat at the two ends

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


@dataclass
class Emitter:
    """State of one generation; operators' rules call `stream`, `process`, `array`, `store`, `struct` and
    `typedef`.

    All of these take the name that is wanted, which ends in a word of the rule, and return what `names` made
    of it. Rules write these into their text, never the name of an operator or a tensor.
    """

    graph: Graph
    folding: dict[str, Folding]
    depths: dict[tuple[str, str], int]
    names: Identifiers
    streams: dict[str, tuple[Stream, int]] = field(default_factory=dict)
    processes: list[tuple[str, str]] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    produced: dict[str, Stream] = field(default_factory=dict)
    edges: dict[tuple[str, str], Stream] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)

    def stream(self, name: str, bits: int, lanes: int, words: int = FIFO_WORDS) -> Stream:
        """Declare a stream."""
        made = Stream(self.names.new(name), bits, lanes)
        self.streams[made.name] = made, max(words, 2)
        return made

    def process(self, name: str, call: str) -> None:
        """Add a process.

        A call that handles one frame. Its name is for messages and need not be the only one.
        """
        self.processes.append((identifier(name, LONGEST_GENERATED), call))

    def input(self, op: Operator, index: int = 0) -> Stream:
        """The stream that brings input `index` to an operator."""
        return self.edges[op.inputs[index], op.name]

    def output(self, op: Operator, lanes: int) -> Stream:
        """Declare the stream of an operator's result."""
        (tensor,) = self.graph.output_tensors(op)
        made = self.stream(f"{tensor.name}_stream", tensor.format.bits, lanes)
        self.produced[tensor.name] = made
        return made

    def narrowed(self, stream: Stream, lanes: int, count: int, suffix: str) -> Stream:
        """`stream` in words of `lanes` lanes, through a width converter if needed; `count` codes a frame."""
        if stream.lanes == lanes:
            return stream
        made = self.stream(f"{stream.name}_{suffix}", stream.bits, lanes)
        self.process(
            made.name,
            f"pyqkit::convert_width<{stream.code}, {count}, {stream.lanes}, {lanes}>({stream.name}, "
            f"{made.name})",
        )
        return made

    def aligned(self, op: Operator, also: Iterable[int] = ()) -> list[Stream]:
        """All inputs of an operator in words of one width, which divides every number in `also`."""
        lanes = gcd(*(self.input(op, i).lanes for i in range(len(op.inputs))), *also)
        tensors = self.graph.input_tensors(op)
        return [
            self.narrowed(self.input(op, i), lanes, int(np.prod(t.shape)), f"as_{lanes}")
            for i, t in enumerate(tensors)
        ]

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
        suffix = "LL" if bits == 64 else ""
        rows = [", ".join(f"{v}{suffix}" for v in flat[i : i + 32].tolist()) for i in range(0, len(flat), 32)]
        self.constants.append(
            f"static const {kind} {name}[{len(flat)}] = {{\n"
            + ",\n".join(rows).replace("-9223372036854775808LL", "INT64_MIN")
            + "};\n"
        )
        return name

    def store(self, name: str, memory: str) -> None:
        """Choose the memory of a constant array, as `Folding.memory` does."""
        if memory != "auto":
            self.stored.append(
                f"#pragma HLS BIND_STORAGE variable = {name} type = rom_1p impl = {_MEMORIES[memory]}\n"
            )

    def struct(self, wanted: str, functions: dict[str, tuple[str, str]]) -> str:
        """A struct of static functions, each given as (parameters, expression); returns its name."""
        name = self.names.new(wanted)
        body = "".join(
            f"  static int64_t {f}({args}) {{ return {value}; }}\n" for f, (args, value) in functions.items()
        )
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


def fifo_words(words_per_pixel: int, waiting: int, readers: int) -> int:
    """Depth of the FIFO in front of one of a tensor's readers, `waiting` being the pixels that have to wait
    there.

    Where a stream forks, one pixel more: a join begins a pixel only when all its inputs have begun theirs,
    and until then the whole pixel waits, which may be more words than a shallow FIFO holds.
    """
    return FIFO_WORDS + words_per_pixel * (waiting + (readers > 1))


Rule = Callable[[Emitter, Operator], None]
_rules = Rules[Rule]("pyqkit.hls.operators")


def emits(kind: str) -> Callable[[Rule], Rule]:
    """Decorator that announces how an operator is written in C++."""
    return _rules.announce(kind)


def rule_for(op: Operator) -> Rule:
    """How to write an operator."""
    rule = _rules.get(op.kind)
    if rule is None:
        raise UserError(
            f"an operator with a C++ block was expected, but {op.name} is a {op.kind}; add a rule "
            "to pyqkit/hls/operators"
        )
    return rule


def largest_lanes(tensor: Tensor, lanes: int) -> int:
    """Largest divisor of `lanes` whose codes fit an AXI beat."""
    return max(
        n for n in range(1, lanes + 1) if lanes % n == 0 and (n * tensor.format.bits <= BEAT_BITS or n == 1)
    )
