"""Marks: a program whose parts the counters of a machine tell apart, and what the model says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from pyqkit.array.program import Program
from pyqkit.array.timing import schedule

INPUT, RESULTS = "input", "results"  # what stands before the first layer, and behind the last


@dataclass(frozen=True)
class Part:
    """Instructions of a program from one mark to the next.

    Attributes
    ----------
    layers : tuple of str
        Operators of the graph, or what the part is instead.
    first : int
        Its first instruction.
    cycles : int
        From its first instruction to that of the next part (modelled).
    """

    layers: tuple[str, ...]
    first: int
    cycles: int


def parts(program: Program) -> tuple[Part, ...]:
    """Parts of a program in their order, its END excluded, which has the last mark."""
    end = len(program.instructions) - 1
    firsts = {section.first: section.layers for section in program.sections}
    behind = max((section.last for section in program.sections), default=0)
    starts: dict[int, tuple[str, ...]] = {0: (INPUT,), behind: (RESULTS,), **firsts}
    order = [*sorted(first for first in starts if first < end), end]
    spans = schedule(program.machine, program.instructions)
    return tuple(
        Part(starts[first], first, spans[last].start - spans[first].start) for first, last in pairwise(order)
    )


def marked(program: Program) -> Program:
    """The same program with a mark on the first instruction of each part, and on its END."""
    firsts = {part.first for part in parts(program)} | {len(program.instructions) - 1}
    instructions = tuple(
        replace(instruction, mark=int(index in firsts))
        for index, instruction in enumerate(program.instructions)
    )
    return replace(program, instructions=instructions)
