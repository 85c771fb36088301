"""Every slot of weights times every activation, on a whole machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.array.families import Pair, of
from pyqkit.array.isa import ALL_UNITS, End, Fill, Instruction, Load, Post, Repeat, Run, Table, encode
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.program import in_words
from pyqkit.formats import NumberFormat

CODES = 256  # of a slot; and positions of a run, so a machine needs as many accumulators


@dataclass(frozen=True, eq=False)
class PairsOfCodes:
    """Each row has all activations in an order of its own, each tile other slots.

    Attributes
    ----------
    content : bytes
        For a machine.
    sums : numpy.ndarray, int64, shape (tiles, positions, columns, lanes)
        What comes back, by `taken`.
    """

    content: bytes
    sums: np.ndarray

    @classmethod
    def of(cls, machine: Machine, activation: NumberFormat, weight: NumberFormat) -> PairsOfCodes:
        """Of two formats that the machine holds."""
        random, pair = np.random.default_rng(0), of(machine).pair(machine, activation, weight)
        size = machine.rows * machine.columns
        slots = np.append(random.permutation(CODES), np.zeros(-CODES % size, int))
        slots = slots.reshape(-1, machine.rows, machine.columns)
        codes = np.stack([random.permutation(CODES) for _ in range(machine.rows)], axis=1)
        if machine.family == "lp":  # tables say nothing of codes that the format does not have
            codes %= 2**activation.bits
        products = _products(machine, pair, activation, weight)
        sums = products[codes[None, :, :, None], slots[:, None]].sum(axis=2)
        return cls(_content(machine, pair, slots.astype(np.uint8), codes.astype(np.uint8)), sums)

    def taken(self, content: bytes) -> np.ndarray:
        """Sums out of what a machine has given."""
        tiles, positions, columns, lanes = self.sums.shape
        found = np.frombuffer(content, np.int64).reshape(tiles, positions, lanes, columns)
        return np.moveaxis(found, 2, 3)


def _products(machine: Machine, pair: Pair, activation: NumberFormat, weight: NumberFormat) -> np.ndarray:
    """Sums of the products of the codes of a slot, by activation slot, weight slot and lane."""
    slots = np.arange(CODES)
    if machine.family == "lp":
        bits = machine.modes[pair.mode].weight_bits
        weights = slots[:, None] >> bits * np.arange(pair.lanes) & 2**bits - 1
        known = np.zeros((CODES, 2**bits), np.int64)
        known[: len(pair.products), : pair.products.shape[1]] = pair.products
        return known[:, weights]
    bits = max(weight.bits, 2)
    places = np.arange(pair.planes)
    left = slots[:, None] >> pair.code_bits * places & 2**activation.bits - 1
    right = slots[:, None] >> bits * places & 2**weight.bits - 1
    found = pair.products[left[:, None], right[None]].sum(axis=2)
    return found[:, :, None]  # type: ignore[no-any-return]


def _content(machine: Machine, pair: Pair, slots: np.ndarray, codes: np.ndarray) -> bytes:
    """Memories, then a program that takes the sums of each tile to the stream."""
    program, columns = _program(machine, pair, len(slots)), machine.columns
    one = sum(1 << column * machine.parameter_bits for column in range(columns))
    size = -(-columns * machine.parameter_bits // machine.stream_bits) * machine.stream_bits // 8
    instructions = b"".join(encode(machine, instruction) for instruction in program)
    items = np.concatenate([pair.activation_table, pair.weight_table])
    loads = {
        Memory.PROGRAM: np.frombuffer(instructions, np.uint8).reshape(len(program), -1),
        Memory.TABLES: items.view(np.uint8).reshape(-1, 8),
        Memory.PARAMETERS: np.tile(np.frombuffer(one.to_bytes(size, "little"), np.uint8), (pair.lanes, 1)),
        Memory.WEIGHTS: slots.reshape(-1, columns),
        Memory.ACTIVATIONS: codes,
    }
    sent = b"".join(
        encode(machine, Load(memory=memory, address=0, count=len(given)))
        + np.ascontiguousarray(in_words(machine, given)).tobytes()
        for memory, given in loads.items()
    )
    return sent + encode(machine, Repeat(first=0, count=1))


def _program(machine: Machine, pair: Pair, tiles: int) -> list[Instruction]:
    """Tables, then a run for each part of a tile."""
    program: list[Instruction] = []
    first = 0
    for table, items in ((Table.ACTIVATIONS, pair.activation_table), (Table.WEIGHTS, pair.weight_table)):
        if len(items):
            program.append(Fill(wait=ALL_UNITS, table=table, address=first, count=len(items)))
            first += len(items)
    for tile in range(tiles):
        for weight_high, activation_high in pair.parts:
            program.append(
                Run(
                    wait=ALL_UNITS,
                    mode=pair.mode,
                    weights=tile * machine.rows,
                    keep=int((weight_high, activation_high) != pair.parts[0]),
                    weight_high=weight_high,
                    activation_high=activation_high,
                    base=0,
                    step_column=1,
                    height=1,
                    width=CODES,
                    columns=CODES,
                )
            )
        sent = {"lanes": pair.lanes, "channels": machine.columns * pair.lanes, "raw": 1}
        program.append(Post(wait=ALL_UNITS, mode=pair.mode, columns=CODES, parameters=0, **sent))
    return [*program, End()]
