"""Blocks of positions that are made together: results of one are taken while the next one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from pyqkit.array.compiler.plan import Group, Plan, Tile
from pyqkit.array.isa import Fill, Post, Run, Table
from pyqkit.array.machine import Machine
from pyqkit.array.timing import cycles, depths
from pyqkit.errors import UserError


@dataclass(frozen=True)
class Block:
    """Positions that are made together: their first row and column, and how many."""

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class Box:
    """Tiles of weights that one run multiplies: those of some taps and words of a group.

    Attributes
    ----------
    group : Group
    taps_y, taps_x, words : (int, int)
        The first, and how many.
    """

    group: Group
    taps_y: tuple[int, int]
    taps_x: tuple[int, int]
    words: tuple[int, int]

    @classmethod
    def of(cls, group: Group) -> Box:
        """All of a group."""
        height, width = group.part.window.kernel
        return cls(group, (0, height), (0, width), (0, group.words))

    @property
    def items(self) -> np.ndarray:
        """Items of the weight memory, (items, bytes)."""
        tiles = self.group.tiles
        if not self.group.same:
            for axis, (first, count) in enumerate((self.taps_y, self.taps_x, self.words)):
                tiles = tiles.take(range(first, first + count), axis)
        return tiles.reshape(-1, tiles.shape[-1])

    def taps(self) -> Iterator[Box]:
        """Each tap by itself."""
        for y in range(*_ends(self.taps_y)):
            for x in range(*_ends(self.taps_x)):
                yield replace(self, taps_y=(y, 1), taps_x=(x, 1))

    def within(self, most: int) -> Iterator[Box]:
        """Boxes of at most so many tiles, in order."""
        if self.group.same or self.taps_y[1] * self.taps_x[1] * self.words[1] <= most:
            yield self
            return
        for tap in self.taps():
            for first in range(0, self.words[1], most):
                yield replace(tap, words=(first, min(most, self.words[1] - first)))


def _ends(span: tuple[int, int]) -> tuple[int, int]:
    return span[0], span[0] + span[1]


def operands(group: Group) -> tuple[np.ndarray, np.ndarray]:
    """Items of the tables of codes that a group needs."""
    return group.pair.activation_table, group.pair.weight_table


def _terms(plan: Plan) -> int:
    """Sums of each result."""
    terms = plan.work.sums.terms
    return terms[0].parts[0].window.positions if plan.work.maximum else len(terms)


class Blocks:
    """Blocks of passes.

    Parameters
    ----------
    machine : Machine
    runs : callable
        Runs of a box for a block, as `Scheduler` makes them.
    """

    def __init__(self, machine: Machine, runs: Callable[[Plan, Box, int, Block], Iterator[Run]]) -> None:
        self._machine, self._runs = machine, runs

    def of(self, plan: Plan, tile: Tile, busy: int, meets: Callable[[Run], bool], final: bool) -> list[Block]:
        """Blocks of a tile of channels, of full rows or parts of one, in their order.

        A block is taken while the next one is made, so each may be as large as that allows: the last one is
        small, and those before it grow. Of all sizes of the last one, and of two blocks of any size, the
        fastest are kept. Passes overlap: a first block that does not need the last results of the pass
        before starts beside them.

        Parameters
        ----------
        busy : int
            Cycles that the post-processor still works for the pass before.
        meets : callable
            Whether a run needs what it works on.
        final : bool
            Nothing comes behind the pass that could start beside its last results.

        Raises
        ------
        UserError
            If the accumulators do not hold a position.
        """
        height, width = plan.work.sums.size
        each = (
            plan.work.sums.terms[0].parts[0].window.positions
            if plan.work.maximum
            else len(plan.work.sums.terms)
        )
        most = self._machine.accumulators // each
        if not most:
            raise UserError(
                f"at most {self._machine.accumulators} sums of a result were expected by the array "
                f"{self._machine.name}, but {plan.work.layers[-1]} has {each}; use a smaller window"
            )
        columns = min(width, most)
        rows = min(height, most // columns)
        time = _Times(self, plan, tile, columns, rows)
        tried = [time.rows(height, end) for end in range(1, rows + 1)]
        tried += [
            [first, height - first] for first in range(max(1, height - rows), min(rows, height - 1) + 1)
        ]

        def cost(sizes: list[int]) -> tuple[int, int]:
            own, waits = time.of(sizes), 0
            if busy:
                runs = self._of(plan, tile, Block(0, 0, sizes[0], columns))
                beside = 0 if any(map(meets, runs)) else time.making(sizes[0])
                waits = max(0, busy + self.tables(plan) * (beside > 0) - beside)
            return own + waits + (time.behind(sizes, final) if tile is plan.tiles[-1] else 0), len(sizes)

        best = min(tried, key=cost)
        tops = np.cumsum([0, *best[:-1]]).tolist()
        return [
            Block(top, left, count, min(columns, width - left))
            for top, count in zip(tops, best)
            for left in range(0, width, columns)
        ]

    def _of(self, plan: Plan, tile: Tile, block: Block) -> list[Run]:
        """Runs of a block."""
        return [run for box in map(Box.of, tile.groups) for run in self._runs(plan, box, 0, block)]

    def making(self, plan: Plan, tile: Tile, block: Block) -> int:
        """Cycles of a block's products."""
        runs = self._of(plan, tile, block)
        depth = depths(self._machine).issue
        return sum(cycles(self._machine, run) + depth for run in runs)

    def taking(self, plan: Plan, tile: Tile, block: Block) -> int:
        """Cycles of a block's results."""
        post = Post(
            mode=0,
            parameters=0,
            channels=tile.channels,
            lanes=tile.lanes,
            rows=block.rows,
            columns=block.columns,
            terms=_terms(plan),
            raw=int(plan.work.codes is None),
        )
        return cycles(self._machine, post)

    def tables(self, plan: Plan) -> int:
        """Cycles of the post-processor's tables."""
        given = ((Table.BOUNDARIES, plan.boundaries), (Table.CODES, plan.codes))
        fills = [Fill(table=table, address=0, count=len(items)) for table, items in given if len(items)]
        return sum(cycles(self._machine, fill) for fill in fills)


class _Times:
    """Cycles of blocks of full rows, or of parts of one row, of a tile of channels."""

    def __init__(self, blocks: Blocks, plan: Plan, tile: Tile, columns: int, most: int) -> None:
        self._most = most
        self._tables = blocks.tables(plan)
        self._height = plan.work.sums.size[0]
        self._halo = plan.work.sums.terms[0].parts[0].window.kernel[0] - 1
        parts = -(-plan.work.sums.size[1] // columns)

        @cache
        def times(rows: int) -> tuple[int, int]:
            block = Block(0, 0, rows, columns)
            return parts * blocks.making(plan, tile, block), parts * blocks.taking(plan, tile, block)

        self._times = times

    def rows(self, height: int, last: int) -> list[int]:
        """Rows of each block, the last one's given: the others as large as can be taken behind the next."""
        found = [min(last, height)]
        left = height - found[0]
        while left:
            room = self._times(found[0])[0]
            fitting = [rows for rows in range(found[0], self._most + 1) if self._times(rows)[1] <= room]
            size = min(max(fitting, default=found[0]), left)
            found.insert(0, size)
            left -= size
        if len(found) > 1:  # the first one is what was left over
            both = found[0] + found[1]
            found[:2] = both // 2, both - both // 2
        return found

    def making(self, rows: int) -> int:
        """Cycles of the products of a block of so many rows."""
        return self._times(rows)[0]

    def of(self, sizes: list[int]) -> int:
        """Cycles until the last block is made."""
        making, taking = zip(*map(self._times, sizes))
        return making[0] + sum(max(now, before) for now, before in zip(making[1:], taking))

    def behind(self, sizes: list[int], final: bool) -> int:
        """Cycles that the next pass, a little smaller, or the end waits for the results of the last block.

        It does not wait if its first block, with the rows that its window needs, lies above the last one.
        """
        above = not final and sizes[0] + self._halo + sizes[-1] <= self._height
        hidden = self.making(sizes[0]) * 3 // 4 if above else 0
        return max(0, self._times(sizes[-1])[1] + self._tables - hidden)
