"""Outliers of a program's weights: what they take, and who would wait for a network that merges them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.array.contention import Contention
from pyqkit.array.families import of
from pyqkit.array.isa import Run
from pyqkit.array.program import Program, Section
from pyqkit.array.waits import contended, runs
from pyqkit.formats.microscopiq.routing import MICRO
from pyqkit.formats.microscopiq.tensor import EXPONENT_BITS, LIST_BITS, MACRO


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
        If rows shared one network that merges halves, or as many as the machine has (modelled).
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
    tiles = list(runs(program))
    return tuple(_of_section(program, section, tiles) for section in program.sections)


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
        contention += contended(machine, run, weights)
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
