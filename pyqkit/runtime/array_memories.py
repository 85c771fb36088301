"""Where the programs of an array are: each has a place in its memories, and some are there."""

from __future__ import annotations

from pyqkit.array.machine import Machine, Memory
from pyqkit.array.program import Program

_KINDS = (Memory.PROGRAM, Memory.TABLES, Memory.PARAMETERS, Memory.WEIGHTS)


class Memories:
    """What the memories of a machine hold.

    Each program lies behind the one before, so that all of them stay; one that does not fit there begins at
    the start, and takes the place of those.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._placed: list[Program] = []
        self._there: list[Program] = []
        self._generation = 0

    def placed(self, program: Program) -> Program:
        """The program behind the one placed before, or at the start."""
        behind = _ends(self._placed[-1]) if self._placed else (0, 0, 0, 0)
        moved = program.moved(behind)
        if any(end > self._machine.items(memory) for end, memory in zip(_ends(moved), _KINDS)):
            moved = program.moved((0, 0, 0, 0))
        self._placed.append(moved)
        return moved

    def forget(self, program: Program) -> None:
        """A program that will not be called any more."""
        self._placed = [other for other in self._placed if other is not program]
        self._there = [other for other in self._there if other is not program]

    def hold(self, program: Program, generation: int) -> bool:
        """Whether a program is there; what another generation had is gone."""
        return generation == self._generation and any(other is program for other in self._there)

    def put(self, program: Program, generation: int) -> None:
        """A program has been sent; those whose place it took are gone."""
        kept = self._there if generation == self._generation else []
        self._there = [other for other in kept if not _meet(other, program)] + [program]
        self._generation = generation

    def forget_all(self) -> None:
        """Something else has been sent, which has left none of them whole."""
        self._there = []


def _ends(program: Program) -> tuple[int, int, int, int]:
    a, b, c, d = (origin + size for origin, size in zip(program.origins, program.sizes()))
    return a, b, c, d


def _meet(first: Program, second: Program) -> bool:
    return any(
        a < d and c < b for a, b, c, d in zip(first.origins, _ends(first), second.origins, _ends(second))
    )
