"""What instructions read and write: two of different units that meet must not work at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pyqkit.array.families import of
from pyqkit.array.isa import OPERANDS, Copy, Fill, Instruction, Load, Post, Run, Store, Table
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.timing import table_entries


@dataclass(frozen=True)
class Touch:
    """What an instruction reads or writes: part of a resource.

    Attributes
    ----------
    what : str
        A memory, a table, a bank of accumulators, or a stream.
    first, last : int
        Items, `last` excluded.
    writes : bool
    """

    what: str
    first: int
    last: int
    writes: bool

    def meets(self, other: Touch) -> bool:
        """Whether the order of both matters."""
        same = self.what == other.what and (self.writes or other.writes)
        return same and self.first < other.last and other.first < self.last


@dataclass(frozen=True)
class Named:
    """Items of a memory other than that of activations, whose address an instruction has.

    Attributes
    ----------
    memory : Memory
    field : str
        Of the instruction, with the address.
    first, count : int
    writes : bool
    """

    memory: Memory
    field: str
    first: int
    count: int
    writes: bool = False

    @property
    def touch(self) -> Touch:
        """As what is touched."""
        return Touch(self.memory.name, self.first, self.first + self.count, self.writes)


def named_items(machine: Machine, instruction: Instruction) -> Named | None:
    """Tables, parameters or weights that an instruction reads or writes; None without any."""
    if isinstance(instruction, Run):
        count = (1 if instruction.same else instruction.tiles) * machine.rows
        return Named(Memory.WEIGHTS, "weights", instruction.weights, count)
    if isinstance(instruction, Post):
        count = instruction.lanes * (1 if instruction.maximum else instruction.terms)
        return Named(Memory.PARAMETERS, "parameters", instruction.parameters, count)
    if isinstance(instruction, Fill):
        return Named(Memory.TABLES, "address", instruction.address, instruction.count)
    if isinstance(instruction, Copy):
        return Named(Memory.WEIGHTS, "weights", instruction.weights, instruction.count, True)
    if isinstance(instruction, Load) and instruction.memory != Memory.ACTIVATIONS:
        return Named(Memory(instruction.memory), "address", instruction.address, instruction.count, True)
    return None


def touched(machine: Machine, instruction: Instruction) -> Iterator[Touch]:
    """All that an instruction reads and writes."""
    named = named_items(machine, instruction)
    if named is not None:
        yield named.touch
    if isinstance(instruction, Load):
        yield Touch("input stream", 0, 1, True)
        if instruction.memory == Memory.ACTIVATIONS:
            end = instruction.address + instruction.count
            yield Touch("ACTIVATIONS", instruction.address, end, True)
        if instruction.memory == Memory.WEIGHTS:
            yield Touch("way to weights", 0, 1, True)
    elif isinstance(instruction, Store):
        yield Touch("output stream", 0, 1, True)
        yield Touch("ACTIVATIONS", instruction.address, instruction.address + instruction.count, False)
    elif isinstance(instruction, Copy):
        last = instruction.address + (instruction.count - 1) * instruction.step
        yield Touch("ACTIVATIONS", instruction.address, last + 1, False)
        yield Touch("way to weights", 0, 1, True)
    elif isinstance(instruction, Fill):
        table = Table(instruction.table)
        entries, first = instruction.count * table_entries(machine, table), 0
        if table in OPERANDS:
            first = instruction.choice * of(machine).table_entries
        yield Touch(f"table {table.name}", first, first + entries, True)
    elif isinstance(instruction, Run):
        yield from _of_run(machine, instruction)
    elif isinstance(instruction, Post):
        yield from _of_post(machine, instruction)


def _of_run(machine: Machine, run: Run) -> Iterator[Touch]:
    size = of(machine).table_entries
    for table, choice in zip(OPERANDS, (run.activation_table, run.weight_table)):
        yield Touch(f"table {table.name}", choice * size, (choice + 1) * size, False)
    sums = run.positions * (run.tiles if run.spread else 1)
    yield Touch(f"bank {run.bank}", run.accumulator, run.accumulator + sums, True)
    down = _inside(
        run.rows,
        run.taps_y,
        (run.step_row, run.step_tap_y),
        run.row,
        run.stride_y,
        run.dilation_y,
        run.height,
    )
    across = _inside(
        run.columns,
        run.taps_x,
        (run.step_column, run.step_tap_x),
        run.column,
        run.stride_x,
        run.dilation_x,
        run.width,
    )
    yield from _words(machine, run.base, [down, across, np.arange(run.words) * run.step_word])


def _inside(
    count: int, taps: int, steps: tuple[int, int], first: int, stride: int, dilation: int, size: int
) -> np.ndarray:
    """What rows, or columns, that are not in the padding add to an address."""
    position, tap = np.indices((count, taps))
    place = first + position * stride + tap * dilation
    return np.unique((position * steps[0] + tap * steps[1])[(place >= 0) & (place < size)])


def _words(machine: Machine, base: int, parts: Sequence[np.ndarray], writes: bool = False) -> Iterator[Touch]:
    """The activation words from the lowest to the highest of what is addressed."""
    size = 1 << max(1, (machine.activation_words - 1).bit_length())
    addresses = np.array([base])
    for part in parts:
        addresses = np.unique(np.add.outer(addresses, part) % size)
    if len(addresses):
        yield Touch("ACTIVATIONS", int(addresses[0]), int(addresses[-1]) + 1, writes)


def _of_post(machine: Machine, post: Post) -> Iterator[Touch]:
    last = post.accumulator + (post.terms - 1) * post.pitch + post.positions
    yield Touch(f"bank {post.bank}", post.accumulator, last, False)
    if post.raw:
        yield Touch("output stream", 0, 1, True)
        return
    yield Touch("table BOUNDARIES", 0, 2**post.stages - 1, False)
    yield Touch("table CODES", 0, 1, False)
    planes = post.plane + (post.slot + post.channels - 1) // machine.rows
    words = np.arange(planes // post.planes + 1)
    rows, columns = np.arange(post.rows) * post.step_row, np.arange(post.columns) * post.step_column
    yield from _words(machine, post.base, [rows, columns, words], writes=True)
