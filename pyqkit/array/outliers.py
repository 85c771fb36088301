"""Outliers of a program's weights: what they take, and who would wait for a network that merges them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyqkit.array.contention import Contention, shared
from pyqkit.array.families import of
from pyqkit.array.isa import Load, Run
from pyqkit.array.machine import Memory
from pyqkit.array.program import Program, Section
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.formats.microscopiq.tensor import EXPONENT_BITS, LIST_BITS, MACRO

MOST_VECTORS = 64  # in a row that are followed; more of them wait as often


@dataclass(frozen=True)
class Outliers:
    """Of the weights of a pass, what fills up tiles included.

    Attributes
    ----------
    places : int
        Slots of weights.
    outliers : int
        As many places are pruned, for lower halves.
    stored_bits, encoded_bits : int
        That the machine's memory takes, and the encoding, both with all metadata.
    slot_bits : int
        Of a place, without metadata.
    contention : Contention
        If rows shared one network that merges halves (modelled); who merges as rows are loaded never waits.
    """

    places: int
    outliers: int
    stored_bits: int
    encoded_bits: int
    slot_bits: int
    contention: Contention

    @property
    def metadata_bits(self) -> int:
        """Stored bits that are no slots."""
        return self.stored_bits - self.places * self.slot_bits

    def row(self) -> dict[str, object]:
        """As plain data."""
        return {
            "outliers": f"{self.outliers:,} ({self.outliers / self.places:.2%})",
            "pruned": f"{self.outliers:,}",
            "bits a weight": f"{self.encoded_bits / self.places:.2f}",
            "in memory": f"{self.stored_bits / self.places:.2f}",
            "metadata bits": f"{self.metadata_bits:,}",
            "conflicts": f"{self.contention.rate:.1%}",
        }


def of_sections(program: Program) -> tuple[Outliers | None, ...]:
    """Of each section; None where no weights can have any."""
    tiles = list(_tiles(program))
    return tuple(_of_section(program, section, tiles) for section in program.sections)


def _tiles(program: Program) -> Iterator[tuple[int, Run, np.ndarray]]:
    """Every RUN: its number and tiles, (tiles * rows, bytes of an item)."""
    memory = np.zeros((program.ends[3], program.weights.shape[1]), np.uint8)
    origin = program.origins[3]
    memory[origin : origin + len(program.weights)] = program.weights
    for segment in program.segments:
        streamed = iter(segment.streamed)
        for index in range(segment.first, segment.last):
            instruction = program.instructions[index]
            if isinstance(instruction, Load) and instruction.memory == Memory.WEIGHTS:
                memory[instruction.address : instruction.address + instruction.count] = next(streamed)
            elif isinstance(instruction, Run):
                count = (1 if instruction.same else instruction.tiles) * program.machine.rows
                yield index, instruction, memory[instruction.weights : instruction.weights + count].copy()


def _of_section(
    program: Program, section: Section, tiles: list[tuple[int, Run, np.ndarray]]
) -> Outliers | None:
    """RUNs of one position after another may multiply the same weights, which count once."""
    machine, family = program.machine, of(program.machine)
    known, contention = dict[tuple[int, bytes], int](), Contention()
    places = outliers = items = flagged = slot_bits = 0
    for index, run, weights in tiles:
        if not section.first <= index < section.last:
            continue
        counts = family.outliers(machine.modes[run.mode], weights)
        if counts is None:
            return None
        vectors = min(run.positions, MOST_VECTORS)
        contention += shared((counts > 0).reshape(-1, machine.rows, counts.shape[1]), vectors, 1)
        slot_bits = machine.modes[run.mode].weight_bits
        if known.setdefault((run.weights, weights.tobytes()), index) == index:
            places += counts.size * MICRO
            outliers += int(counts.sum())
            flagged += int((counts > 0).sum())
            items += len(weights)
    if not places:
        return None
    encoded = places * EXPONENT_BITS // MACRO + places // MICRO * (1 + MICRO * slot_bits)
    encoded += flagged * (EXPONENT_BITS + LIST_BITS)
    stored = items * family.weight_bits(machine)
    return Outliers(places, outliers, stored, encoded, slot_bits, contention)
