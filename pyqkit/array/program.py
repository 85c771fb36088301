"""Programs: what a machine is sent to run one network, frame by frame.

Instructions, tables, parameters and weights are loaded once and stay; then any number of frames is one
transfer each way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from pyqkit.array.execute import item_words
from pyqkit.array.isa import Fill, Instruction, Load, Post, Repeat, Run, encode
from pyqkit.array.machine import Machine, Memory
from pyqkit.errors import UserError
from pyqkit.formats import NumberFormat

_LOADED = (Memory.PROGRAM, Memory.TABLES, Memory.PARAMETERS, Memory.WEIGHTS)  # once, before the first frame


@dataclass(frozen=True)
class Layout:
    """A tensor of codes in the activation memory.

    Attributes
    ----------
    tensor : str
    shape : (int, int, int)
        Height, width, channels.
    format : NumberFormat
    planes, code_bits : int
        Codes of a slot, and bits of each.
    rows : int
        Slots of a word.
    """

    tensor: str
    shape: tuple[int, int, int]
    format: NumberFormat
    planes: int
    code_bits: int
    rows: int

    @property
    def pixel_words(self) -> int:
        """Words of a pixel."""
        return -(-self.shape[2] // (self.rows * self.planes))

    @property
    def words(self) -> int:
        """Words of a frame."""
        return self.shape[0] * self.shape[1] * self.pixel_words

    def to_words(self, codes: np.ndarray) -> np.ndarray:
        """Words of codes (frames, height, width, channels): uint8 of shape (frames, words, slots)."""
        frames = len(codes)
        slots = np.zeros((frames, *self.shape[:2], self.pixel_words * self.planes * self.rows), np.int64)
        slots[..., : self.shape[2]] = codes
        slots = slots.reshape(frames, self.words, self.planes, self.rows)
        shifts = np.arange(self.planes)[:, None] * self.code_bits
        return (slots << shifts).sum(axis=2).astype(np.uint8)

    def from_words(self, words: np.ndarray) -> np.ndarray:
        """Codes (frames, height, width, channels) of words (frames, words, slots)."""
        shifts = np.arange(self.planes)[:, None] * self.code_bits
        codes = words[:, :, None].astype(np.int64) >> shifts & 2**self.code_bits - 1
        codes = codes.reshape(len(words), *self.shape[:2], -1)[..., : self.shape[2]]
        return codes.astype(self.format.code_dtype)


@dataclass(frozen=True)
class Input:
    """A tensor that comes with every frame: as it is, or neighbouring pixels side by side.

    An image of few channels would leave most rows of the array idle. With `beside` pixels of a row in one, a
    convolution has that many fewer taps.

    Attributes
    ----------
    layout : Layout
        As it is stored.
    shape : (int, int, int)
        As it comes.
    beside : int
        Pixels side by side; 1 for none. Pixel x has those from column ``x - left`` on.
    left : int
        Columns of zeros before the first.
    """

    layout: Layout
    shape: tuple[int, int, int]
    beside: int = 1
    left: int = 0

    def to_words(self, codes: np.ndarray) -> np.ndarray:
        """Words of codes (frames, height, width, channels): uint8 of shape (frames, words, slots)."""
        if self.beside == 1:
            return self.layout.to_words(codes)
        width = self.layout.shape[1]
        behind = max(0, width + self.beside - 1 - self.left - self.shape[1])
        sides = ((0, 0), (0, 0), (self.left, behind), (0, 0))
        padded = np.pad(codes, sides, constant_values=self.layout.format.zero_code)
        columns = [padded[:, :, first : first + width] for first in range(self.beside)]
        return self.layout.to_words(np.concatenate(columns, axis=3))


@dataclass(frozen=True)
class Result:
    """What a program sends of each frame, in the order of results.

    Attributes
    ----------
    tensor : str
        Of the graph.
    shape : (int, int, int)
    format : NumberFormat
    layout : Layout or None
        Of the codes; None for sums, one a stream word.
    shift : int
        Bits by which sums are larger than the graph's.
    tiles : tuple of (int, int, int, int, int)
        Of sums: first row, first column, rows, columns and channels that are sent together, one tile of
        channels behind the other.
    """

    tensor: str
    shape: tuple[int, int, int]
    format: NumberFormat
    layout: Layout | None
    shift: int = 0
    tiles: tuple[tuple[int, int, int, int, int, int], ...] = ()

    def stream_words(self, machine: Machine) -> int:
        """Words of the stream that a frame takes."""
        if self.layout is not None:
            return self.layout.words * item_words(machine, Memory.ACTIVATIONS)
        return int(np.prod(self.shape))

    def read(self, machine: Machine, content: np.ndarray) -> np.ndarray:
        """Codes of the tensor, (frames, *shape), of the bytes that came, (frames, bytes)."""
        frames = len(content)
        if self.layout is not None:
            words = content.reshape(frames, self.layout.words, -1)[:, :, : machine.rows]
            return self.layout.from_words(words).reshape(frames, *self.shape)
        sums = content.view("<i8")[:, :: machine.stream_bits // 64]
        found, at = np.zeros((frames, *self.shape), np.int64), 0
        for top, left, rows, columns, first, count in self.tiles:
            size = rows * columns * count
            block = sums[:, at : at + size].reshape(frames, rows, columns, count)
            found[:, top : top + rows, left : left + columns, first : first + count] = block
            at += size
        return self.format.from_integers(found >> self.shift)  # type: ignore[attr-defined]


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
class Program:
    """A network for a machine.

    Attributes
    ----------
    machine : Machine
    instructions : tuple of Instruction
        Up to its END.
    tables : numpy.ndarray, uint64
        Items of the table memory.
    parameters : numpy.ndarray of Python integers, shape (items, columns, 2)
        Multipliers and offsets.
    weights : numpy.ndarray, uint8, shape (items, columns)
        Those that are loaded once.
    streamed : tuple of numpy.ndarray, uint8
        What the LOADs of weights within the program take, in their order.
    inputs : tuple of Input
    results : tuple of Result
    sections : tuple of Section
    origins : tuple of int
        Where it starts in the memories of instructions, tables, parameters and weights.
    """

    machine: Machine
    instructions: tuple[Instruction, ...]
    tables: np.ndarray
    parameters: np.ndarray
    weights: np.ndarray
    streamed: tuple[np.ndarray, ...]
    inputs: tuple[Input, ...]
    results: tuple[Result, ...]
    sections: tuple[Section, ...]
    origins: tuple[int, int, int, int] = (0, 0, 0, 0)

    def sizes(self) -> tuple[int, int, int, int]:
        """Items that it takes of the memories of instructions, tables, parameters and weights."""
        loaded = [
            i.address + i.count - self.origins[3]
            for i in self.instructions
            if isinstance(i, Load) and i.memory == Memory.WEIGHTS
        ]
        weights = max([len(self.weights), *loaded])
        return len(self.instructions), len(self.tables), len(self.parameters), weights

    def moved(self, origins: tuple[int, int, int, int]) -> Program:
        """The same program elsewhere in the memories of instructions, tables, parameters and weights."""
        by = [new - old for new, old in zip(origins, self.origins)]
        moved = tuple(_moved(instruction, by) for instruction in self.instructions)
        return replace(self, instructions=moved, origins=origins)

    def setup(self) -> bytes:
        """What is sent once: the contents of the machine's memories."""
        return b"".join(
            encode(self.machine, Load(memory=memory, address=origin, count=len(items))) + items.tobytes()
            for memory, origin, items in zip(_LOADED, self.origins, self._items())
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

    def call(self, codes: dict[str, np.ndarray]) -> bytes:
        """What is sent for frames: codes of the inputs by tensor, (frames, height, width, channels)."""
        frames = {len(codes[given.layout.tensor]) for given in self.inputs}
        if len(frames) != 1 or not min(frames):
            raise UserError(f"equally many frames of all inputs were expected, but {sorted(frames)} came")
        count = frames.pop()
        inputs = iter([given.to_words(codes[given.layout.tensor]) for given in self.inputs])
        streamed = iter(self.streamed)
        parts = []
        for load in (i for i in self.instructions if isinstance(i, Load)):
            items = next(inputs) if load.memory == Memory.ACTIVATIONS else next(streamed)[None]
            padded = in_words(self.machine, items.reshape(-1, items.shape[-1]))
            parts.append(np.broadcast_to(padded.reshape(len(items), -1), (count, padded.size // len(items))))
        first = encode(self.machine, Repeat(first=self.origins[0], count=count))
        return first + np.concatenate(parts, axis=1).tobytes()

    def execution(self, codes: dict[str, np.ndarray]) -> Generator[Call, np.ndarray, dict[str, np.ndarray]]:
        """Calls for frames, each answered by the bytes that came, uint8; returns codes of the results.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            Of the inputs by tensor, (frames, height, width, channels).
        """
        frames = len(next(iter(codes.values())))
        content = yield Call(self.call(codes), frames * self.frame_bytes[1])
        return self.read(content.tobytes())

    @property
    def frame_bytes(self) -> tuple[int, int]:
        """Most bytes that a call takes for a frame, beside its REPEAT, and that it gives."""
        word = self.machine.stream_bits // 8
        loads = [i for i in self.instructions if isinstance(i, Load)]
        given = sum(load.count * item_words(self.machine, Memory(load.memory)) for load in loads)
        return given * word, sum(result.stream_words(self.machine) for result in self.results) * word

    def read(self, content: bytes) -> dict[str, np.ndarray]:
        """Codes of the results by tensor of the graph, of what came back."""
        sizes = [r.stream_words(self.machine) * self.machine.stream_bits // 8 for r in self.results]
        rows = np.frombuffer(content, np.uint8).reshape(-1, sum(sizes))
        ends = np.cumsum(sizes)
        return {
            result.tensor: result.read(self.machine, np.ascontiguousarray(rows[:, end - size : end]))
            for result, end, size in zip(self.results, ends, sizes)
        }


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


def in_words(machine: Machine, items: np.ndarray) -> np.ndarray:
    """Items, uint8 of shape (items, bytes), each padded to whole words of the stream."""
    stride = machine.stream_bits // 8
    size = -(-items.shape[1] // stride) * stride
    return np.pad(items, ((0, 0), (0, size - items.shape[1])))


_MOVED = {(Fill, "address"): 1, (Post, "parameters"): 2, (Run, "weights"): 3}


def _moved(instruction: Instruction, by: Sequence[int]) -> Instruction:
    if isinstance(instruction, Load) and instruction.memory == Memory.WEIGHTS:
        return replace(instruction, address=instruction.address + by[3])
    for entry in fields(instruction):
        memory = _MOVED.get((type(instruction), entry.name))
        if memory is not None:
            value = getattr(instruction, entry.name) + by[memory]
            return replace(instruction, **{entry.name: value})  # type: ignore[arg-type]
    return instruction


def together(programs: Sequence[Program]) -> list[Program]:
    """Programs one behind the other in the memories of one machine, so that all of them are loaded at once.

    Raises
    ------
    UserError
        If they are for different machines, or do not fit.
    """
    machine, at = programs[0].machine, (0, 0, 0, 0)
    placed: list[Program] = []
    for program in programs:
        if program.machine.digest != machine.digest:
            raise UserError(
                f"programs for the array {machine.name} were expected, but one is for "
                f"{program.machine.name}; compile all for one array"
            )
        placed.append(program.moved(at))
        sizes = program.sizes()
        at = at[0] + sizes[0], at[1] + sizes[1], at[2] + sizes[2], at[3] + sizes[3]
    for memory, used in zip(_LOADED, at):
        if used > machine.items(memory):
            raise UserError(
                f"at most {machine.items(memory)} items of {memory.name.lower()} were expected by the array "
                f"{machine.name}, but {used} are needed; load fewer programs at a time, or take an array "
                "with larger memories"
            )
    return placed
