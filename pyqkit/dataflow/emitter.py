"""A network as streams between operators, whatever language it is written in.

An emitter walks the graph once. It brings every input in as a stream, lets the rule of every operator read
its streams and declare that of its result, gives each reader of a tensor a stream of its own, and takes the
outputs to the ends. A language says how a stream is declared, converted and forked, and what stands at the
ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd, lcm
from typing import Generic, Protocol, TypeVar

from pyqkit.dataflow.streams import (
    PACKET_ENDS,
    Edge,
    chosen_lanes,
    codes,
    end_spaces,
    ending_with,
    output_reader,
    readers,
)
from pyqkit.formats.port import End, Port
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.reuse import K, variants
from pyqkit.names import Identifiers


class Words(Protocol):
    """A stream: `lanes` codes of `bits` bits in every word."""

    @property
    def name(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def lanes(self) -> int: ...


Stream = TypeVar("Stream", bound=Words)
Setting = TypeVar("Setting", bound=Folding)


@dataclass
class Emitter(ABC, Generic[Stream]):
    """State of one generation.

    Names that are wanted end in a word of whoever wants them; what `names` makes of them goes into the text,
    never the name of an operator or a tensor.

    Attributes
    ----------
    graph : Graph
    folding : mapping of str to Folding
        By operator; one that is missing is the least parallel.
    depths : mapping of (tensor, reader) to int
        Words of FIFOs, instead of the derived ones.
    names : Identifiers
    produced : dict of str to Stream
        By tensor, as its operator writes it.
    edges : dict of (tensor, reader) to Stream
        Those of `PACKET_ENDS` too: a bit a frame, whether a packet ends with it.
    """

    graph: Graph
    folding: Mapping[str, Folding]
    depths: Mapping[Edge, int]
    names: Identifiers
    produced: dict[str, Stream] = field(default_factory=dict)
    edges: dict[Edge, Stream] = field(default_factory=dict)

    # ---- what a language says ------------------------------------------------------------------------------

    @abstractmethod
    def stream(self, name: str, bits: int, lanes: int) -> Stream:
        """Declare a stream."""

    @abstractmethod
    def result(self, tensor: str, bits: int, lanes: int) -> Stream:
        """Declare the stream of a tensor."""

    @abstractmethod
    def width_converter(self, owner: str, stream: Stream, lanes: int, count: int, suffix: str) -> Stream:
        """`converted` where one width divides the other and both differ."""

    @abstractmethod
    def fork(self, tensor: str, source: Stream, readers: Sequence[str]) -> list[Stream]:
        """For each reader of a tensor a stream of its own, deep enough for what waits there."""

    @abstractmethod
    def enter(self, port: Port, index: int) -> End:
        """Bring an input of the network in as ``produced``."""

    @abstractmethod
    def leave(self, port: Port, index: int) -> End:
        """Take an output of the network to its end."""

    # ---- what rules of operators call ----------------------------------------------------------------------

    def variants(self, op: K) -> list[K]:
        """What an operator is in each pass of a frame."""
        return variants(self.graph, op)

    def folding_of(self, op: Operator, kind: type[Setting]) -> Setting:
        """How an operator is folded, checked.

        Raises
        ------
        UserError
            For a folding that does not suit it.
        """
        found = self.folding.get(op.name, kind())
        op.folding_space(self.graph.input_tensors(op)).check(found, op.name)
        assert isinstance(found, kind)
        return found

    def end_lanes(self, port: str, usual: int) -> int:
        """Codes in a beat of a port, checked; raises UserError for a folding that does not suit it."""
        if port in self.folding:
            end_spaces(self.graph)[port].check(self.folding[port], port)
        return chosen_lanes(self.folding, port, usual)

    def input(self, op: Operator, index: int = 0) -> Stream:
        """The stream that brings input `index` to an operator."""
        return self.edges[op.inputs[index], op.name]

    def output(self, op: Operator, lanes: int) -> Stream:
        """Declare the stream of an operator's result."""
        (tensor,) = self.graph.output_tensors(op)
        made = self.result(tensor.name, tensor.format.bits, lanes)
        self.produced[tensor.name] = made
        return made

    def aligned(self, op: Operator, also: Iterable[int] = ()) -> list[Stream]:
        """All inputs of an operator in words of one width, which divides every number in `also`."""
        tensors = self.graph.input_tensors(op)
        sources = [self.input(op, i) for i in range(len(op.inputs))]
        lanes = gcd(*(source.lanes for source in sources), *also)
        return [
            self.converted(op.name, source, lanes, codes(tensor), f"as_{lanes}")
            for source, tensor in zip(sources, tensors)
        ]

    def converted(self, owner: str, stream: Stream, lanes: int, count: int, suffix: str) -> Stream:
        """`stream`, `count` codes a frame, in words of `lanes` lanes; `owner` is the operator or port.

        By way of words that hold both where neither width divides the other.
        """
        if stream.lanes == lanes:
            return stream
        wide = lcm(stream.lanes, lanes)
        if wide > max(stream.lanes, lanes):
            stream = self.width_converter(owner, stream, wide, count, f"{suffix}_wide")
        return self.width_converter(owner, stream, lanes, count, suffix)

    # ---- the walk ------------------------------------------------------------------------------------------

    def emit(self, rule_for: Callable[[Operator], Callable]) -> tuple[list[End], list[End]]:
        """Write the whole graph; returns its ends."""
        inputs = [self.enter(port, i) for i, port in enumerate(self.graph.inputs)]
        for port in self.graph.inputs:
            self.hand_out(port.tensor, self.produced[port.tensor], readers(self.graph, port.tensor))
        for op in self.graph.operators:
            rule_for(op)(self, op)
            for tensor in op.outputs:
                self.hand_out(tensor, self.produced[tensor], readers(self.graph, tensor))
        return inputs, [self.leave(port, i) for i, port in enumerate(self.graph.outputs)]

    def arriving(self, index: int, tensor: str = "") -> Stream:
        """The stream that output port `index` reads: its tensor's, or another."""
        return self.edges[tensor or self.graph.outputs[index].tensor, output_reader(index)]

    def end_packets(self, index: int, ends: Stream) -> None:
        """Hand out where the packets of an input end."""
        self.hand_out(PACKET_ENDS, ends, ending_with(self.graph, index))

    def hand_out(self, tensor: str, source: Stream, readers: Sequence[str]) -> None:
        """Give each reader of a tensor a stream of its own."""
        streams = self.fork(tensor, source, readers)
        self.edges.update(((tensor, reader), stream) for reader, stream in zip(readers, streams))
