"""Programs that no compiler wrote: every field of every instruction, drawn at random within its bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.array.execute import item_bits, item_bytes, item_words
from pyqkit.array.families import of
from pyqkit.array.isa import (
    ALL_UNITS,
    OPERANDS,
    Copy,
    End,
    Fill,
    Instruction,
    Load,
    Post,
    Repeat,
    Run,
    Store,
    Table,
    encode,
)
from pyqkit.array.machine import SLOT_BITS, Machine, Memory
from pyqkit.array.program import in_words
from pyqkit.array.waits import contended
from pyqkit.formats import parse
from tests.array.blocks_of_weights import random_items

WEIGHTS, ACTIVATIONS, PARAMETERS = 400, 200, 40  # items that programs need of these memories
PAIRS = {
    "lp": [("lp8_1_3", "lp8_1_3"), ("lp8_0_7", "lp4_0_3"), ("lp8_1_3", "lp2_0_1"), ("lp8_2_2", "lp4_1_3")],
    "integer": [("int4", "int4"), ("uint2", "odd2"), ("int4", "int2"), ("uint2", "int4"), ("uint8", "int8")],
    "microscopiq": [("int8", "msq4"), ("int8", "msq2")],
}


class Drawn:
    """Bytes for a machine, and what it needs to know of them.

    Memories are loaded with random content; the program runs twice. `pairs` are formats of activations and of
    weights, those of the family by default.
    """

    def __init__(
        self, machine: Machine, seed: int, rounds: int = 3, pairs: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.machine, self.random = machine, np.random.default_rng(seed)
        pairs = pairs or PAIRS[machine.family]
        names = pairs[seed % len(pairs)]
        self.pair = of(machine).pair(machine, *map(parse, names))
        self.program: list[Instruction] = []
        self.runs: dict[int, Run] = {}  # the last one of each bank
        self.tables: list[np.ndarray] = []
        self.weights = np.zeros((0, 0), np.uint8)  # items, once its content was made
        self._fill(Table.BOUNDARIES)
        self._fill(Table.CODES)
        for choice in range(machine.operand_tables):
            self._fill(Table.ACTIVATIONS, choice)
            self._fill(Table.WEIGHTS, choice)
        for _ in range(rounds):
            self._round()
        self.program += [
            Store(wait=ALL_UNITS, address=self._below(50), count=self._between(1, 90)),
            self._post(0, raw=True, wait=ALL_UNITS, last=1),
            End(),
        ]

    def _below(self, most: int) -> int:
        return int(self.random.integers(most))

    def _between(self, least: int, most: int) -> int:
        return int(self.random.integers(least, most + 1))

    def _fill(self, table: Table, choice: int = 0) -> None:
        if table in OPERANDS:
            both = self.pair.activation_table, self.pair.weight_table
            items = both[table]
            if len(items):  # each choice gives codes other numbers of the format
                entries = items.view(np.uint16 if self.machine.family == "lp" else np.uint8)
                items = self.random.permutation(entries).view(np.uint64)
        elif table == Table.BOUNDARIES:
            most = self.machine.offset_bits - 2
            magnitudes = np.exp2(self.random.uniform(0, most, 255)) * self.random.choice([-1, 1], 255)
            items = np.sort(magnitudes.astype(np.int64)).view(np.uint64)
        else:
            items = self.random.integers(0, 2**63, 32).astype(np.uint64)
        if len(items):
            address = sum(map(len, self.tables))
            self.tables.append(items)
            self.program.append(
                Fill(wait=ALL_UNITS, table=table, choice=choice, address=address, count=len(items))
            )

    def _round(self) -> None:
        """Two runs, the first one's sums going on while the second works; then the second one's."""
        banks = self.random.permutation(2)
        self.program.append(self._run(int(banks[0]), ALL_UNITS))
        self.program.append(self._run(int(banks[1]), 0))
        self.program.append(self._post(int(banks[0])))
        if item_bits(self.machine, Memory.WEIGHTS) == self.machine.columns * SLOT_BITS:
            self.program.append(self._copy())
        self.program.append(self._post(int(banks[1]), wait=ALL_UNITS, raw=bool(self._below(2))))

    def _copy(self) -> Copy:
        """Weights out of words that no code is written to meanwhile."""
        address, count, step = self._below(30), self._between(1, 30), self._between(0, 2)
        return Copy(address=address, count=count, step=step, weights=self._below(WEIGHTS - count))

    def _run(self, bank: int, wait: int) -> Run:
        """Of words in the lower half of the activations, so that codes can be written to the upper one."""
        draw, half = self._between, ACTIVATIONS // 2
        rows, columns = draw(1, 4), draw(1, 5)
        taps_y, taps_x, words = draw(1, 3), draw(1, 3), draw(1, 2)
        spread = self._below(4) == 0 and rows * columns * taps_y * taps_x * words <= self.machine.accumulators
        high = self.pair.parts[self._below(len(self.pair.parts))]
        last = (rows - 1) * 6 + columns - 1 + (taps_y - 1) * 6 + taps_x - 1 + (words - 1) * 30
        self.runs[bank] = Run(
            wait=wait,
            mode=self.pair.mode,
            activation_table=self._below(self.machine.operand_tables),
            weight_table=self._below(self.machine.operand_tables),
            weights=self._below(WEIGHTS - 18 * self.machine.rows),
            same=int(self._below(4) == 0),
            bank=bank,
            accumulator=self._below(self.machine.accumulators - rows * columns * (18 if spread else 1) + 1)
            if not spread or rows * columns * 18 <= self.machine.accumulators
            else 0,
            keep=self._below(2),
            spread=int(spread),
            weight_high=high[0],
            activation_high=high[1],
            pad=self._below(256),
            base=draw(0, half - last - 1),
            step_row=6,
            step_column=1,
            step_tap_y=6,
            step_tap_x=1,
            step_word=30,
            row=draw(-2, 2),
            column=draw(-2, 2),
            height=draw(1, 6),
            width=draw(1, 7),
            rows=rows,
            columns=columns,
            taps_y=taps_y,
            taps_x=taps_x,
            words=words,
            stride_y=draw(0, 2),
            stride_x=draw(0, 2),
            dilation_y=draw(0, 2),
            dilation_x=draw(0, 2),
        )
        return self.runs[bank]

    def _post(self, bank: int, wait: int = 0, raw: bool = False, last: int = 0) -> Post:
        machine, draw = self.machine, self._between
        mode = machine.modes[self.pair.mode]
        lanes = draw(1, of(machine).lanes(mode))
        run = self.runs[bank]  # of whose sums it takes some, and others behind them
        rows, columns, terms = run.rows, run.columns, draw(1, 3)
        room = machine.accumulators - run.accumulator - run.positions
        kept = draw((lanes - 1) * machine.columns + 1, lanes * machine.columns)
        planes = int(self.random.choice([1, 2, 4])) if of(machine).parts > 1 else 1
        words = 2 + lanes  # of a position, at most
        return Post(
            wait=wait,
            last=last,
            mode=self.pair.mode,
            bank=bank,
            accumulator=run.accumulator,
            pitch=draw(0, min(16, room // 2)),
            rows=rows,
            columns=columns,
            lanes=lanes,
            terms=terms,
            maximum=0 if raw else self._below(2),
            raw=int(raw),
            parameters=draw(0, PARAMETERS - lanes * terms),
            stages=draw(0, 8),
            base=ACTIVATIONS // 2 + draw(0, 10),
            step_row=words * columns,
            step_column=words,
            slot=self._below(machine.rows),
            plane=self._below(planes),
            planes=planes,
            code_bits=8 // planes,
            channels=kept,
        )

    def content(self, repetitions: int = 2) -> bytes:
        """All of it: memories, then the program so many times."""
        machine = self.machine
        tables = in_words(machine, np.concatenate(self.tables).view(np.uint8).reshape(-1, 8))
        program = b"".join(encode(machine, instruction) for instruction in self.program)
        sent = self._load(Memory.PROGRAM, np.frombuffer(program, np.uint8).reshape(len(self.program), -1))
        sent += self._load(Memory.TABLES, tables)
        for memory, count in (
            (Memory.PARAMETERS, PARAMETERS),
            (Memory.WEIGHTS, WEIGHTS),
            (Memory.ACTIVATIONS, ACTIVATIONS),
        ):
            items = self._items(memory, count)
            self.weights = items if memory is Memory.WEIGHTS else self.weights
            sent += self._load(memory, items)
        return sent + encode(machine, Repeat(first=0, count=repetitions))

    def _items(self, memory: Memory, count: int) -> np.ndarray:
        """Random items as they come over the stream: (count, bytes)."""
        machine, size = self.machine, item_words(self.machine, memory) * self.machine.stream_bits
        mode = machine.modes[self.pair.mode]
        bits = self.random.integers(0, 2, (count, size), np.uint8)
        bits[:, item_bits(machine, memory) :] = 0
        if memory is Memory.WEIGHTS and machine.family == "microscopiq":
            bits[:, : item_bits(machine, memory)] = random_items(
                machine.columns, mode.weight_bits, count, self.random, machine.merge != "load"
            )
        return np.packbits(bits, axis=1, bitorder="little")

    @property
    def waits(self) -> list[int]:
        """Cycles that each instruction takes longer as rows wait for networks."""
        machine, found = self.machine, [0] * len(self.program)
        if machine.merge == "butterfly":
            size = item_bytes(machine, Memory.WEIGHTS)
            for index, run in enumerate(self.program):
                if isinstance(run, Run):
                    count = (1 if run.same else run.tiles) * machine.rows
                    items = self.weights[run.weights : run.weights + count, :size]
                    found[index] = contended(machine, run, items).waits
        return found

    def _load(self, memory: Memory, items: np.ndarray) -> bytes:
        head = encode(self.machine, Load(memory=memory, address=0, count=len(items)))
        return head + np.ascontiguousarray(items).tobytes()
