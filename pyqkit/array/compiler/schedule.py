"""From plans to instructions: blocks in two banks, weights resident or streamed, tables as needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pyqkit.array.compiler.blocks import Block, Blocks, Box, operands
from pyqkit.array.compiler.held import NEVER, Held
from pyqkit.array.compiler.memory import Pool
from pyqkit.array.compiler.plan import Group, Plan, Tile
from pyqkit.array.isa import OPERANDS, End, Fill, Instruction, Load, Post, Run, Store, Table, Unit
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.tensors import Layout
from pyqkit.array.timing import cycles
from pyqkit.array.touches import touched

BESIDE = -1
_OF_POST = ((Table.BOUNDARIES, 0), (Table.CODES, 0))


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
        self._blocks = Blocks(machine, self._runs_of)
        self._pass = -1
        self.begin({}, {})

    def begin(self, layouts: dict[str, Layout], addresses: dict[str, int]) -> None:
        """A new segment, whose tensors lie so."""
        self._layouts, self._addresses = layouts, addresses
        self.loaded: list[np.ndarray] = []
        self._filled: dict[Table, int] = {}  # tables of the post-processor
        self._held = {table: Held(self._machine.operand_tables) for table in OPERANDS}
        self._filling = set[tuple[Table, int]]()  # tables that nobody has waited for yet
        self._half = 0
        self._bank = 0  # of the next block
        self._behind: Instruction | None = None  # what the post-processor works on, at most
        # Where the next weights can be loaded: their half is free, and the other one in use.
        self._ahead = len(self.instructions)
        # From where on tables of codes can be filled: beside the products of the pass before.
        self._early = len(self.instructions)

    # ---- frames --------------------------------------------------------------------------------------------

    def load(self, name: str) -> None:
        """An input from the stream."""
        address, count = self._addresses[name], self._layouts[name].words
        self._behind = Load(memory=Memory.ACTIVATIONS, address=address, count=count)
        self._add(self._behind, BESIDE)
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

    def _insert(self, at: int, instruction: Instruction) -> None:
        """Beside what stands before it."""
        section = self.sections[at - 1] if at and not isinstance(self.instructions[at - 1], End) else BESIDE
        self.instructions.insert(at, instruction)
        self.sections.insert(at, section)
        self._ahead += self._ahead >= at
        self._early += self._early >= at
        for held in self._held.values():
            held.moved(at)

    # ---- passes --------------------------------------------------------------------------------------------

    def run(self, plan: Plan, final: bool) -> list[tuple[Tile, Block]]:
        """A pass, the last one of a segment or not; gives its tiles of channels and blocks in their order."""
        self._pass += 1
        steps = [(tile, block) for tile in plan.tiles for block in self._blocks_of(plan, tile, final)]
        behind: Post | None = None
        for index, (tile, block) in enumerate(steps):
            new = not index or tile is not steps[index - 1][0]
            self._runs(plan, tile, block, new, behind)
            if behind is None:
                self._fill(Table.BOUNDARIES, plan.boundaries)  # while the first block is multiplied
                self._fill(Table.CODES, plan.codes)
                self._early = len(self.instructions)
            behind = self._post(plan, tile, block, self._bank)
            self._bank = 1 - self._bank
        assert behind is not None  # a pass has results
        self._behind = replace(behind, wait=Unit.COMPUTE | self._fills(*_OF_POST))
        self._add(self._behind)
        return steps

    def _blocks_of(self, plan: Plan, tile: Tile, final: bool) -> list[Block]:
        """Blocks of a tile, of which the first one starts beside what the post-processor does."""
        first = self._behind if tile is plan.tiles[0] else None
        busy = 0 if first is None else cycles(self._machine, first)

        def meets(run: Run) -> bool:
            return self._meets(replace(run, bank=self._bank))

        return self._blocks.of(plan, tile, busy, meets, final)

    def _runs(self, plan: Plan, tile: Tile, block: Block, new: bool, behind: Post | None) -> None:
        """Sums of a block, which start once the bank and the tensors are there.

        Once a run has started, the block before is complete, and its results can be taken. Of a pass's first
        block only those runs wait that meet what the post-processor still does for the pass before.
        """
        free, started = behind is None, set[int]()  # free to start beside the post-processor
        portions = self._portions(tile)
        for portion in portions:
            places, loads = self._places(portion, new or len(portions) > 1)
            for box, address in zip(portion, places):
                for run in self._runs_of(plan, box, address, block):
                    keep = int(run.accumulator in started and not run.spread)
                    run = self._with_tables(replace(run, bank=self._bank, keep=keep), box.group)
                    waits = not started if not free else self._meets(run)
                    self._add(replace(run, wait=run.wait | loads | (Unit.POST if waits else 0)))
                    if free and waits:
                        self._behind = None
                    if loads:
                        self._ahead = len(self.instructions)
                    if behind is not None and not started:
                        self._add(replace(behind, wait=self._fills(*_OF_POST)))
                    loads = 0
                    started.add(run.accumulator)

    def _meets(self, run: Run) -> bool:
        """Whether a run needs what the post-processor may still work on."""
        if self._behind is None:
            return False
        touches = [list(touched(self._machine, one)) for one in (run, self._behind)]
        return any(mine.meets(other) for mine in touches[0] for other in touches[1])

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
            self._insert(self._ahead, load)
            self.loaded.append(items)
        places = self._half * half + np.cumsum([0, *sizes[:-1]])
        return places.tolist(), int(Unit.LOAD) if first else 0

    def _runs_of(self, plan: Plan, box: Box, address: int, block: Block) -> Iterator[Run]:
        """Runs of a box of weights, without the bank and whether they add to what is there."""
        pair, positions = box.group.pair, block.rows * block.columns
        if not plan.work.maximum:
            pieces = [(box, address, box.group.term * positions, 0)]
        elif len(pair.parts) == 1 and box.group.same and len(plan.work.sums.terms[0].parts) == 1:
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
        if work.gathered:
            post = replace(post, pitch=1, columns=1, terms=block.columns)
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

    def _with_tables(self, run: Run, group: Group) -> Run:
        """A run that takes the tables of its codes, and waits for them if need be; the next that is added."""
        chosen = [self._choice(*each) for each in zip(OPERANDS, operands(group))]
        for table, choice in zip(OPERANDS, chosen):
            self._held[table].use(choice, len(self.instructions))
        waits = self._fills(*zip(OPERANDS, chosen))
        return replace(run, activation_table=chosen[0], weight_table=chosen[1], wait=waits)

    def _choice(self, table: Table, items: np.ndarray) -> int:
        """Where a table of codes is; it is filled as early as the place is free."""
        held = self._held[table]
        if not len(items):
            return held.latest
        address = self.tables.address(items)
        found = held.choice(address)
        if found is not None:
            return found
        choice, used = held.replaced(address)
        at, wait = self._free_from(used)
        self._insert(at, Fill(table=table, choice=choice, address=address, count=len(items), wait=wait))
        self._filling.add((table, choice))
        return choice

    def _free_from(self, used: int) -> tuple[int, int]:
        """Where a table can be filled that was last used by an instruction, and what that waits for."""
        if used == NEVER:
            return self._early, 0
        later = range(used + 1, len(self.instructions))
        behind = next((i for i in later if isinstance(self.instructions[i], Run)), None)
        if behind is None:
            return len(self.instructions), int(Unit.COMPUTE)
        return max(self._early, behind + 1), 0

    def _fill(self, table: Table, items: np.ndarray) -> None:
        """A table of the post-processor."""
        if not len(items):
            return
        address = self.tables.address(items)
        if self._filled.get(table) == address:
            return
        self._filled[table] = address
        self._filling.add((table, 0))
        self._add(Fill(table=table, address=address, count=len(items), wait=int(Unit.POST)))

    def _fills(self, *tables: tuple[Table, int]) -> int:
        """What has to be waited for before tables are used."""
        if not self._filling & set(tables):
            return 0
        self._filling.clear()
        return int(Unit.FILL)


def _tap_number(box: Box) -> int:
    return box.taps_y[0] * box.group.part.window.kernel[1] + box.taps_x[0]
