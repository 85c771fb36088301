"""Tables of products as few rows times powers of two, and weights as the kernel of look-ups reads them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.requantiser import Requantiser

CODES = 256  # that a byte has
MANTISSAS = 16  # of one row
GROUPS = 4  # of mantissas
POWERS = 64  # of the activations, with both signs and zero
LARGEST_POWER = 14  # of two that is an int16
TOGETHER = 4  # outputs
CHUNK = 36  # pairs of activations that stay in the first cache
BLOCK = 512  # that stay in the second one
FOUR = np.dtype([("pair", np.uint16), ("rows", np.uint16, (TOGETHER, 2))])
ENTRY = np.dtype([("pair", np.uint16), ("rows", np.uint16, 2), ("unused", np.uint16)])
RUN = np.dtype([("entries", np.int32), ("shift", np.int32)])


class Finish(ctypes.Structure):
    """`Finish` of kernels/lookup_sink.hpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("sums", "joined", "integers", "scale", "factor")),
        ("wide", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("requantiser", "trees", "out")),
    ]

    @classmethod
    def of(cls, requantiser: Requantiser | None, result: np.ndarray) -> Finish:
        """Sums as they are, or requantised, into an array."""
        if requantiser is None:
            return cls(sums=result.ctypes.data)
        wide = int(requantiser.sum_type == np.int64)
        trees = None if requantiser.trees is None else requantiser.trees.ctypes.data
        return cls(wide=wide, requantiser=requantiser.address, trees=trees, out=result.ctypes.data)


@dataclass(frozen=True)
class Activations:
    """The rows of a table of products, as powers of two times a few rows.

    Attributes
    ----------
    mantissa : numpy.ndarray of uint8, shape (256,)
        Index of the row in `base`, by code.
    power : numpy.ndarray of uint8, shape (256,)
        Index of the power in `powers`, by code.
    powers : numpy.ndarray of int16, shape (windows, 64)
        Signed powers of two. A code has one that is not zero in a single window; the others are zero.
    base : numpy.ndarray of int64, shape (groups, 16, weight codes)
    """

    mantissa: np.ndarray
    power: np.ndarray
    powers: np.ndarray
    base: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray) -> Activations | None:
        """Of a table of products, (codes, weight codes); None if there are too many rows or powers."""
        rows: dict[bytes, int] = {}
        signed: dict[tuple[int, int], int] = {(0, 0): 0}
        mantissa, power = (np.zeros(CODES, np.uint8) for _ in range(2))
        found: list[np.ndarray] = []
        for code in np.flatnonzero(table.any(axis=1)).tolist():
            row = table[code]
            sign = 1 if row[np.flatnonzero(row)[0]] > 0 else -1
            together = int(np.bitwise_or.reduce(np.abs(row)))
            exponent = (together & -together).bit_length() - 1
            row = sign * row >> exponent
            if row.tobytes() not in rows:
                rows[row.tobytes()] = len(rows)
                found.append(row)
            mantissa[code] = rows[row.tobytes()]
            power[code] = signed.setdefault((sign, exponent), len(signed))
            if len(rows) > GROUPS * MANTISSAS or len(signed) > POWERS:
                return None
        flat = np.zeros((-(-len(found) // MANTISSAS) * MANTISSAS, table.shape[1]), np.int64)
        flat[: len(found)] = found
        base = flat.reshape(-1, MANTISSAS, table.shape[1])
        windows = 1 + max(exponent for _, exponent in signed) // (LARGEST_POWER + 1)
        powers = np.zeros((windows, POWERS), np.int16)
        for (sign, exponent), index in signed.items():
            window, rest = divmod(exponent, LARGEST_POWER + 1)
            powers[window, index] = sign << rest
        return cls(mantissa, power, powers, base)


@dataclass(frozen=True)
class Weights:
    """The columns of the base table that weights choose, as int16 times powers of two.

    Attributes
    ----------
    rows : numpy.ndarray of int16, shape (groups, rows, 16)
        The first of each group is zero.
    row, shift : numpy.ndarray of int64, shape (weight codes,)
        ``base[:, :, code] == rows[:, row[code]] << shift[code]`` of the codes in use.
    """

    rows: np.ndarray
    row: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, base: np.ndarray, used: np.ndarray) -> Weights | None:
        """Of columns (groups, 16, codes) of which some are used; None if one spans more than 16 bits."""
        together = np.bitwise_or.reduce(np.abs(base), axis=(0, 1))
        lowest = np.array([(int(x) & -int(x)).bit_length() - 1 for x in together])  # of the bits that are set
        least = np.array([max(0, int(x).bit_length() - 15) for x in together])  # shifts that leave an int16
        left = np.flatnonzero(used & (together != 0))
        if (lowest[left] < least[left]).any():
            return None
        shift = np.zeros(base.shape[2], np.int64)
        row = np.zeros(base.shape[2], np.int64)
        row[left] = 1 + np.arange(len(left))
        rows = np.zeros((len(base), 1 + len(left), MANTISSAS), np.int16)
        while left.size:  # the largest first: as many as possible share a shift, and so a chunk
            farthest = int(least[left].max())
            taken, left = left[lowest[left] >= farthest], left[lowest[left] < farthest]
            shift[taken] = farthest
            rows[:, row[taken]] = (base[..., taken] >> farthest).transpose(0, 2, 1)
        return cls(rows, row, shift)


@dataclass(frozen=True)
class Program:
    """What the kernel reads of the weights, block by block.

    Attributes
    ----------
    chunk : int
        Pairs of weights whose products of an output are added in 32 bits.
    block : int
        Pairs of activations that are made at a time, some chunks.
    shift : int
        The one that most weights have.
    common : numpy.ndarray of FOUR
        Rows of the weights that have it.
    entries : numpy.ndarray of ENTRY
        The others.
    runs : numpy.ndarray of RUN
        Entries of one output and shift, whose sum fits 32 bits.
    counts : numpy.ndarray of int32, shape (blocks, outputs)
        Runs of each.
    """

    chunk: int
    block: int
    shift: int
    common: np.ndarray
    entries: np.ndarray
    runs: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, shifts: np.ndarray, bound: np.ndarray, windows: int) -> Program:
        """Of rows and shifts (outputs, pairs, 2), and the largest product of each row (groups, rows)."""
        used = shifts[rows != 0]
        shift = int(np.bincount(used).argmax()) if used.size else 0
        shared = np.where(shifts == shift, rows, 0)
        parts = windows * len(bound)
        chunk = _chunk(bound.max(axis=0)[shared].sum(axis=2), CHUNK // parts or 1)
        block = chunk * max(1, BLOCK // (chunk * parts))
        others = _entries(np.where(shifts == shift, 0, rows), shifts, bound, windows, (chunk, block))
        return cls(chunk, block, shift, _in_fours(shared, chunk, block), *others)


def _chunk(bounds: np.ndarray, most: int) -> int:
    """Pairs that the sums of an output in 32 bits hold, given the bound of each, (outputs, pairs)."""
    pairs = bounds.shape[1]
    for count in range(-(-pairs // most), pairs + 1):
        chunk = -(-pairs // count)
        sums = np.add.reduceat(bounds, np.arange(0, pairs, chunk), axis=1)
        if sums.max() <= INT32:
            break
    return chunk  # of one pair in the end, whose bound is 2**30


def _in_fours(rows: np.ndarray, chunk: int, block: int) -> np.ndarray:
    """Rows (outputs, pairs, 2) in the order [block][four outputs][pair]."""
    padded = np.pad(rows, ((0, -len(rows) % TOGETHER), (0, 0), (0, 0)))
    fours = np.empty((len(padded) // TOGETHER, rows.shape[1]), FOUR)
    fours["rows"] = padded.reshape(-1, TOGETHER, *rows.shape[1:]).swapaxes(1, 2)
    fours["pair"] = np.arange(rows.shape[1]) % block % chunk
    return np.concatenate(
        [fours[:, first : first + block].ravel() for first in range(0, rows.shape[1], block)]
    )


def _entries(
    rows: np.ndarray, shifts: np.ndarray, bound: np.ndarray, windows: int, sizes: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries, runs and their counts, given the sizes of a chunk and of a block."""
    chunk, block = sizes
    outputs, pairs, _ = rows.shape
    groups, height = bound.shape
    everywhere = np.broadcast_to(rows != 0, (groups, windows, *rows.shape))
    group, window, output, pair, side = np.nonzero(everywhere)
    shift = shifts[output, pair, side] + (LARGEST_POWER + 1) * window
    part = pair // block
    order = np.lexsort((side, pair, window, group, shift, output, part))
    keys = group, window, output, pair, side, shift, part
    group, window, output, pair, side, shift, part = (key[order] for key in keys)
    row = rows[output, pair, side]
    entries = np.zeros(len(row), ENTRY)
    first = pair - pair % block % chunk  # of the chunk
    inside = np.minimum(chunk, np.minimum(pairs, (part + 1) * block) - first)
    place = (first - part * block) * groups * windows
    entries["pair"] = place + (group * windows + window) * inside + pair - first
    entries["rows"][...] = (group * height)[:, None]
    entries["rows"][np.arange(len(row)), side] += row.astype(np.uint16)
    room = INT32 - int(bound.max())
    reached = np.cumsum(bound[group, row]) // room  # a run goes no farther than `room` and its first entry
    apart = np.stack([part, output, shift, reached])
    begins = np.flatnonzero(np.concatenate([[True], (apart[:, 1:] != apart[:, :-1]).any(axis=0)])[: len(row)])
    runs = np.zeros(len(begins), RUN)
    runs["entries"], runs["shift"] = np.diff([*begins, len(row)]), shift[begins]
    counts = np.zeros((-(-pairs // block), outputs), np.int32)
    np.add.at(counts, (part[begins], output[begins]), 1)
    return entries, runs, counts
