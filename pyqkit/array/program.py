"""Programs: what a machine is sent to run one network, frame by frame.

Instructions, tables, parameters and weights are loaded once and stay. Then a program is a list of steps: of
segments, each of which takes any number of frames in one transfer each way, and of operators that the host
executes between them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyqkit.array.execute import item_words
from pyqkit.array.isa import Copy, Instruction, Load, Repeat, encode
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.tensors import Input, Result
from pyqkit.errors import UserError

if TYPE_CHECKING:  # it needs the graph, which a board has no use for without such steps
    from pyqkit.array.host import HostStep

LOADED = (Memory.PROGRAM, Memory.TABLES, Memory.PARAMETERS, Memory.WEIGHTS)  # once, before the first frame


@dataclass(frozen=True)
class Section:
    """Instructions of a program that belong together: a pass of the network.

    Attributes
    ----------
    layers : tuple of str
        Operators of the graph.
    first, last : int
        Its instructions, `last` excluded.
    macs : int
        Products of the network's own that it makes.
    peak : int
        Products that the array makes in a cycle in its mode.
    """

    layers: tuple[str, ...]
    first: int
    last: int
    macs: int
    peak: int


@dataclass(frozen=True)
class Call:
    """A transfer each way.

    Attributes
    ----------
    content : bytes
        That is sent.
    result_bytes : int
        That come back.
    """

    content: bytes
    result_bytes: int


@dataclass(frozen=True, eq=False)
class Segment:
    """Part of a program that is one transfer each way.

    Attributes
    ----------
    first, last : int
        Its instructions, of which the last one before `last` is an END.
    streamed : tuple of numpy.ndarray, uint8
        What its LOADs of weights take, in their order.
    inputs : tuple of Input
    results : tuple of Result
    """

    first: int
    last: int
    streamed: tuple[np.ndarray, ...]
    inputs: tuple[Input, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Alias:
    """A tensor of the graph that has the elements of another one, in their order."""

    tensor: str
    stored: str
    shape: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Program:
    """A network for a machine.

    Attributes
    ----------
    machine : Machine
    instructions : tuple of Instruction
        Those of all segments, one behind the other.
    tables : numpy.ndarray, uint64
        Items of the table memory.
    parameters : numpy.ndarray of Python integers, shape (items, columns, 2)
        Multipliers and offsets.
    weights : numpy.ndarray, uint8, shape (items, bytes of an item)
        Those that are loaded once.
    steps : tuple of Segment or HostStep
        In their order; a segment relies on nothing that another one left but what is loaded once.
    outputs : tuple of str
        Tensors of the graph.
    aliases : tuple of Alias
        Of outputs and of what the host reads.
    sections : tuple of Section
    origins : tuple of int
        Where it starts in the memories of instructions, tables, parameters and weights.
    """

    machine: Machine
    instructions: tuple[Instruction, ...]
    tables: np.ndarray
    parameters: np.ndarray
    weights: np.ndarray
    steps: tuple[Segment | HostStep, ...]
    outputs: tuple[str, ...]
    aliases: tuple[Alias, ...]
    sections: tuple[Section, ...]
    origins: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Steps that the machine does."""
        return tuple(step for step in self.steps if isinstance(step, Segment))

    def sizes(self) -> tuple[int, int, int, int]:
        """Items that it takes of the memories of instructions, tables, parameters and weights."""
        written = [
            (i.weights if isinstance(i, Copy) else i.address) + i.count - self.origins[3]
            for i in self.instructions
            if isinstance(i, Copy) or (isinstance(i, Load) and i.memory == Memory.WEIGHTS)
        ]
        weights = max([len(self.weights), *written])
        return len(self.instructions), len(self.tables), len(self.parameters), weights

    @property
    def ends(self) -> tuple[int, int, int, int]:
        """The items behind its own in these memories."""
        a, b, c, d = (origin + size for origin, size in zip(self.origins, self.sizes()))
        return a, b, c, d

    def once(self, memory: Memory) -> tuple[int, np.ndarray]:
        """Where the items stand that are loaded once into a memory, beside instructions, and these items."""
        items = {
            Memory.TABLES: self.tables,
            Memory.PARAMETERS: self.parameters,
            Memory.WEIGHTS: self.weights,
        }
        return self.origins[LOADED.index(memory)], items[memory]

    def setup(self) -> bytes:
        """What is sent once: the contents of the machine's memories."""
        return b"".join(
            encode(self.machine, Load(memory=memory, address=origin, count=len(items))) + items.tobytes()
            for memory, origin, items in zip(LOADED, self.origins, self._items())
            if len(items)
        )

    def _items(self) -> list[np.ndarray]:
        """Items of the memories as bytes, in whole words of the stream."""
        machine = self.machine
        program = b"".join(encode(machine, instruction) for instruction in self.instructions)
        low, high = machine.multiplier_bits, machine.offset_bits
        parameters = [
            sum(
                ((int(m) & 2**low - 1) | (int(o) & 2**high - 1) << low) << column * machine.parameter_bits
                for column, (m, o) in enumerate(item)
            )
            for item in self.parameters
        ]
        size = item_words(machine, Memory.PARAMETERS) * machine.stream_bits // 8
        return [
            np.frombuffer(program, np.uint8).reshape(len(self.instructions), -1),
            in_words(machine, self.tables.astype("<u8").view(np.uint8).reshape(-1, 8)),
            np.frombuffer(b"".join(p.to_bytes(size, "little") for p in parameters), np.uint8).reshape(
                -1, size
            ),
            in_words(machine, self.weights),
        ]

    def execution(self, codes: dict[str, np.ndarray]) -> Generator[Call, np.ndarray, dict[str, np.ndarray]]:
        """Calls for frames, each answered by the bytes that came, uint8; returns codes of the outputs.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            Of the inputs by tensor, (frames, height, width, channels).
        """
        lengths = {len(given) for given in codes.values()}
        if len(lengths) != 1 or not min(lengths):
            raise UserError(f"equally many frames of all inputs were expected, but {sorted(lengths)} came")
        (frames,) = lengths
        known = dict(codes)
        for step in self.steps:
            if isinstance(step, Segment):
                size = self.segment_bytes(step)[1]
                content = yield Call(self._call(step, known, frames), frames * size)
                self._take(step, content.reshape(frames, size), known)
            else:
                known |= step.execute({name: self._codes(name, known) for name in step.reads})
        return {name: self._codes(name, known) for name in self.outputs}

    def _codes(self, name: str, known: dict[str, np.ndarray]) -> np.ndarray:
        """Codes of a tensor, of those of stored ones."""
        for alias in self.aliases:
            if alias.tensor == name:
                return known[alias.stored].reshape(-1, *alias.shape)
        return known[name]

    def _call(self, segment: Segment, codes: dict[str, np.ndarray], count: int) -> bytes:
        """What is sent for frames: codes of the inputs by tensor, (frames, height, width, channels)."""
        inputs = iter([given.to_words(codes[given.tensor]) for given in segment.inputs])
        streamed = iter(segment.streamed)
        parts = []
        for load in self.loads(segment):
            items = next(inputs) if load.memory == Memory.ACTIVATIONS else next(streamed)[None]
            words = item_words(self.machine, Memory(load.memory))
            padded = in_words(self.machine, items.reshape(-1, items.shape[-1]), words)
            parts.append(np.broadcast_to(padded.reshape(len(items), -1), (count, padded.size // len(items))))
        first = encode(self.machine, Repeat(first=self.origins[0] + segment.first, count=count))
        return first + np.concatenate([np.zeros((count, 0), np.uint8), *parts], axis=1).tobytes()

    def _take(self, segment: Segment, content: np.ndarray, codes: dict[str, np.ndarray]) -> None:
        """Codes of the results of what came back, (frames, bytes)."""
        at = 0
        for result in segment.results:
            if result.tensor not in codes:
                codes[result.tensor] = np.zeros((len(content), *result.shape), result.dtype)
            end = at + result.stream_words(self.machine) * self.machine.stream_bits // 8
            result.place(self.machine, np.ascontiguousarray(content[:, at:end]), codes[result.tensor])
            at = end

    def loads(self, segment: Segment) -> list[Load]:
        """What takes words of the stream in a segment."""
        return [i for i in self.instructions[segment.first : segment.last] if isinstance(i, Load)]

    def segment_bytes(self, segment: Segment) -> tuple[int, int]:
        """Bytes that a segment takes for a frame, beside its REPEAT, and that it gives."""
        word = self.machine.stream_bits // 8
        loads = self.loads(segment)
        given = sum(load.count * item_words(self.machine, Memory(load.memory)) for load in loads)
        return given * word, sum(result.stream_words(self.machine) for result in segment.results) * word

    @property
    def frame_bytes(self) -> tuple[int, int]:
        """Most bytes that a call takes for a frame, beside its REPEAT, and that it gives."""
        sizes = [self.segment_bytes(segment) for segment in self.segments]
        return max((size[0] for size in sizes), default=0), max((size[1] for size in sizes), default=0)


def executed(
    program: Program, codes: dict[str, np.ndarray], send: Callable[[Call], np.ndarray]
) -> dict[str, np.ndarray]:
    """Codes of the results of frames; `send` makes a transfer each way."""
    calls = program.execution(codes)
    try:
        call = next(calls)
        while True:
            call = calls.send(send(call))
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]


def in_words(machine: Machine, items: np.ndarray, least: int = 1) -> np.ndarray:
    """Items, uint8 of shape (items, bytes), each padded to whole words of the stream, to `least` or more."""
    stride = machine.stream_bits // 8
    size = max(least, -(-items.shape[1] // stride)) * stride
    return np.pad(items, ((0, 0), (0, size - items.shape[1])))
