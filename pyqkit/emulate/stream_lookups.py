"""Products of two streams of codes, looked up in registers: the right stream chooses rows as weights do."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from pyqkit.emulate.kernels import INT32
from pyqkit.emulate.lookups import CHUNK, CODES, Activations, Weights
from pyqkit.formats import product
from pyqkit.formats.base import MAX_TABLE_BITS
from pyqkit.graph.graph import Tensor


class Structure(ctypes.Structure):
    """`Streams` of kernels/lookup_streams.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("mantissa", "power", "powers", "rows", "row", "shifts")),
        *((name, ctypes.c_int32) for name in ("windows", "groups", "height", "count", "chunk")),
        *(
            (name, ctypes.c_int32)
            for name in ("left_pixels", "right_pixels", "heads", "terms", "results", "across")
        ),
    ]


@dataclass(frozen=True)
class StreamLookups:
    """What the kernel reads of two formats.

    Attributes
    ----------
    activations : Activations
        Of the left stream.
    weights : Weights
        Of the right one, whose codes are all in use.
    row : numpy.ndarray of uint8, shape (shifts, 256)
        Of each code of the right stream, where its shift is that one; else 0, which is empty.
    shifts : numpy.ndarray of int32
    chunk : int
        Pairs whose sums of every shift 32 bits hold.
    """

    activations: Activations
    weights: Weights
    row: np.ndarray
    shifts: np.ndarray
    chunk: int

    @classmethod
    def of(cls, left: Tensor, right: Tensor) -> StreamLookups | None:
        """Of two streams; None if their formats do not suit."""
        formats = left.format, right.format
        if not all(f.is_logarithmic for f in formats) or sum(f.bits for f in formats) > MAX_TABLE_BITS:
            return None
        table = product(*formats).table
        activations = None if table.dtype == object else Activations.of(table)
        if activations is None:
            return None
        weights = Weights.of(activations.base, np.ones(table.shape[1], bool))
        if weights is None:
            return None
        shifts = np.unique(weights.shift[weights.row != 0])
        row = np.zeros((len(shifts), CODES), np.uint8)  # a code of zero has none
        row[:, : len(weights.row)] = np.where(weights.shift == shifts[:, None], weights.row, 0)
        parts = len(activations.powers) * len(activations.base)
        chunk = min(CHUNK // parts or 1, INT32 // (2 * _largest(activations, weights)))
        return cls(activations, weights, row, shifts.astype(np.int32), chunk)

    def structure(self, sizes: dict[str, int]) -> Structure:
        """For the kernel, with the sizes of streams; it keeps the arrays that it names."""
        arrays = {
            "mantissa": self.activations.mantissa,
            "power": self.activations.power,
            "powers": self.activations.powers,
            "rows": self.weights.rows,
            "row": self.row,
            "shifts": self.shifts,
        }
        arrays = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        made = Structure(
            **{name: values.ctypes.data for name, values in arrays.items()},
            windows=len(self.activations.powers),
            groups=self.weights.rows.shape[0],
            height=self.weights.rows.shape[1],
            count=len(self.shifts),
            chunk=self.chunk,
            **sizes,
        )
        made.arrays = arrays
        return made


def _largest(activations: Activations, weights: Weights) -> int:
    """Largest product of a code of the left stream and a row, without the row's shift."""
    group, place = np.divmod(activations.mantissa, weights.rows.shape[2])
    rows = abs(weights.rows.astype(np.int64)).max(axis=1)  # of the codes of a mantissa
    powers = abs(activations.powers.astype(np.int64)).max(axis=0)
    return int((rows[group, place] * powers[activations.power]).max())
