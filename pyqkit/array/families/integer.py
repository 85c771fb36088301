"""Family `integer`: four multipliers of 2-bit digits an element, whose products it sums.

An element makes 16 / (weight bits x activation bits) products a cycle, of as many input channels. Codes are
integers, odd levels, or minifloats whose integers fit: tables take each nibble to two digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pyqkit.array.families.base import Family, Pair, families, multiplied, packed
from pyqkit.array.machine import Machine, Mode
from pyqkit.errors import UserError
from pyqkit.formats import Integer, NumberFormat

LOW, HIGH = -4, 3  # a digit
_NIBBLE = range(5 * LOW, 5 * HIGH + 1)  # what two digits are worth, and every number between
_MULTIPLIERS = 16  # bits of weights times bits of activations that an element multiplies in a cycle


class IntegerFamily(Family):
    """Elements that multiply digits."""

    name = "integer"
    entry_bits, table_entries = 8, 32
    usual: ClassVar[Mapping[int, str]] = {2: "int2", 4: "int4", 8: "int8"}
    unit = Integer(2, signed=True)
    parts = 4

    def pair(
        self,
        machine: Machine,
        activation: NumberFormat,
        weight: NumberFormat,
        lanes: int = 0,
        holes: bool = False,
        used: np.ndarray | None = None,
    ) -> Pair:
        for weight_bits, activation_bits in _widths(weight.bits, activation.bits):
            tables = nibbles(activation, activation_bits), nibbles(weight, weight_bits)
            index, parts = _parts(machine, weight_bits, activation_bits)
            nothing = _nothing(weight, weight_bits)
            if index is None or tables[0] is None or tables[1] is None or (holes and nothing < 0):
                continue
            planes = _planes(weight_bits, activation_bits)
            items = packed(_digits(tables[0], activation_bits)), packed(_digits(tables[1], weight_bits))
            products = np.multiply.outer(activation.integers, weight.integers)
            return Pair(index, parts, planes, activation_bits, 1, 0, *items, products, nothing)
        modes = ", ".join(mode.name for mode in machine.modes)
        raise UserError(
            f"codes that two digits from {LOW} to {HIGH} make of each nibble, in a mode out of {modes}, were "
            f"expected by the array {machine.name}, but {activation} times {weight} came; use integers of 2, "
            "4 or 8 bits or minifloats of 4"
        )

    def lanes(self, mode: Mode) -> int:
        return 1

    def planes(self, mode: Mode) -> int:
        return _planes(mode.weight_bits, mode.activation_bits)

    def slots(self, mode: Mode, codes: np.ndarray) -> np.ndarray:
        shifts = np.arange(codes.shape[1])[:, None] * mode.weight_bits
        return (codes[..., 0].astype(np.int64) << shifts).sum(axis=1).astype(np.uint8)

    def sums(
        self,
        mode: Mode,
        tables: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        tiles: np.ndarray,
        high: tuple[int, int],
    ) -> np.ndarray:
        planes = self.planes(mode)
        left = _values(tables[0], words, mode.activation_bits, planes, high[1])
        right = _values(tables[1], tiles, mode.weight_bits, planes, high[0])
        joined = left.reshape(len(words), -1), np.moveaxis(right, 2, 1).reshape(-1, tiles.shape[1])
        return multiplied(*joined, mode.product_bits)[:, :, None] << 4 * sum(high)


def _widths(weight: int, activation: int) -> list[tuple[int, int]]:
    """Widths of slots' codes that hold codes of so many bits, the fastest first."""
    found = [(w, a) for w in (2, 4, 8) for a in (2, 4, 8) if w >= weight and a >= activation]
    return sorted(found, key=lambda pair: (pair[0] * pair[1], pair))


def _planes(weight: int, activation: int) -> int:
    """Products of codes of so many bits that an element sums in a cycle."""
    return max(1, _MULTIPLIERS // (weight * activation))


def _parts(machine: Machine, weight: int, activation: int) -> tuple[int | None, tuple[tuple[int, int], ...]]:
    """Mode, and the runs that a tile takes in it, for codes of so many bits."""
    index = machine.mode(weight, activation)
    if index is not None:
        return index, ((0, 0),)
    if min(weight, activation) < 4:
        return None, ()
    parts = tuple((w, a) for w in range(weight // 4) for a in range(activation // 4))
    return machine.mode(4, 4), parts


def nibbles(fmt: NumberFormat, bits: int) -> tuple[np.ndarray, np.ndarray] | None:
    """What the values of the low and of the high nibble of codes are worth, None for what has none.

    Codes of 2 bits stand for themselves: the nibble is a code.
    """
    integers, codes = fmt.integers, fmt.codes.astype(np.int64)
    if bits < 8:
        table = np.zeros(16, np.int64)
        table[: len(integers)] = integers
        within = range(LOW, HIGH + 1) if bits == 2 else _NIBBLE
        return (table, table) if all(int(value) in within for value in integers[codes]) else None
    for first in sorted(_NIBBLE, key=abs):
        low, high = np.zeros(16, np.int64), np.full(16, first, np.int64)
        low[codes[codes < 16]] = integers[codes[codes < 16]] - 16 * first
        for code in codes[codes >= 16]:
            high[code >> 4] = (integers[code] - low[code & 15]) // 16
        whole = np.array_equal(low[codes & 15] + 16 * high[codes >> 4], integers[codes])
        if whole and all(int(value) in _NIBBLE for value in (*low, *high)):
            return low, high
    return None


def _nothing(weight: NumberFormat, bits: int) -> int:
    """A code worth 0: one of the format, or one behind those of the format, whose entries are zero."""
    codes = weight.codes[weight.integers[weight.codes] == 0]
    if len(codes):
        return int(codes[0])
    count = len(weight.integers)
    return count if bits < 8 and count < 2**bits else -1


def _digits(tables: tuple[np.ndarray, np.ndarray], bits: int) -> np.ndarray:
    """Entries of a table, uint8: two digits for each value of the low, then of the high nibble."""
    entries = []
    for table in tables:
        for nibble in range(16):
            if bits == 2:
                digits = int(table[nibble & 3]), int(table[nibble >> 2])
            else:
                digits = _split(int(table[nibble]))
            entries.append((digits[0] & 7) | (digits[1] & 7) << 3)
    return np.array(entries, np.uint8)


def _split(value: int) -> tuple[int, int]:
    """Digits d0, d1 with d0 + 4 d1 == value, the one with the smaller d0."""
    found = [(value - 4 * d, d) for d in range(LOW, HIGH + 1) if LOW <= value - 4 * d <= HIGH]
    return min(found, key=lambda digits: abs(digits[0]))


def _values(table: np.ndarray, slots: np.ndarray, bits: int, planes: int, high: int) -> np.ndarray:
    """Numbers that stand in slots, float64 of shape (*slots, planes)."""
    entries = table.view(np.uint8)
    nibble = entries[slots & 15], entries[16 + (slots >> 4)]
    digits = [(d >> shift & 7) for d in nibble for shift in (0, 3)]
    values = [((d.astype(np.int64) ^ 4) - 4).astype(np.float64) for d in digits]
    if bits == 2:
        return np.stack(values[:planes], axis=-1)
    pairs = [values[0] + 4 * values[1], values[2] + 4 * values[3]]
    if bits == 4:
        return np.stack([pairs[high]] if planes == 1 else pairs, axis=-1)
    return (pairs[0] + 16 * pairs[1])[..., None]


families.register("integer")(IntegerFamily())
