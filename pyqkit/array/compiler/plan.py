"""What a pass needs of a machine: modes, tiles of weights, parameters and tables, before it is scheduled."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from pyqkit.array.compiler.passes import NONE, Part, Pass, Stored, Term
from pyqkit.array.families import Family, Pair
from pyqkit.array.families.base import packed
from pyqkit.array.machine import SLOT_BITS, Machine
from pyqkit.array.tensors import Layout
from pyqkit.errors import UserError


@dataclass(frozen=True, eq=False)
class Group:
    """Tiles of weights that a part has for one tile of output channels.

    Attributes
    ----------
    term : int
        Accumulator to which its sums go.
    part : Part
    pair : Pair
    first : int
        Word of a pixel that the first tile multiplies.
    tiles : numpy.ndarray, uint8, shape (taps down, taps across, words, rows, bytes of an item)
        Of one place alone if all places of the window have the same.
    """

    term: int
    part: Part
    pair: Pair
    first: int
    tiles: np.ndarray

    @property
    def words(self) -> int:
        """Words of a pixel that are multiplied."""
        return self.tiles.shape[2]

    @property
    def same(self) -> bool:
        """Whether one tile is multiplied at all places of a larger window."""
        return self.tiles.shape[:2] != self.part.window.kernel


@dataclass(frozen=True, eq=False)
class Tile:
    """Output channels that are made together.

    Attributes
    ----------
    first, channels : int
        Of the result.
    lanes : int
        That are used.
    groups : tuple of Group
    parameters : numpy.ndarray of Python integers, shape (items, columns, 2)
    """

    first: int
    channels: int
    lanes: int
    groups: tuple[Group, ...]
    parameters: np.ndarray


@dataclass(frozen=True, eq=False)
class Plan:
    """A pass with all that it needs.

    Attributes
    ----------
    work : Pass
    mode : int
        Which lanes its accumulators have.
    tiles : tuple of Tile
    boundaries, codes : numpy.ndarray, uint64
        Items of the post-processor's tables.
    stages : int
        The boundaries are ``2**stages - 1``.
    shift : int
        Bits by which sums are larger than the graph's.
    peak : int
        Products that the array makes in a cycle.
    """

    work: Pass
    mode: int
    tiles: tuple[Tile, ...]
    boundaries: np.ndarray
    codes: np.ndarray
    stages: int
    shift: int
    peak: int


class Planner:
    """Plans of passes.

    Parameters
    ----------
    machine : Machine
    family : Family
    stored : dict of str to Stored
    passes : list of Pass

    Attributes
    ----------
    layouts : dict of str to Layout
    """

    def __init__(
        self, machine: Machine, family: Family, stored: dict[str, Stored], passes: list[Pass]
    ) -> None:
        self._machine, self._family, self._stored = machine, family, stored
        passes = [work.by_columns(machine.accumulators) for work in passes]
        self._pairs = [self._pairs_of(work) for work in passes]
        self.layouts = {name: self._layout(tensor, passes) for name, tensor in stored.items()}
        self.plans = [self._plan(work, pairs) for work, pairs in zip(passes, self._pairs)]

    def _refusal(self, work: Pass, what: str, remedy: str) -> UserError:
        return UserError(
            f"layers that the array {self._machine.name} has were expected, but {work.layers[-1]} {what}; "
            f"{remedy}"
        )

    def _pairs_of(self, work: Pass) -> list[list[Pair]]:
        """How codes are multiplied, for each part of each term; all with as many lanes."""

        def found(lanes: int) -> list[list[Pair]]:
            return [[self._pair(work, part, lanes) for part in term.parts] for term in work.sums.terms]

        pairs = found(0)
        return found(min(pair.lanes for row in pairs for pair in row))

    def _pair(self, work: Pass, part: Part, lanes: int) -> Pair:
        fmt = self._stored[part.pixels.tensor].format
        used = np.unique(part.weights[part.weights != NONE])
        try:
            pair = self._family.pair(self._machine, fmt, part.format, lanes, used=used)
        except UserError as error:
            raise self._refusal(work, "cannot be multiplied", str(error)) from None
        if pair.nothing < 0 and self._has_holes(part, pair):
            with suppress(UserError):  # `_group` refuses what has no such code
                return self._family.pair(self._machine, fmt, part.format, lanes, True, used)
        return pair

    def _has_holes(self, part: Part, pair: Pair) -> bool:
        """Whether an output has no weight for a slot that is multiplied for its tile."""
        word, columns = self._machine.rows * pair.planes, self._machine.columns
        outputs, *places, channels = part.weights.shape
        there = np.pad(part.weights != NONE, (*[(0, 0)] * 3, (0, -channels % word)))
        there = there.reshape(outputs, *places, -1, word)
        for first in range(0, outputs, columns):
            tile = there[first : first + columns]
            used = np.flatnonzero(tile.any(axis=(0, 1, 2, 4)))
            if len(used) and not tile[:, :, :, used[0] : used[-1] + 1].all():
                return True
        return False

    def _layout(self, tensor: Stored, passes: list[Pass]) -> Layout:
        """As all that read it want it; else one code a slot, which everybody can read."""
        wanted = {
            (pair.planes, pair.code_bits)
            for work, rows in zip(passes, self._pairs)
            for term, pairs in zip(work.sums.terms, rows)
            for part, pair in zip(term.parts, pairs)
            if part.pixels.tensor == tensor.name
        }
        planes, bits = wanted.pop() if len(wanted) == 1 else (1, SLOT_BITS)
        return Layout(tensor.name, tensor.shape, tensor.format, planes, bits, self._machine.rows)

    def _plan(self, work: Pass, pairs: list[list[Pair]]) -> Plan:
        first = pairs[0][0]
        shifts = [row[0].unit_shift for row in pairs]
        shift = max(shifts)
        columns, count = self._machine.columns, len(work.sums.terms[0].multipliers)
        simple = work.maximum or any(part.uniform for term in work.sums.terms for part in term.parts)
        lanes = 1 if simple else first.lanes
        self._check_sums(work, pairs)
        multipliers, offsets = self._parameters(work, shift, shifts)
        tiles = []
        for start in range(0, count, lanes * columns):
            kept = min(lanes * columns, count - start)
            used = -(-kept // columns)
            groups = self._groups(work, pairs, start, used)
            chosen = _by_items(multipliers, offsets, start, kept, used, columns)
            tiles.append(Tile(start, kept, used, groups, chosen))
        boundaries, codes, stages = _tables(work, shift)
        planes = max(pair.planes for row in pairs for pair in row)
        peak = self._machine.rows * columns * first.lanes * planes // len(first.parts)
        return Plan(work, first.mode, tuple(tiles), boundaries, codes, stages, shift, peak)

    # ---- weights -------------------------------------------------------------------------------------------

    def _groups(self, work: Pass, pairs: list[list[Pair]], start: int, lanes: int) -> tuple[Group, ...]:
        found = []
        for index, (term, row) in enumerate(zip(work.sums.terms, pairs)):
            parts = [self._group(work, index, *both, start, lanes) for both in zip(term.parts, row)]
            made = [group for group in parts if group is not None]
            if not made:  # outputs that are zero: a tile without weights makes them
                made = [self._empty(index, term, row[0])]
            found += made
        return tuple(found)

    def _group(self, work: Pass, index: int, part: Part, pair: Pair, start: int, lanes: int) -> Group | None:
        machine, codes = self._machine, self._placed(part, pair, start, lanes)
        used = np.flatnonzero((codes != NONE).any(axis=(0, 1, 3, 4, 5, 6)))
        if not len(used):
            return None
        codes = codes[:, :, used[0] : used[-1] + 1]
        outputs = start + np.arange(codes.shape[5])[:, None] + machine.columns * np.arange(codes.shape[6])
        holes = (codes == NONE) & (outputs < len(part.weights))  # what other columns make is not kept
        if pair.nothing < 0 and holes.any():
            raise self._refusal(
                work,
                f"has weights of {part.format}, which have no zero for channels that do not exist",
                f"take a multiple of {machine.rows * pair.planes} channels, or other weights",
            )
        try:
            slots = self._slots(pair, np.where(codes == NONE, max(pair.nothing, 0), codes))
        except UserError as error:
            raise self._refusal(work, "cannot be multiplied", str(error)) from None
        if part.uniform and len(used) > 1:
            slots = np.broadcast_to(slots, (*part.window.kernel, *slots.shape[2:]))
        return Group(index, part, pair, int(used[0]), slots)

    def _empty(self, index: int, term: Term, pair: Pair) -> Group:
        part = term.parts[0]
        shape = (1, 1, 1, self._machine.rows, self._family.weight_bytes(self._machine))
        return Group(index, part, pair, 0, np.zeros(shape, np.uint8))

    def _placed(self, part: Part, pair: Pair, start: int, lanes: int) -> np.ndarray:
        """Weights by tap, word, row, plane, column and lane."""
        machine, layout = self._machine, self.layouts[part.pixels.tensor]
        weights = part.weights[start : start + lanes * machine.columns]
        inside = layout.pixel_words * machine.rows * layout.planes
        missing = lanes * machine.columns - len(weights), inside - weights.shape[3]
        weights = np.pad(weights, ((0, missing[0]), (0, 0), (0, 0), (0, missing[1])), constant_values=NONE)
        shape = (lanes, machine.columns, *weights.shape[1:3], layout.pixel_words, layout.planes, machine.rows)
        placed = weights.reshape(shape).transpose(2, 3, 4, 6, 5, 1, 0)
        more = pair.planes - layout.planes, pair.lanes - lanes
        return np.pad(placed, (*[(0, 0)] * 4, (0, more[0]), (0, 0), (0, more[1])), constant_values=NONE)

    def _slots(self, pair: Pair, codes: np.ndarray) -> np.ndarray:
        places, inner = codes.shape[:4], codes.shape[4:]
        slots = self._family.slots(self._machine.modes[pair.mode], codes.reshape(-1, *inner))
        return slots.reshape(*places, -1)

    # ---- sums ----------------------------------------------------------------------------------------------

    def _check_sums(self, work: Pass, pairs: list[list[Pair]]) -> None:
        for term, row in zip(work.sums.terms, pairs):
            bits = int(self._largest(term, row).max()).bit_length() + 1
            lane = self._machine.modes[row[0].mode].lane_bits
            if bits > lane:
                raise self._refusal(
                    work,
                    f"has sums of {bits} bits, and a lane of its mode has {lane}",
                    "take formats with a smaller range, or fewer input channels",
                )

    def _largest(self, term: Term, pairs: list[Pair]) -> np.ndarray:
        """Bound of the magnitude of each channel's sum and of all its partial sums (Python integers)."""
        total = np.zeros(len(term.multipliers), object)
        for part, pair in zip(term.parts, pairs):
            tensor = self._stored[part.pixels.tensor]
            integers = tensor.format.integers
            occurs = (integers >= tensor.low) & (integers <= tensor.high)
            occurs[part.pad] = True
            most = np.append(pair.largest(np.flatnonzero(occurs)), 0)  # the last one of NONE
            places = part.window.positions if part.uniform else 1
            total += most.astype(object)[part.weights].sum(axis=(1, 2, 3)) * places
        return total

    def _parameters(self, work: Pass, shift: int, shifts: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Multipliers (terms, channels) and offsets (channels), Python integers.

        The sums of a term are larger than the graph's by its shift, and results by the largest of them.
        """
        codes, terms = work.codes, work.sums.terms
        ones = np.array([1] * len(terms[0].multipliers), object)
        scale = ones if codes is None else codes.multipliers.astype(object)
        offsets = ones * 0 if codes is None else codes.offsets.astype(object) << shift
        found = np.stack([t.multipliers * scale << shift - own for t, own in zip(terms, shifts)])
        columns = work.sums.size[1] if work.gathered else 1
        reach = [self._largest(term, pairs) * columns for term, pairs in zip(terms, self._pairs_of(work))]
        most = sum((abs(m) * r for m, r in zip(found, reach)), abs(offsets)).max()
        bits = int(abs(found).max()).bit_length() + 1, int(most).bit_length() + 1
        if bits[0] > self._machine.multiplier_bits or bits[1] > self._machine.offset_bits:
            raise self._refusal(
                work,
                f"needs multipliers of {bits[0]} bits and scaled sums of {bits[1]}, and there are "
                f"{self._machine.multiplier_bits} and {self._machine.offset_bits}",
                "quantise both branches with scales whose ratio is a small power of two",
            )
        return np.repeat(found, columns, axis=0), offsets


def _by_items(
    multipliers: np.ndarray, offsets: np.ndarray, start: int, kept: int, lanes: int, columns: int
) -> np.ndarray:
    """Items of parameters: for each lane one for each term; the offset stands with the first term."""
    terms = len(multipliers)
    items = np.zeros((lanes, terms, columns, 2), object)
    for channel in range(kept):
        lane, column = divmod(channel, columns)
        items[lane, :, column, 0] = multipliers[:, start + channel]
        items[lane, 0, column, 1] = offsets[start + channel]
    return items.reshape(-1, columns, 2)


def _tables(work: Pass, shift: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Items of boundaries and codes, and the stages of the search."""
    if work.codes is None:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64), 0
    boundaries = [int(b) << shift for b in work.codes.boundaries]
    stages = len(boundaries).bit_length()
    table = np.full(2**stages - 1, 2**63 - 1, np.int64)  # those behind the last are never reached
    table[: len(boundaries)] = boundaries
    return table.view(np.uint64), packed(work.codes.codes.astype(np.uint8)), stages
