"""In how many cycles a program runs: a closed form for each instruction, and when each starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyqkit.array.execute import item_words
from pyqkit.array.families import of
from pyqkit.array.isa import OPERANDS, Copy, Fill, Instruction, Load, Post, Run, Store, Table, Unit
from pyqkit.array.machine import TABLE_BITS, Machine, Memory


@dataclass(frozen=True)
class Depths:
    """Cycles of a machine's pipelines, beside the words that pass them.

    Attributes
    ----------
    issue : int
        From an instruction to the next.
    repeat : int
        From the END of a repetition to the first instruction of the next.
    run, post, raw, load, store, fill : int
        As the table of `docs/array.md` names them.
    """

    issue: int
    repeat: int
    run: int
    post: int
    raw: int
    load: int
    store: int
    fill: int


@dataclass(frozen=True)
class Span:
    """When an instruction works: from cycle `start` until cycle `end`, from which its unit is idle."""

    instruction: Instruction
    start: int
    end: int

    @property
    def cycles(self) -> int:
        """How long it works."""
        return self.end - self.start


def depths(machine: Machine) -> Depths:
    """Depths of a machine's pipelines."""
    family = of(machine)
    run, store = machine.rows + family.stages(machine) + 8, machine.rows + (family.shift_bits > 0) + 2
    return Depths(2, 2, run, post=28, raw=10, load=1, store=store, fill=2)


def cycles(machine: Machine, instruction: Instruction) -> int:
    """Cycles that an instruction takes of its unit; 0 for those that take none."""
    depth = depths(machine)
    if isinstance(instruction, Run):
        return instruction.tiles * max(instruction.positions, machine.rows) + depth.run
    if isinstance(instruction, Post):
        results, each = instruction.positions * instruction.lanes, instruction.terms * machine.post_cycles
        if instruction.raw:
            words = instruction.positions * instruction.channels
            return results * (each + depth.raw) + words + depth.post
        return results * each + depth.post
    if isinstance(instruction, Load):
        return instruction.count * item_words(machine, Memory(instruction.memory)) + depth.load
    if isinstance(instruction, (Store, Copy)):
        return instruction.count * item_words(machine, Memory.ACTIVATIONS) + depth.store
    if isinstance(instruction, Fill):
        return instruction.count * table_entries(machine, Table(instruction.table)) + depth.fill
    return 0


def table_entries(machine: Machine, table: Table) -> int:
    """Entries of an item of a table, which are filled one a cycle."""
    if table in OPERANDS:
        return TABLE_BITS // of(machine).entry_bits
    return 1 if table is Table.BOUNDARIES else 8


def schedule(
    machine: Machine, instructions: Sequence[Instruction], start: int = 0, waits: Sequence[int] = ()
) -> list[Span]:
    """When each instruction of a program works, its END included; the first starts in cycle `start`.

    `waits` are the cycles that each takes longer than the closed form (`pyqkit.array.waits`), 0 if not given.
    """
    depth, spans = depths(machine), []
    idle = dict.fromkeys(Unit, start)
    at = start
    for instruction, longer in zip(instructions, waits or [0] * len(instructions), strict=True):
        end = instruction is instructions[-1]
        others = [unit for unit in Unit if end or unit & (instruction.wait | instruction.unit)]
        at = max(at, *(idle[unit] for unit in others))
        spans.append(Span(instruction, at, at + cycles(machine, instruction) + longer))
        idle[instruction.unit] = spans[-1].end
        at += depth.issue
    return spans


def frame_cycles(machine: Machine, instructions: Sequence[Instruction], waits: Sequence[int] = ()) -> int:
    """Cycles from the first instruction of a segment to that of its next repetition."""
    return schedule(machine, instructions, 0, waits)[-1].start + depths(machine).repeat
