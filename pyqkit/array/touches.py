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


def touched(machine: Machine, instruction: Instruction) -> Iterator[Touch]:
    """All that an instruction reads and writes."""
    if isinstance(instruction, Load):
        yield Touch("input stream", 0, 1, True)
        end = instruction.address + instruction.count
        yield Touch(Memory(instruction.memory).name, instruction.address, end, True)
        if instruction.memory == Memory.WEIGHTS:
            yield Touch("way to weights", 0, 1, True)
    elif isinstance(instruction, Store):
        yield Touch("output stream", 0, 1, True)
        yield Touch("ACTIVATIONS", instruction.address, instruction.address + instruction.count, False)
    elif isinstance(instruction, Copy):
        last = instruction.address + (instruction.count - 1) * instruction.step
        yield Touch("ACTIVATIONS", instruction.address, last + 1, False)
        yield Touch("WEIGHTS", instruction.weights, instruction.weights + instruction.count, True)
        yield Touch("way to weights", 0, 1, True)
    elif isinstance(instruction, Fill):
        table = Table(instruction.table)
        entries, first = instruction.count * table_entries(machine, table), 0
        if table in OPERANDS:
            first = instruction.choice * of(machine).table_entries
        yield Touch("TABLES", instruction.address, instruction.address + instruction.count, False)
        yield Touch(f"table {table.name}", first, first + entries, True)
    elif isinstance(instruction, Run):
        yield from _of_run(machine, instruction)
    elif isinstance(instruction, Post):
        yield from _of_post(machine, instruction)


def _of_run(machine: Machine, run: Run) -> Iterator[Touch]:
    tiles = 1 if run.same else run.tiles
    yield Touch("WEIGHTS", run.weights, run.weights + tiles * machine.rows, False)
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
    items = post.lanes * (1 if post.maximum else post.terms)
    yield Touch("PARAMETERS", post.parameters, post.parameters + items, False)
    if post.raw:
        yield Touch("output stream", 0, 1, True)
        return
    yield Touch("table BOUNDARIES", 0, 2**post.stages - 1, False)
    yield Touch("table CODES", 0, 1, False)
    planes = post.plane + (post.slot + post.channels - 1) // machine.rows
    words = np.arange(planes // post.planes + 1)
    rows, columns = np.arange(post.rows) * post.step_row, np.arange(post.columns) * post.step_column
    yield from _words(machine, post.base, [rows, columns, words], writes=True)
