"""Family `lp`: Logarithmic Posits. Logarithms add, a table takes the sum to a linear number.

Weights of 8, 4 or 2 bits share the activation of their slot, so that a slot makes 1, 2 or 4 outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from pyqkit.array.families.base import Family, Pair, families, multiplied, packed
from pyqkit.array.machine import SLOT_BITS, Machine, Mode
from pyqkit.errors import UserError
from pyqkit.formats import NumberFormat
from pyqkit.formats.logposit import TABLE_BITS, LogPosit, linear_table
from pyqkit.formats.products import LogProduct, product

FRACTION_BITS = 6  # of logarithms: what an LP of 8 bits has at most
LOG_BITS = 11  # of a table's entry
NEGATIVE, ZERO = 1 << LOG_BITS, 1 << LOG_BITS + 1  # flags of an entry
LINEAR = np.array(linear_table(FRACTION_BITS), np.int64)
_MASK = (1 << FRACTION_BITS) - 1
_TERNARY = np.array([ZERO, 0, ZERO, NEGATIVE], np.uint16)  # weights of 2 bits, which need no table


class LogFamily(Family):
    """Elements that add logarithms."""

    name = "lp"
    entry_bits, table_entries = 16, 256
    usual: ClassVar[Mapping[int, str]] = {2: "lp2_0_1", 4: "lp4_0_3", 8: "lp8_1_2"}
    unit = LogPosit(2, 0, 1)

    def pair(
        self,
        machine: Machine,
        activation: NumberFormat,
        weight: NumberFormat,
        lanes: int = 0,
        holes: bool = False,
        used: np.ndarray | None = None,
    ) -> Pair:
        pair = product(activation, weight)
        if not isinstance(pair, LogProduct):
            raise UserError(
                f"Logarithmic Posits were expected by the array {machine.name}, but {activation} times "
                f"{weight} came; quantise both with a format lpN_ES_RS, or take an array of family integer"
            )
        sides = _logarithms(pair)
        occur = ~sides[1].zero if used is None else ~sides[1].zero & np.isin(np.arange(256), used)
        largest = int(_widths(sides)[occur].max(initial=0))
        indices = self._modes(machine, activation, weight, lanes, largest)
        if not indices or any((side.logs[~side.zero] >> LOG_BITS).any() for side in _only(sides, occur)):
            most = max(mode.product_bits for mode in machine.modes)
            modes = ", ".join(mode.name for mode in machine.modes)
            raise UserError(
                f"codes of a mode out of {modes}, with products of at most {most} bits, were expected by the "
                f"array {machine.name}, but {activation} times {weight} came, with {largest}; use formats of "
                "fewer bits, or with a shorter regime (rs)"
            )
        mode = machine.modes[indices[0]]
        kept = _only(sides, (_widths(sides) <= mode.product_bits) & (sides[1].logs >> LOG_BITS == 0))
        tables = [side.entries[: 2**fmt.bits] for side, fmt in zip(kept, (activation, weight))]
        products = _linear(tables[0], tables[1])
        weights = np.zeros(0, np.uint64) if mode.weight_bits == 2 else packed(tables[1])
        shift = 0 if pair.fraction_bits else TABLE_BITS
        outputs = self.lanes(mode)
        return Pair(indices[0], ((0, 0),), 1, SLOT_BITS, outputs, shift, packed(tables[0]), weights, products)

    def _modes(
        self, machine: Machine, activation: NumberFormat, weight: NumberFormat, lanes: int, product_bits: int
    ) -> list[int]:
        """Modes that hold codes and products, the fastest first."""
        fitting = [
            (mode.weight_bits, index)
            for index, mode in enumerate(machine.modes)
            if mode.weight_bits >= weight.bits
            and mode.activation_bits >= activation.bits
            and mode.product_bits >= product_bits
            and self.lanes(mode) == (lanes or self.lanes(mode))
        ]
        return [index for _, index in sorted(fitting)]

    def activation_bits(self, machine: Machine) -> int:
        return max(mode.activation_bits for mode in machine.modes)

    def lanes(self, mode: Mode) -> int:
        return SLOT_BITS // mode.weight_bits

    def slots(self, mode: Mode, codes: np.ndarray) -> np.ndarray:
        shifts = np.arange(codes.shape[3]) * mode.weight_bits
        return (codes[:, 0].astype(np.int64) << shifts).sum(axis=2).astype(np.uint8)

    def sums(
        self,
        mode: Mode,
        tables: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        tiles: np.ndarray,
        high: tuple[int, int],
    ) -> np.ndarray:
        lanes = self.lanes(mode)
        lane = np.arange(lanes) * mode.weight_bits
        codes = tiles[:, :, None] >> lane & 2**mode.weight_bits - 1
        left = tables[0].view(np.uint16)[words]
        right = (_TERNARY if mode.weight_bits == 2 else tables[1].view(np.uint16))[codes]
        signs, weight_logs, fractions = _sign(right), right & NEGATIVE - 1, left & _MASK
        powers = _sign(left) * np.exp2((left & NEGATIVE - 1) >> FRACTION_BITS)
        total = np.zeros((len(words), tiles.shape[1] * lanes), np.int64)
        for fraction in np.unique(fractions[powers != 0]):
            logs = weight_logs.astype(np.int64) + int(fraction)
            linear = signs * (LINEAR[logs & _MASK] << (logs >> FRACTION_BITS)).astype(np.float64)
            some = np.where(fractions == fraction, powers, 0.0)
            total += multiplied(some, linear.reshape(len(tiles), -1), mode.product_bits)
        return total.reshape(len(words), tiles.shape[1], lanes)


def _sign(entries: np.ndarray) -> np.ndarray:
    """1, -1 or 0 of table entries."""
    return np.where(entries & ZERO, 0.0, np.where(entries & NEGATIVE, -1.0, 1.0))


@dataclass(frozen=True, eq=False)
class _Side:
    """Codes of 8 bits as tables have them: whole logarithms, signs, and what is zero or does not exist."""

    logs: np.ndarray
    negative: np.ndarray
    zero: np.ndarray

    @property
    def entries(self) -> np.ndarray:
        """Of a table, uint16."""
        return np.where(self.zero, ZERO, np.where(self.negative, NEGATIVE, 0) | self.logs).astype(np.uint16)


@lru_cache(maxsize=64)
def _logarithms(pair: LogProduct) -> tuple[_Side, _Side]:
    """Sides of a product: activations, weights."""
    up = FRACTION_BITS - pair.fraction_bits
    found = []
    for side, more in zip(pair.sides, (pair.lowest_fraction, 0)):
        missing = 0, 256 - len(side.zero)
        logs = np.pad(np.where(side.zero, 0, side.offset.astype(np.int64) + more << up), missing)
        found.append(
            _Side(logs, np.pad(side.negative, missing), np.pad(side.zero, missing, constant_values=True))
        )
    return found[0], found[1]


def _widths(sides: tuple[_Side, _Side]) -> np.ndarray:
    """Bits of the largest product with each code of a weight, by code: an entry of the table has 8."""
    largest = sides[0].logs.max() + sides[1].logs
    return np.where(sides[1].zero, 0, int(LINEAR[0]).bit_length() + (largest >> FRACTION_BITS))


def _only(sides: tuple[_Side, _Side], kept: np.ndarray) -> tuple[_Side, _Side]:
    """The same with only some codes of weights; the others multiply as zero."""
    return sides[0], replace(sides[1], zero=sides[1].zero | ~kept)


def _linear(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Products of all pairs of table entries, as Python integers."""
    logs = np.add.outer((left & NEGATIVE - 1).astype(np.int64), (right & NEGATIVE - 1).astype(np.int64))
    linear = LINEAR.astype(object)[logs & _MASK] << (logs >> FRACTION_BITS).astype(object)
    return linear * np.multiply.outer(_sign(left), _sign(right)).astype(np.int64).astype(object)


families.register("lp")(LogFamily())
