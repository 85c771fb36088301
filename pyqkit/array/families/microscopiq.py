"""Family `microscopiq`: weights of 2 or 4 bits whose outliers take two slots, activations in blocks.

An element has a slot of four bits: one weight of 4 bits, or two of 2 bits, of two outputs. Eight neighbouring
columns are a micro-block of each lane. What blocks share comes with every row of a tile, so that an item of
weights holds, from the lowest bit on

    4 bits a column                   slots; of weights of 2 bits lane 0 below lane 1
    28 bits twice for eight columns   of lane 0, then 1: flag, exponent (3), upper and lower place (3, 3) of
                                      four pairs
    3 bits                            exponent of the inliers of the row

Exponents count from the lowest of the layer, those of outliers at their least significant bit. An activation
word has the exponent of its block behind its slots. `pyqkit.formats.microscopiq` says what slots are worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import numpy as np

from pyqkit.array.families.base import Family, Pair, families, multiplied
from pyqkit.array.machine import MERGES, SLOT_BITS, Machine, Mode, machines
from pyqkit.errors import UserError
from pyqkit.formats import Integer, NumberFormat
from pyqkit.formats.microscopiq import encode, spread_window
from pyqkit.formats.microscopiq.planning import planned
from pyqkit.formats.microscopiq.routing import MICRO, MOST, routes
from pyqkit.formats.microscopiq.tensor import Plan, Slots
from pyqkit.formats.microscopiq.values import BLOCK, SHIFT_BITS, SPREAD, BlockActivation, BlockWeight

ELEMENT_BITS = 4  # of a slot
LANES = ELEMENT_BITS // 2  # at most
SIDE_BITS = 1 + SHIFT_BITS + MOST * 2 * 3  # of a micro-block
_ACTIVATION = Integer(SLOT_BITS)


@dataclass(frozen=True, eq=False)
class _Factors(Pair):
    """A pair that says what codes are worth, not all of their products, of which there are too many."""

    sides: tuple[np.ndarray, np.ndarray] = field(default=(np.zeros(0), np.zeros(0)))

    def largest(self, codes: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(self.sides[0][codes]).max() * np.abs(self.sides[1]))


class BlockFamily(Family):
    """Elements that multiply integers, and merge halves of outliers."""

    name = "microscopiq"
    entry_bits, table_entries = 8, 8  # no codes pass a table
    shift_bits = SHIFT_BITS
    merges = MERGES
    usual: ClassVar[Mapping[int, str]] = {2: "msq2", 4: "msq4", 8: "int8"}
    unit = BlockWeight(2)

    def stages(self, machine: Machine) -> int:
        """Weights and codes wait for each other, products are shifted, and sums; and networks take four."""
        return 3 + 4 * (machine.merge == "butterfly")

    def weight_bits(self, machine: Machine) -> int:
        _check(machine)
        return machine.columns * ELEMENT_BITS + machine.columns // MICRO * LANES * SIDE_BITS + SHIFT_BITS

    def fault(self, machine: Machine, items: np.ndarray) -> str | None:
        bits = np.unpackbits(items, axis=1, bitorder="little")
        groups, first = machine.columns // MICRO, machine.columns * ELEMENT_BITS
        side = bits[:, first : first + groups * LANES * SIDE_BITS].reshape(-1, SIDE_BITS)
        side = side[side[:, 0] > 0]
        places = _joined(side[:, 1 + SHIFT_BITS :].reshape(len(side), MOST, 2, 3))
        there = places[..., :1] != places[..., 1:]  # pairs of equal places say nothing
        named = ((places[..., None] == np.arange(MICRO)) & there[..., None]).sum(axis=(1, 2))
        if (named > 1).any():
            return "a list of outliers names a place twice"
        lists = np.unique(np.where(there, places, 0).reshape(-1, MOST, 2), axis=0)
        routed = (routes(*(pairs[pairs[:, 0] != pairs[:, 1]].T)) for pairs in lists)
        return None if all(routed) else "a list of outliers does not route"

    def stores(self, fmt: NumberFormat) -> bool:
        return super().stores(fmt) or isinstance(fmt, BlockActivation)

    def pair(
        self,
        machine: Machine,
        activation: NumberFormat,
        weight: NumberFormat,
        lanes: int = 0,
        holes: bool = False,
        used: np.ndarray | None = None,
    ) -> Pair:
        _check(machine)
        held = isinstance(activation, BlockActivation) or activation.base == _ACTIVATION
        if not held or not isinstance(weight, BlockWeight):
            raise UserError(
                "activations of int8 or scaled by blocks and weights of MicroScopiQ were expected by the "
                f"array {machine.name}, but {activation} times {weight} came; quantise by the recipe "
                "microscopiq, or take an array of family integer"
            )
        if isinstance(activation, BlockActivation) and BLOCK % machine.rows:
            raise UserError(
                f"rows that divide {BLOCK} were expected of an array for activations scaled by blocks, but "
                f"{machine.name} has {machine.rows}; take 8, 16, 32 or 64"
            )
        for index, mode in enumerate(machine.modes):
            if mode.weight_bits >= weight.slot_bits and self.lanes(mode) == (lanes or self.lanes(mode)):
                none, sides = np.zeros(0, np.uint64), (activation.integers, weight.integers)
                shared = 1, SLOT_BITS, self.lanes(mode), 0, none, none, np.zeros((0, 0))
                return _Factors(index, ((0, 0),), *shared, sides=sides)
        raise UserError(
            f"weights of {machine.modes[-1].weight_bits} bits at most were expected by the array "
            f"{machine.name}, but {weight} came; take an array that has a mode for them"
        )

    def outliers(self, mode: Mode, tiles: np.ndarray) -> np.ndarray:
        return np.asarray(_read(mode, tiles)[0].paired.sum(axis=-1))

    def requests(self, mode: Mode, tiles: np.ndarray) -> np.ndarray:
        side = _sides(tiles)[:, :, : self.lanes(mode)]
        return np.asarray(side[..., 0].any(axis=2))

    def lanes(self, mode: Mode) -> int:
        return ELEMENT_BITS // mode.weight_bits

    def slots(self, mode: Mode, codes: np.ndarray) -> np.ndarray:
        values = BlockWeight(ELEMENT_BITS).integers[codes[:, 0]]  # (rows, columns, lanes)
        rows, columns, lanes = values.shape
        micro = values.transpose(0, 2, 1).reshape(rows, lanes * columns // MICRO, MICRO)
        slots = Slots(mode.weight_bits)
        plan = planned(micro, slots)
        stored = plan.codes(micro.astype(np.float64), slots).reshape(rows, lanes, columns)
        side = np.zeros((rows, LANES, columns // MICRO, SIDE_BITS), np.uint8)
        side[:, :lanes] = _side(plan, slots).reshape(rows, lanes, -1, SIDE_BITS)
        parts = (
            _bits(stored.transpose(0, 2, 1), slots.bits).reshape(rows, -1),
            side.transpose(0, 2, 1, 3).reshape(rows, -1),
            _bits(plan.inlier_exponents, SHIFT_BITS).reshape(rows, -1),
        )
        return np.packbits(np.concatenate(parts, axis=1), axis=1, bitorder="little")

    def drawn(self, weight: NumberFormat, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
        """Of values with some outliers."""
        assert isinstance(weight, BlockWeight)
        values = random.standard_t(3, (prod(shape[1:]), shape[0]))
        window = spread_window(values, weight.slot_bits)
        tensor, _ = encode(values, weight.slot_bits, window=window)
        return weight.of_tensor(tensor, window).T.reshape(shape)

    def added(
        self,
        mode: Mode,
        tables: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        tiles: np.ndarray,
        high: tuple[int, int],
    ) -> np.ndarray:
        pairs = zip(words, tiles)
        return np.asarray(sum(self.sums(mode, tables, *pair, high) for pair in pairs))

    def sums(
        self,
        mode: Mode,
        tables: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        tiles: np.ndarray,
        high: tuple[int, int],
    ) -> np.ndarray:
        values = weights(mode, tiles)
        elements = words[:, : len(tiles)].view(np.int8).astype(np.float64)
        found = multiplied(elements, values.reshape(len(tiles), -1), mode.product_bits)
        exponents = words[:, -1].astype(np.int64) & SPREAD
        return (found << exponents[:, None]).reshape(len(words), *values.shape[1:])


def weights(mode: Mode, tiles: np.ndarray) -> np.ndarray:
    """What items of weights are worth: float64, (rows, columns, lanes).

    Parameters
    ----------
    tiles : numpy.ndarray, uint8, shape (rows, bytes of an item)
    """
    plan, codes = _read(mode, tiles)
    lanes = ELEMENT_BITS // mode.weight_bits
    values = plan.values(codes, Slots(mode.weight_bits))
    return values.reshape(len(tiles), lanes, -1).transpose(0, 2, 1)


def _read(mode: Mode, tiles: np.ndarray) -> tuple[Plan, np.ndarray]:
    """What items of weights say: the plan of their rows, and slots (rows, micro-blocks, 8), lane 0 first."""
    slots = Slots(mode.weight_bits)
    rows, lanes = len(tiles), ELEMENT_BITS // slots.bits
    side = _sides(tiles)
    groups = side.shape[1]
    bits = np.unpackbits(tiles, axis=1, bitorder="little")
    stored, inlier = bits[:, : groups * MICRO * ELEMENT_BITS], bits[:, _inliers_at(groups) :][:, :SHIFT_BITS]
    codes = _joined(stored.reshape(rows, groups * MICRO, lanes, slots.bits)).transpose(0, 2, 1)
    side = side[:, :, :lanes].transpose(0, 2, 1, 3).reshape(rows, lanes * groups, SIDE_BITS)
    flags = side[..., :1].astype(np.uint8)
    exponents = _joined(side[..., 1 : 1 + SHIFT_BITS]) + slots.fraction
    places = _joined(side[..., 1 + SHIFT_BITS :].reshape(*side.shape[:2], MOST, 2, 3)).astype(np.uint8)
    places *= flags[..., None]
    plan = Plan(_joined(inlier)[:, None], exponents, places[..., 0], places[..., 1])
    return plan, codes.reshape(rows, lanes * groups, MICRO)


def _sides(tiles: np.ndarray) -> np.ndarray:
    """Bits of what micro-blocks share: (rows, micro-blocks of a lane, `LANES`, `SIDE_BITS`)."""
    groups = tiles.shape[1] * 8 // (MICRO * ELEMENT_BITS + LANES * SIDE_BITS)
    bits = np.unpackbits(tiles, axis=1, bitorder="little")[:, : _inliers_at(groups)]
    return bits[:, groups * MICRO * ELEMENT_BITS :].reshape(len(tiles), groups, LANES, SIDE_BITS)


def _inliers_at(groups: int) -> int:
    """The first bit of the exponent of a row's inliers."""
    return groups * (MICRO * ELEMENT_BITS + LANES * SIDE_BITS)


def _side(plan: Plan, slots: Slots) -> np.ndarray:
    """Flags, exponents and lists of micro-blocks as bits: (rows, micro-blocks, `SIDE_BITS`)."""
    flags = plan.flags[..., None].astype(np.uint8)
    exponents = _bits((plan.outlier_exponents - slots.fraction)[..., None] * flags, SHIFT_BITS)
    places = _bits(np.stack([plan.uppers, plan.lowers], -1), 3)
    parts = flags, exponents, places
    return np.concatenate([part.reshape(*plan.flags.shape, -1) for part in parts], axis=-1)


def _bits(values: np.ndarray, bits: int) -> np.ndarray:
    """(...) as (..., bits), the lowest first."""
    return (values[..., None].astype(np.int64) >> np.arange(bits) & 1).astype(np.uint8)


def _joined(bits: np.ndarray) -> np.ndarray:
    """What `_bits` split."""
    return bits.astype(np.int64) @ (1 << np.arange(bits.shape[-1]))


def _check(machine: Machine) -> None:
    if machine.columns % MICRO:
        raise UserError(
            f"columns in groups of {MICRO} were expected of an array of family microscopiq, but "
            f"{machine.name} has {machine.columns}; describe one with a multiple of {MICRO}"
        )


families.register("microscopiq")(BlockFamily())
# The widest product is 127 * 2**7 times 31 * 2**7, or 7 * 2**7 in two bits. Two lanes of 36 bits take two
# words of block RAM, of 40 bits three; an XC7Z020 has few left beside 29,696 items.
_NARROW = Mode(2, 8, 24, 36), Mode(4, 8, 26, 36)
_WIDE = Mode(2, 8, 24, 40), Mode(4, 8, 26, 40)
for _machine in (
    Machine("msq8x8", "microscopiq", 8, 8, _NARROW, 2048, 29696, 256, 256, 2048, 2048),
    Machine("msq16x16", "microscopiq", 16, 16, _WIDE, 2048, 8192, 256, 256, 2048, 2048),
):
    machines.register(_machine.name)(_machine)
