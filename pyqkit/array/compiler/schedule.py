"""From plans to instructions: blocks in two banks, weights resident or streamed, tables as needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.array.compiler.memory import Pool
from pyqkit.array.compiler.plan import Group, Plan, Tile
from pyqkit.array.isa import End, Fill, Instruction, Load, Post, Run, Store, Table, Unit
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.tensors import Layout
from pyqkit.array.timing import cycles
from pyqkit.errors import UserError

BESIDE = -1


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
        """Items of the weight memory, (items, columns)."""
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


class Scheduler:
    """Instructions of a program, segment by segment.

    Parameters
    ----------
    machine : Machine
    streamed : bool
        Load weights for every frame, into two halves of their memory in turn.

    Attributes
    ----------
    instructions : list of Instruction
    sections : list of int
        For each instruction the pass that it belongs to, `BESIDE` where it belongs to none.
    tables, parameters, weights : Pool
        Of the weights those that are resident.
    loaded : list of numpy.ndarray
        What the LOADs of weights of this segment take, in order.
    """

    def __init__(self, machine: Machine, streamed: bool) -> None:
        self._machine, self._streamed = machine, streamed
        self.instructions: list[Instruction] = []
        self.sections: list[int] = []
        self.tables, self.parameters, self.weights = Pool(), Pool(), Pool()
        self._pass = -1
        self.begin({}, {})

    def begin(self, layouts: dict[str, Layout], addresses: dict[str, int]) -> None:
        """A new segment, whose tensors lie so."""
        self._layouts, self._addresses = layouts, addresses
        self.loaded: list[np.ndarray] = []
        self._filled: dict[Table, int] = {}
        self._half = 0
        # Where the next weights can be loaded: their half is free, and the other one in use.
        self._ahead = len(self.instructions)

    # ---- frames --------------------------------------------------------------------------------------------

    def load(self, name: str) -> None:
        """An input from the stream."""
        address, count = self._addresses[name], self._layouts[name].words
        self._add(Load(memory=Memory.ACTIVATIONS, address=address, count=count), BESIDE)
        self._ahead = len(self.instructions)

    def store(self, name: str) -> None:
        """A result to the stream."""
        count = self._layouts[name].words
        self._add(Store(address=self._addresses[name], count=count, wait=int(Unit.POST)), BESIDE)

    def end(self) -> None:
        """The end of a segment; what was sent last is the last of the transfer."""
        for index in reversed(range(len(self.instructions))):
            instruction = self.instructions[index]
            if isinstance(instruction, Store) or (isinstance(instruction, Post) and instruction.raw):
                self.instructions[index] = replace(instruction, last=1)
                break
        self._add(End(), BESIDE)

    def _add(self, instruction: Instruction, section: int | None = None) -> None:
        self.instructions.append(instruction)
        self.sections.append(self._pass if section is None else section)

    # ---- passes --------------------------------------------------------------------------------------------

    def run(self, plan: Plan) -> list[tuple[Tile, Block]]:
        """A pass; gives the tiles of channels and blocks of positions in their order."""
        self._pass += 1
        blocks = self.blocks(plan)
        steps = [(tile, block) for tile in plan.tiles for block in blocks]
        behind: Post | None = None
        for index, (tile, block) in enumerate(steps):
            self._runs(plan, tile, block, index % 2, block is blocks[0], behind)
            if behind is None:
                self._fill(Table.BOUNDARIES, plan.boundaries, 0)  # while the first block is multiplied
                self._fill(Table.CODES, plan.codes, 0)
            behind = self._post(plan, tile, block, index % 2)
        assert behind is not None  # a pass has results
        self._add(replace(behind, wait=int(Unit.COMPUTE)))
        return steps

    def _runs(
        self, plan: Plan, tile: Tile, block: Block, bank: int, first: bool, behind: Post | None
    ) -> None:
        """Sums of a block; the first instruction waits until the bank and the tensors are there.

        Once a run has started, the block before is complete, and its results can be taken.
        """
        wait, started = int(Unit.POST), set[int]()
        portions = self._portions(tile)
        for portion in portions:
            places, loads = self._places(portion, first or len(portions) > 1)
            for box, address in zip(portion, places):
                wait = self._fill_operands(box.group, wait)
                for run in self._runs_of(plan, box, address, block):
                    keep = int(run.accumulator in started and not run.spread)
                    self._add(replace(run, bank=bank, keep=keep, wait=wait | loads))
                    if loads:
                        self._ahead = len(self.instructions)
                    if behind is not None and not started:
                        self._add(behind)
                    wait, loads = 0, 0
                    started.add(run.accumulator)

    def _portions(self, tile: Tile) -> list[list[Box]]:
        """Weights of a tile in portions that are in the memory together."""
        boxes = [Box.of(group) for group in tile.groups]
        rows = self._machine.rows
        half = self._machine.weight_words // 2 // rows
        if not self._streamed or sum(len(box.items) for box in boxes) <= half * rows:
            return [boxes]
        return [[part] for box in boxes for part in box.within(half)]

    def _places(self, portion: list[Box], first: bool) -> tuple[list[int], int]:
        """Addresses of the weights of boxes, and what has to be waited for; loads them if need be."""
        if not self._streamed:
            return [self.weights.address(box.items) for box in portion], 0
        sizes = [len(box.items) for box in portion]
        half = self._machine.weight_words // 2
        if first:
            self._half = 1 - self._half
            items = np.concatenate([box.items for box in portion])
            load = Load(
                memory=Memory.WEIGHTS,
                address=self._half * half,
                count=len(items),
                wait=0 if self.loaded else int(Unit.POST),  # one LOAD at a time: the frame's is the first
            )
            self.instructions.insert(self._ahead, load)
            self.sections.insert(self._ahead, self.sections[self._ahead - 1])
            self.loaded.append(items)
        places = self._half * half + np.cumsum([0, *sizes[:-1]])
        return places.tolist(), int(Unit.LOAD) if first else 0

    def _runs_of(self, plan: Plan, box: Box, address: int, block: Block) -> Iterator[Run]:
        """Runs of a box of weights, without the bank and whether they add to what is there."""
        pair, positions = box.group.pair, block.rows * block.columns
        if not plan.work.maximum:
            pieces = [(box, address, box.group.term * positions, 0)]
        elif len(pair.parts) == 1 and box.group.same | (box.group.part.window.positions == 1):
            pieces = [(box, address, 0, 1)]
        else:
            step = 0 if box.group.same else self._machine.rows * box.words[1]
            pieces = [
                (tap, address + i * step, positions * _tap_number(tap), 0) for i, tap in enumerate(box.taps())
            ]
        for piece, place, accumulator, spread in pieces:
            run = replace(self._run(piece, block), mode=pair.mode, weights=place, spread=spread)
            for weight_high, activation_high in pair.parts:
                yield replace(
                    run, accumulator=accumulator, weight_high=weight_high, activation_high=activation_high
                )

    def _run(self, box: Box, block: Block) -> Run:
        """Where a run reads activations."""
        part, window = box.group.part, box.group.part.window
        layout = self._layouts[part.pixels.tensor]
        words = layout.pixel_words
        down, across = (pitch * words for pitch in part.pixels.pitch)
        row = block.top * window.stride[0] - window.padding[0] + box.taps_y[0] * window.dilation[0]
        column = block.left * window.stride[1] - window.padding[1] + box.taps_x[0] * window.dilation[1]
        base = self._addresses[part.pixels.tensor] + part.pixels.start * words + row * down + column * across
        steps = {
            "base": base + box.group.first + box.words[0],
            "step_row": window.stride[0] * down,
            "step_column": window.stride[1] * across,
            "step_tap_y": window.dilation[0] * down,
            "step_tap_x": window.dilation[1] * across,
        }
        return Run(
            mode=0,
            weights=0,
            same=int(box.group.same and box.taps_y[1] * box.taps_x[1] > 1),
            pad=part.pad,
            **{name: value % self._addresses_range for name, value in steps.items()},
            step_word=1,
            row=row,
            column=column,
            height=part.size[0],
            width=part.size[1],
            rows=block.rows,
            columns=block.columns,
            taps_y=box.taps_y[1],
            taps_x=box.taps_x[1],
            words=box.words[1],
            stride_y=window.stride[0],
            stride_x=window.stride[1],
            dilation_y=window.dilation[0],
            dilation_x=window.dilation[1],
        )

    @property
    def _addresses_range(self) -> int:
        """Activation addresses are computed modulo this."""
        return 1 << max(1, (self._machine.activation_words - 1).bit_length())

    def _post(self, plan: Plan, tile: Tile, block: Block, bank: int) -> Post:
        work, positions = plan.work, block.rows * block.columns
        layout = self._layouts.get(work.output)
        terms = work.sums.terms[0].parts[0].window.positions if work.maximum else len(work.sums.terms)
        post = Post(
            mode=plan.mode,
            bank=bank,
            pitch=positions if terms > 1 else 0,
            rows=block.rows,
            columns=block.columns,
            lanes=tile.lanes,
            terms=terms,
            maximum=int(work.maximum),
            raw=int(work.codes is None),
            parameters=self.parameters.address(tile.parameters),
            stages=plan.stages,
            channels=tile.channels,
        )
        if layout is None or work.codes is None:
            return post
        words, width = layout.pixel_words, layout.shape[1]
        plane, slot = divmod(tile.first, layout.rows)
        pixel = (work.origin[0] + block.top) * width + work.origin[1] + block.left
        return replace(
            post,
            base=self._addresses[work.output] + pixel * words + plane // layout.planes,
            step_row=width * words,
            step_column=words,
            slot=slot,
            plane=plane % layout.planes,
            planes=layout.planes,
            code_bits=layout.code_bits,
        )

    # ---- tables --------------------------------------------------------------------------------------------

    def _fill_operands(self, group: Group, wait: int) -> int:
        """Tables of codes; gives what is still to be waited for."""
        for table, items in zip(_OPERANDS, _operands(group)):
            wait = self._fill(table, items, wait)
        return wait

    def _fill(self, table: Table, items: np.ndarray, wait: int) -> int:
        if not len(items):
            return wait
        address = self.tables.address(items)
        if self._filled.get(table) == address:
            return wait
        self._filled[table] = address
        self._add(Fill(table=table, address=address, count=len(items), wait=wait))
        return 0

    # ---- blocks --------------------------------------------------------------------------------------------

    def blocks(self, plan: Plan) -> list[Block]:
        """Blocks of positions that take the fewest cycles, out of full rows or parts of one."""
        height, width = plan.work.sums.size
        window = plan.work.sums.terms[0].parts[0].window
        each = window.positions if plan.work.maximum else len(plan.work.sums.terms)
        most = self._machine.accumulators // each
        if not most:
            raise UserError(
                f"at most {self._machine.accumulators} sums of a result were expected by the array "
                f"{self._machine.name}, but {plan.work.layers[-1]} has {each}; use a smaller window"
            )
        columns = min(width, most)
        sizes = [Block(0, 0, rows, columns) for rows in range(1, min(height, most // columns) + 1)]
        best = min(sizes, key=lambda block: (self._cost(plan, block), -block.rows))
        return [
            Block(top, left, min(best.rows, height - top), min(columns, width - left))
            for top in range(0, height, best.rows)
            for left in range(0, width, columns)
        ]

    def _cost(self, plan: Plan, block: Block) -> int:
        """Cycles of a pass in blocks of this size, the longer of both units each, and the last results."""
        height, width = plan.work.sums.size
        count = -(-height // block.rows) * -(-width // block.columns)
        tile = plan.tiles[0]
        runs = [run for box in map(Box.of, tile.groups) for run in self._runs_of(plan, box, 0, block)]
        making = sum(cycles(self._machine, run) for run in runs) + self._filling(tile)
        post = Post(
            mode=0,
            parameters=0,
            channels=tile.channels,
            lanes=tile.lanes,
            rows=block.rows,
            columns=block.columns,
            terms=len(plan.work.sums.terms),
        )
        taking = cycles(self._machine, post)
        return count * len(plan.tiles) * max(making, taking) + min(making, taking)

    def _filling(self, tile: Tile) -> int:
        """Cycles of the tables of codes that change within a block, from its last group to its first."""
        fills = [
            Fill(table=table, address=0, count=len(now))
            for group, before in zip(tile.groups, (tile.groups[-1], *tile.groups))
            for table, now, last in zip(_OPERANDS, _operands(group), _operands(before))
            if len(now) and not np.array_equal(now, last)
        ]
        return sum(cycles(self._machine, fill) for fill in fills)


_OPERANDS = (Table.ACTIVATIONS, Table.WEIGHTS)


def _operands(group: Group) -> tuple[np.ndarray, np.ndarray]:
    """Items of the tables of codes that a group needs."""
    return group.pair.activation_table, group.pair.weight_table


def _tap_number(box: Box) -> int:
    return box.taps_y[0] * box.group.part.window.kernel[1] + box.taps_x[0]
