"""What a program computes: the instructions of `docs/array.md`, executed on numpy arrays.

This is the definition of a machine. Engines in C++ and SystemVerilog are compared with it, and it is compared
with the operators of the graph.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyqkit.array.families import of
from pyqkit.array.isa import (
    OPERANDS,
    Copy,
    End,
    Fill,
    Instruction,
    Load,
    Post,
    ProgramError,
    Repeat,
    Run,
    Store,
    Table,
    decode,
    word_bits,
)
from pyqkit.array.machine import TABLE_BITS, Machine, Memory

_MOST_LANES = 4
_ENTRIES = {Table.ACTIVATIONS: 64, Table.WEIGHTS: 64, Table.BOUNDARIES: 255, Table.CODES: 32}  # items


def item_bits(machine: Machine, memory: Memory) -> int:
    """Bits of an item of a memory."""
    return {
        Memory.PROGRAM: word_bits(machine),
        Memory.TABLES: TABLE_BITS,
        Memory.PARAMETERS: machine.columns * machine.parameter_bits,
        Memory.WEIGHTS: of(machine).weight_bits(machine),
        Memory.ACTIVATIONS: machine.rows * 8 + of(machine).shift_bits,
    }[memory]


def item_bytes(machine: Machine, memory: Memory) -> int:
    """Bytes that hold an item of a memory."""
    return -(-item_bits(machine, memory) // 8)


def item_words(machine: Machine, memory: Memory) -> int:
    """Stream words that an item of a memory takes."""
    return -(-item_bits(machine, memory) // machine.stream_bits)


class ArrayState:
    """A machine with what its memories hold.

    Parameters
    ----------
    machine : Machine

    Attributes
    ----------
    memories : dict of Memory to numpy.ndarray
        Items of each memory as bytes, (items, bytes of an item).
    tables : dict of Table to numpy.ndarray, uint64
        Those of codes by choice.
    accumulators : numpy.ndarray, int64, shape (banks, accumulators, columns, lanes)
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memories = {
            memory: np.zeros((machine.items(memory), item_bytes(machine, memory)), np.uint8)
            for memory in Memory
        }
        self.tables = {
            table: np.zeros((machine.operand_tables, items) if table in OPERANDS else items, np.uint64)
            for table, items in _ENTRIES.items()
        }
        self.accumulators = np.zeros((2, machine.accumulators, machine.columns, _MOST_LANES), np.int64)
        self._family = of(machine)
        self._input, self._at = np.zeros(0, np.uint8), 0
        self._output: list[np.ndarray] = []
        self._does: dict[type[Instruction], Callable[..., None]] = {
            Load: self._load,
            Fill: self._fill,
            Run: self._run,
            Post: self._post,
            Store: self._store,
            Copy: self._copy,
        }

    def send(self, content: bytes) -> bytes:
        """Execute what comes over the stream, and give what leaves over the other one.

        Raises
        ------
        ProgramError
            If it ends within an instruction or its data, or holds what no program may.
        """
        self._input, self._at, self._output = np.frombuffer(content, np.uint8), 0, []
        while self._at < len(self._input):
            instruction = decode(self.machine, self._taken(word_bits(self.machine) // 8).tobytes())
            if isinstance(instruction, Load):
                self._load(instruction)
            elif isinstance(instruction, Repeat):
                self._repeat(instruction)
            else:
                name = type(instruction).__name__.upper()
                raise ProgramError(
                    f"LOAD or REPEAT was expected over the stream, but {name} came; it belongs in the "
                    "program memory"
                )
        return np.concatenate([np.zeros(0, np.uint8), *self._output]).tobytes()

    def _taken(self, count: int) -> np.ndarray:
        """The next bytes of the stream."""
        found = self._input[self._at : self._at + count]
        self._at += count
        if len(found) < count:
            raise ProgramError(
                f"{count} more bytes were expected over the stream, but {len(found)} came; send whole frames"
            )
        return found

    def program(self, first: int) -> list[Instruction]:
        """Instructions of the program memory, from one on up to the next END.

        Raises
        ------
        ProgramError
            If there are none.
        """
        program = self.memories[Memory.PROGRAM]
        instructions: list[Instruction] = []
        at = first
        while not instructions or not isinstance(instructions[-1], End):
            if at >= len(program):
                raise ProgramError(
                    f"an END was expected behind instruction {first}, but none stands there; compile "
                    "the program again"
                )
            instructions.append(decode(self.machine, program[at].tobytes()))
            at += 1
        return instructions

    def _repeat(self, repeat: Repeat) -> None:
        instructions = self.program(repeat.first)
        for _ in range(repeat.count):
            for instruction in instructions[:-1]:
                self._does[type(instruction)](instruction)

    def _load(self, load: Load) -> None:
        memory = Memory(load.memory)
        stride = item_words(self.machine, memory) * self.machine.stream_bits // 8
        items = self._taken(load.count * stride).reshape(load.count, stride)
        kept = self.memories[memory]
        kept[load.address : load.address + load.count] = items[:, : kept.shape[1]]

    def _fill(self, fill: Fill) -> None:
        items = self.memories[Memory.TABLES][fill.address : fill.address + fill.count]
        table = self.tables[Table(fill.table)]
        kept = table[fill.choice] if fill.table in OPERANDS else table
        kept[: fill.count] = items.view("<u8")[:, 0]

    def _run(self, run: Run) -> None:
        mode = self.machine.modes[run.mode]
        words, tiles = (
            self._words(run),
            self._tiles(run),
        )  # (tiles, positions, bytes), (tiles, rows, bytes)
        both = (
            self.tables[Table.ACTIVATIONS][run.activation_table],
            self.tables[Table.WEIGHTS][run.weight_table],
        )
        high = run.weight_high, run.activation_high
        if run.spread:
            sums = np.concatenate(
                [self._family.sums(mode, both, *pair, high) for pair in zip(words, tiles)]  # type: ignore
            )
        else:
            sums = self._family.added(mode, both, words, tiles, high)
        places = slice(run.accumulator, run.accumulator + len(sums))
        kept = self.accumulators[run.bank, places, :, : sums.shape[2]]
        kept[:] = _wrapped(kept + sums if run.keep and not run.spread else sums, mode.lane_bits)

    def _words(self, run: Run) -> np.ndarray:
        """Activation words of each tile and position."""
        counts = (run.taps_y, run.taps_x, run.words, run.rows, run.columns)
        tap_y, tap_x, word, y, x = np.indices(counts).reshape(5, run.tiles, run.positions)
        row = run.row + y * run.stride_y + tap_y * run.dilation_y
        column = run.column + x * run.stride_x + tap_x * run.dilation_x
        inside = (row >= 0) & (row < run.height) & (column >= 0) & (column < run.width)
        address = run.base + y * run.step_row + x * run.step_column
        address += tap_y * run.step_tap_y + tap_x * run.step_tap_x + word * run.step_word
        kept = self.memories[Memory.ACTIVATIONS]
        found = kept[np.where(inside, address % _range(len(kept)), 0)]
        seen = np.uint8(2 ** self._family.activation_bits(self.machine) - 1)
        return np.where(inside[..., None], found, np.uint8(run.pad)) & seen

    def _tiles(self, run: Run) -> np.ndarray:
        """Weight tiles, one for each tile of the run."""
        rows, kept = self.machine.rows, self.memories[Memory.WEIGHTS]
        count = 1 if run.same else run.tiles
        found = kept[run.weights : run.weights + count * rows].reshape(count, rows, -1)
        return np.broadcast_to(found, (run.tiles, *found.shape[1:]))

    def _post(self, post: Post) -> None:
        scaled = self._scaled(post)  # (positions, lanes, terms or 1, columns)
        kept = np.arange(post.lanes * self.machine.columns) < post.channels
        if post.raw:
            values = scaled[:, :, 0].reshape(post.positions, -1)[:, kept]
            stride = self.machine.stream_bits // 64
            words = np.repeat(values.reshape(-1, 1), stride, axis=1)
            words[:, 1:] >>= 63
            self._output.append(words.astype("<i8").view(np.uint8).ravel())
            return
        boundaries = self.tables[Table.BOUNDARIES].view(np.int64)
        passed = np.zeros(scaled.shape, np.int64)
        for stage in reversed(range(post.stages)):
            passed += (scaled >= boundaries[passed + 2**stage - 1]).astype(np.int64) << stage
        codes = self.tables[Table.CODES].view(np.uint8)[passed.max(axis=2)]
        self._write(post, codes.reshape(post.positions, -1)[:, kept])

    def _scaled(self, post: Post) -> np.ndarray:
        """Scaled sums by position, lane, term (1 where they are added) and column, int64."""
        position, lane, term = np.indices((post.positions, post.lanes, post.terms))
        sums = self.accumulators[post.bank, post.accumulator + term * post.pitch + position, :, lane]
        index = lane if post.maximum else lane * post.terms + term
        multipliers, offsets = self._parameters(post.parameters, int(index.max()) + 1)
        with np.errstate(over="ignore"):
            scaled = sums * multipliers[index] + offsets[index]
            scaled = scaled if post.maximum else scaled.sum(axis=2, keepdims=True)
        return _wrapped(scaled, self.machine.offset_bits)

    def _parameters(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Multipliers and offsets, int64 of shape (parameters, columns)."""
        items = self.memories[Memory.PARAMETERS][first : first + count]
        bits = np.unpackbits(items, axis=1, bitorder="little")
        bits = bits[:, : self.machine.columns * self.machine.parameter_bits]
        bits = bits.reshape(count, self.machine.columns, -1).astype(np.int64)
        split = self.machine.multiplier_bits
        return _number(bits[..., :split]), _number(bits[..., split:])

    def _write(self, post: Post, codes: np.ndarray) -> None:
        """Codes of all positions to their places."""
        machine, kept = self.machine, self.memories[Memory.ACTIVATIONS]
        y, x = np.divmod(np.arange(post.positions), post.columns)
        channel = post.slot + np.arange(codes.shape[1])
        plane, slot = post.plane + channel // machine.rows, channel % machine.rows
        address = (post.base + y * post.step_row + x * post.step_column)[:, None] + plane // post.planes
        address %= _range(len(kept))
        kept[address, machine.rows :] = 0  # what it makes is not shifted
        low = plane % post.planes * post.code_bits
        mask = (2**post.code_bits - 1 << low).astype(np.uint8)
        placed = (codes.astype(np.int64) << low).astype(np.uint8) & mask
        for index in range(codes.shape[1]):  # several codes may share a slot
            at = address[:, index], slot[index]
            kept[at] = kept[at] & ~mask[index] | placed[:, index]

    def _copy(self, copy: Copy) -> None:
        kept = self.memories[Memory.ACTIVATIONS]
        address = (copy.address + np.arange(copy.count) * copy.step) % _range(len(kept))
        items = kept[address, : self.machine.columns]
        self.memories[Memory.WEIGHTS][copy.weights : copy.weights + copy.count] = items

    def _store(self, store: Store) -> None:
        items = self.memories[Memory.ACTIVATIONS][store.address : store.address + store.count]
        words = np.zeros(
            (store.count, item_words(self.machine, Memory.ACTIVATIONS) * self.machine.stream_bits // 8),
            np.uint8,
        )
        words[:, : items.shape[1]] = items
        self._output.append(words.ravel())


def _range(items: int) -> int:
    """Addresses of a memory are computed modulo this."""
    return 1 << max(1, (items - 1).bit_length())


def _wrapped(values: np.ndarray, bits: int) -> np.ndarray:
    """Signed numbers of so many bits."""
    up = 64 - bits
    return values << up >> up


def _number(bits: np.ndarray) -> np.ndarray:
    """Signed numbers of bits along the last axis, the lowest first."""
    places = np.arange(bits.shape[-1], dtype=np.int64)
    values = (bits[..., :-1] << places[:-1]).sum(axis=-1)
    return values - (bits[..., -1] << places[-1]) if len(places) < 64 else values + (bits[..., -1] << 63)
