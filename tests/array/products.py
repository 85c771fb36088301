"""A product of two activations: what the post-processor has encoded becomes weights, beside the stream's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.array.families import Pair, of
from pyqkit.array.families.base import packed
from pyqkit.array.isa import (
    ALL_UNITS,
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
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.program import in_words
from pyqkit.formats import NumberFormat, parse

MADE = 100  # address of words that POST writes


@dataclass(frozen=True, eq=False)
class ProductOfActivations:
    """Left words times what a tile of the stream makes of right words: one row of the result a position.

    Attributes
    ----------
    content : bytes
        For a machine.
    instructions : tuple of Instruction
    sums : numpy.ndarray, int64, shape (positions, columns)
        What comes back.
    made : numpy.ndarray, uint8, shape (rows, columns)
        Codes that become weights; they come behind the sums.
    """

    content: bytes
    instructions: tuple[Instruction, ...]
    sums: np.ndarray
    made: np.ndarray

    @classmethod
    def of(cls, machine: Machine, name: str, seed: int = 0) -> ProductOfActivations:
        """Of random codes in a format that a slot holds one of."""
        random, fmt = np.random.default_rng(seed), parse(name)
        pair = of(machine).pair(machine, fmt, fmt)  # type: ignore[arg-type]
        rows, columns = machine.rows, machine.columns
        left, right, tile = (
            random.choice(fmt.codes, size) for size in ((9, rows), (rows, rows), (rows, columns))
        )
        sums = _sums(pair, right, tile)
        codes = np.sort(fmt.codes).astype(np.uint8)
        boundaries = np.sort(random.choice(np.unique(sums), len(codes) - 1)).astype(np.int64)
        made = codes[np.searchsorted(boundaries, sums, side="right")]
        program = _program(machine, pair, fmt, boundaries)
        words = np.concatenate([right, left]).astype(np.uint8)
        content = _content(machine, pair, program, (boundaries, codes), words, tile.astype(np.uint8))
        return cls(content, tuple(program), _sums(pair, left, made), made)


def _sums(pair: Pair, words: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """By the table of all products."""
    return pair.products[words[:, :, None], tile[None]].sum(axis=1).astype(np.int64)


def _program(machine: Machine, pair: Pair, fmt: NumberFormat, boundaries: np.ndarray) -> list[Instruction]:
    """The tile of the stream first, then what the post-processor has made, in two passes of one kind."""
    rows, columns, items = machine.rows, machine.columns, [0]
    sizes = len(pair.activation_table), len(pair.weight_table), 2**fmt.bits - 1, 32
    program: list[Instruction] = []
    for table, size in zip(Table, sizes):
        program.append(Fill(wait=ALL_UNITS, table=table, address=items[-1], count=size))
        items.append(items[-1] + size)
    for weights, base, count in ((0, 0, rows), (rows, rows, 9)):
        for high in pair.parts:
            program.append(
                Run(
                    wait=ALL_UNITS,
                    mode=pair.mode,
                    weights=weights,
                    keep=int(high != pair.parts[0]),
                    weight_high=high[0],
                    activation_high=high[1],
                    base=base,
                    step_column=1,
                    height=1,
                    width=count,
                    columns=count,
                )
            )
        raw = int(weights > 0)
        post = {"mode": pair.mode, "columns": count, "parameters": 0, "channels": columns, "raw": raw}
        program.append(Post(wait=ALL_UNITS, stages=fmt.bits, base=MADE, step_column=1, last=raw, **post))
        if not raw:
            program += [
                Copy(wait=ALL_UNITS, address=MADE, count=rows, weights=rows),
                Store(address=MADE, count=rows),
            ]
    return [*program, End()]


def _content(
    machine: Machine,
    pair: Pair,
    program: list[Instruction],
    tables: tuple[np.ndarray, np.ndarray],
    words: np.ndarray,
    tile: np.ndarray,
) -> bytes:
    """Memories, then the program once; tables are padded with what is never reached."""
    boundaries, codes = np.full(_boundaries(program), 2**62, np.int64), np.zeros(256, np.uint8)
    boundaries[: len(tables[0])], codes[: len(tables[1])] = tables
    items = np.concatenate(
        [pair.activation_table, pair.weight_table, boundaries.view(np.uint64), packed(codes)]
    )
    one = sum(1 << column * machine.parameter_bits for column in range(machine.columns))
    size = -(-machine.columns * machine.parameter_bits // machine.stream_bits) * machine.stream_bits // 8
    instructions = b"".join(encode(machine, instruction) for instruction in program)
    loads = {
        Memory.PROGRAM: np.frombuffer(instructions, np.uint8).reshape(len(program), -1),
        Memory.TABLES: items.view(np.uint8).reshape(-1, 8),
        Memory.PARAMETERS: np.frombuffer(one.to_bytes(size, "little"), np.uint8)[None],
        Memory.WEIGHTS: tile,
        Memory.ACTIVATIONS: words,
    }
    sent = b"".join(
        encode(machine, Load(memory=memory, address=0, count=len(given)))
        + np.ascontiguousarray(in_words(machine, given)).tobytes()
        for memory, given in loads.items()
    )
    return sent + encode(machine, Repeat(first=0, count=1))


def _boundaries(program: list[Instruction]) -> int:
    return next(i.count for i in program if isinstance(i, Fill) and i.table == Table.BOUNDARIES)
