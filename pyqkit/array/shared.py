"""Programs that lie in the memories of one machine together: what several have in common stands there once.

A piece is what an instruction uses: the tiles of a RUN, a table, the parameters of a POST. One that a program
has loaded the next ones do not load again; their instructions name the place where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.array.isa import Instruction
from pyqkit.array.machine import Memory
from pyqkit.array.program import LOADED, Program
from pyqkit.array.touches import named_items
from pyqkit.errors import UserError

_SHARED = Memory.TABLES, Memory.PARAMETERS, Memory.WEIGHTS  # instructions are a program's own


@dataclass(frozen=True, eq=False)
class Placed:
    """A program in its place.

    Attributes
    ----------
    program : Program
        Its items are those that none before it has loaded.
    owners : tuple of int
        Programs before it that have the others.
    """

    program: Program
    owners: tuple[int, ...]


@dataclass(frozen=True)
class _Moves:
    """Where the items of a memory go.

    Attributes
    ----------
    pieces : tuple of (int, int, int)
        First item, the one behind the last, and where the first goes.
    end, to : int
        What a program writes itself lies behind what it loads once, from `end` on, and goes to `to`.
    """

    pieces: tuple[tuple[int, int, int], ...]
    end: int
    to: int

    def of(self, address: int) -> int:
        """Where an item goes."""
        for first, last, to in self.pieces:
            if first <= address < last:
                return to + address - first
        return self.to + address - self.end


def behind(program: Program, others: Sequence[Program]) -> Placed:
    """A program behind others, of which the last one ends last, without what those have loaded."""
    at = dict(zip(LOADED, others[-1].ends if others else (0,) * len(LOADED)))
    known: dict[tuple[Memory, object], tuple[int, int]] = {}
    for index, other in enumerate(others):
        for memory in _SHARED:
            for piece in _pieces(other, memory):
                if piece.content is not None:
                    known.setdefault((memory, piece.content), (index, piece.first))
    moves, own, owners = dict[Memory, _Moves](), dict[Memory, np.ndarray](), set[int]()
    for memory in _SHARED:
        origin, items = program.once(memory)
        pieces, kept, to = [], [items[:0]], at[memory]
        for piece in _pieces(program, memory):
            owner, place = known.get((memory, piece.content), (-1, to))
            pieces.append((piece.first, piece.last, place))
            if owner < 0:
                kept.append(items[piece.first - origin : piece.last - origin])
                to += piece.last - piece.first
            else:
                owners.add(owner)
        moves[memory], own[memory] = _Moves(tuple(pieces), origin + len(items), to), np.concatenate(kept)
    moved = replace(
        program,
        instructions=tuple(_moved(program, instruction, moves) for instruction in program.instructions),
        tables=own[Memory.TABLES],
        parameters=own[Memory.PARAMETERS],
        weights=own[Memory.WEIGHTS],
        origins=(at[Memory.PROGRAM], at[Memory.TABLES], at[Memory.PARAMETERS], at[Memory.WEIGHTS]),
    )
    return Placed(moved, tuple(sorted(owners)))


def _moved(program: Program, instruction: Instruction, moves: dict[Memory, _Moves]) -> Instruction:
    named = named_items(program.machine, instruction)
    if named is None or named.memory not in moves:
        return instruction
    to = moves[named.memory].of(named.first)
    return replace(instruction, **{named.field: to})  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Piece:
    """Items that stand together: the first, the one behind the last, and what is equal for equal items.

    Those that the program writes have no content.
    """

    first: int
    last: int
    content: object | None


def _pieces(program: Program, memory: Memory) -> list[_Piece]:
    """What instructions use of the items that are loaded once; what overlaps is one piece."""
    origin, items = program.once(memory)
    end, used = origin + len(items), set[tuple[int, int, bool]]()
    for instruction in program.instructions:
        named = named_items(program.machine, instruction)
        if named is not None and named.memory is memory and origin <= named.first < end:
            used.add((named.first, min(named.first + named.count, end), named.writes))
    found: list[_Piece] = []
    for first, last, writes in sorted(used):
        before = found.pop() if found and first < found[-1].last else _Piece(first, last, b"")
        constant = before.content is not None and not writes
        last = max(last, before.last)
        content = _content(items[before.first - origin : last - origin]) if constant else None
        found.append(_Piece(before.first, last, content))
    return found


def _content(items: np.ndarray) -> object:
    return repr(items.tolist()) if items.dtype == object else items.tobytes()


def together(programs: Sequence[Program]) -> list[Program]:
    """Programs one behind the other in the memories of one machine, so that all of them are loaded at once.

    Raises
    ------
    UserError
        If they are for different machines, or do not fit.
    """
    machine = programs[0].machine
    placed: list[Program] = []
    for program in programs:
        if program.machine.digest != machine.digest:
            raise UserError(
                f"programs for the array {machine.name} were expected, but one is for "
                f"{program.machine.name}; compile all for one array"
            )
        placed.append(behind(program, placed).program)
    for memory, used in zip(LOADED, placed[-1].ends):
        if used > machine.items(memory):
            raise UserError(
                f"at most {machine.items(memory)} items of {memory.name.lower()} were expected by the array "
                f"{machine.name}, but {used} are needed; load fewer programs at a time, or take an array "
                "with larger memories"
            )
    return placed
