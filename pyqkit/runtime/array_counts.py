"""What the counters of an array recorded: cycles and waits of each part of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyqkit.array.marks import Part
from pyqkit.overlay import array_block
from pyqkit.overlay.array_block import MARKS, RECORD, RECORD_BYTES, RECORDS
from pyqkit.overlay.hwh import ACCELERATOR
from pyqkit.runtime.backends import Backend

Parts = Sequence[Sequence[Part]]
_COUNTERS = (array_block.CYCLES, array_block.INPUT_WAITS, array_block.OUTPUT_WAITS)


@dataclass(frozen=True)
class PartCounts:
    """A part of a frame.

    Attributes
    ----------
    layers : tuple of str
        Operators of the graph.
    modelled : int
        Cycles, if no stream waited.
    cycles : int or None
        That were counted; None where nothing counts, as on an emulated board.
    input_waits, output_waits : int or None
        Cycles in which the array waited for a word, and in which a word of results waited.
    """

    layers: tuple[str, ...]
    modelled: int
    cycles: int | None
    input_waits: int | None
    output_waits: int | None


def clear(backend: Backend) -> None:
    """Count from here on."""
    backend.write(ACCELERATOR, MARKS, 0)


def most_frames(parts: Parts) -> int:
    """Frames of a call whose marks are all recorded; at least one."""
    return max(1, RECORDS // max(1, sum(len(segment) + 1 for segment in parts)))


def recorded(parts: Parts, frames: int, backend: Backend) -> tuple[PartCounts, ...]:
    """What each part took of the last frame of a call, since counters were cleared.

    Parameters
    ----------
    parts : sequence of sequences of Part
        Of each segment.
    frames : int
        Of the call: each segment does all of them before the next one begins.
    """
    came, at, found = min(backend.read(ACCELERATOR, MARKS), RECORDS), 0, []
    for segment in parts:
        marks = len(segment) + 1  # of a frame
        at += frames * marks
        if at > came:
            found += [PartCounts(part.layers, part.cycles, None, None, None) for part in segment]
            continue
        records = [_record(backend, index) for index in range(at - marks, at)]
        found += [
            PartCounts(part.layers, part.cycles, *((b - a) % 2**32 for a, b in zip(before, after)))
            for part, before, after in zip(segment, records, records[1:])
        ]
    return tuple(found)


def _record(backend: Backend, index: int) -> list[int]:
    base = RECORD + RECORD_BYTES * index - array_block.CYCLES
    return [backend.read(ACCELERATOR, base + offset) for offset in _COUNTERS]
