"""Marks: a program whose parts the counters of a machine tell apart, and what the model says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from pyqkit.array.program import Program, Segment
from pyqkit.array.timing import Span
from pyqkit.array.waits import spans

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
    """Parts of all segments in their order, each segment's END excluded, which has the last mark of it."""
    both = zip(program.segments, spans(program))
    return tuple(part for segment, found in both for part in _parts(program, segment, found))


def segment_parts(program: Program, segment: Segment) -> list[Part]:
    """Parts of a segment in their order."""
    return _parts(program, segment, spans(program)[program.segments.index(segment)])


def _parts(program: Program, segment: Segment, found: list[Span]) -> list[Part]:
    end = segment.last - 1
    mine = [section for section in program.sections if segment.first <= section.first < segment.last]
    firsts = {section.first: section.layers for section in mine}
    behind = max((section.last for section in mine), default=segment.first)
    starts: dict[int, tuple[str, ...]] = {segment.first: (INPUT,), behind: (RESULTS,), **firsts}
    order = [*sorted(first for first in starts if first < end), end]
    at = [span.start for span in found]
    return [
        Part(starts[first], first, at[last - segment.first] - at[first - segment.first])
        for first, last in pairwise(order)
    ]


def marked(program: Program) -> Program:
    """The same program with a mark on the first instruction of each part, and on each END."""
    firsts = {part.first for part in parts(program)} | {segment.last - 1 for segment in program.segments}
    instructions = tuple(
        replace(instruction, mark=int(index in firsts))
        for index, instruction in enumerate(program.instructions)
    )
    return replace(program, instructions=instructions)
