"""Where the programs of an array are: each has a place in its memories, and some are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyqkit.array.machine import Machine
from pyqkit.array.program import LOADED, Program
from pyqkit.array.shared import behind
from pyqkit.runtime.backends import Buffer


@dataclass(frozen=True, eq=False)
class Kept:
    """A program that has a place, and what is sent once to put it there.

    Attributes
    ----------
    program : Program
    setup : Buffer
        In memory that the DMA reaches.
    nbytes : int
        Of it.
    owners : tuple of Kept
        Programs that have loaded what this one has in common with them.
    """

    program: Program
    setup: Buffer
    nbytes: int
    owners: tuple[Kept, ...]

    @property
    def needed(self) -> tuple[Kept, ...]:
        """All that has to be there before the program is called."""
        return (*self.owners, self)


class Memories:
    """What the memories of a machine hold.

    Each program lies behind the one before, so that all of them stay, and what it has in common with those
    before it is there once. One that does not fit there begins at the start, and takes the place of those.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._placed: list[Kept] = []  # behind one another
        self._there: list[Kept] = []
        self._generation = 0

    def placed(self, program: Program, allocate: Callable[[int], Buffer]) -> Kept:
        """A program behind those placed before, or at the start."""
        found = behind(program, [kept.program for kept in self._placed])
        if any(end > self._machine.items(memory) for end, memory in zip(found.program.ends, LOADED)):
            self._placed.clear()
            found = behind(program, [])
        content = found.program.setup()
        buffer = allocate(len(content))
        buffer.array[: len(content)] = np.frombuffer(content, np.uint8)
        buffer.flush()
        owners = tuple(self._placed[index] for index in found.owners)
        self._placed.append(Kept(found.program, buffer, len(content), owners))
        return self._placed[-1]

    def forget(self, kept: Kept) -> None:
        """A program that will not be called any more; others may need what it has loaded."""
        self._placed = [other for other in self._placed if other is not kept]

    def missing(self, kept: Kept, generation: int) -> list[Kept]:
        """What has to be sent before a program is called; what another generation had is gone."""
        there = self._there if generation == self._generation else []
        return [needed for needed in kept.needed if needed not in there]

    def put(self, kept: Kept, generation: int) -> None:
        """It has been sent; those whose place it took are gone."""
        left = self._there if generation == self._generation else []
        self._there = [other for other in left if not _meet(other.program, kept.program)] + [kept]
        self._generation = generation

    def forget_all(self) -> None:
        """Something else has been sent, which has left none of them whole."""
        self._there = []


def _meet(first: Program, second: Program) -> bool:
    return any(a < d and c < b for a, b, c, d in zip(first.origins, first.ends, second.origins, second.ends))
