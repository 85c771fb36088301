"""Requantisers of engine `exact`, in the form its kernels take."""

from __future__ import annotations

import ctypes
from functools import cached_property
from typing import Any

import numpy as np

from pyqkit.emulate.affine import Affine, Staircase, affine, rescaled
from pyqkit.emulate.carrier import carrier_type
from pyqkit.emulate.compute import Call, prepared
from pyqkit.emulate.kernels import INT32, pointer
from pyqkit.emulate.search_trees import MOST_STEPS, search_trees
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.requantise import Rescale, Threshold

_WHOLE = ("count", "same", "wide", "shift", "relu", "low", "high", "out_bytes")


class _Structure(ctypes.Structure):
    """`Requantiser` of kernels/requantise.hpp."""

    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in ("by_index", "by_channel", "falling", "integers", "multiplier", "offset")
        ),
        *((name, ctypes.c_int32) for name in _WHOLE),
        ("affine", ctypes.c_void_p),
    ]


class Requantiser:
    """What happens to exact sums after a convolution or an addition.

    Parameters
    ----------
    op : Threshold or Rescale
    source, out : Tensor
    library : ctypes.CDLL, optional
        Compiled kernels; with them a requantiser runs by arithmetic where that is proven.

    Attributes
    ----------
    out_type : numpy.dtype
        Carrier of the result.
    sum_type : numpy.dtype
        Integers that kernels read, int32 or int64.
    address, argument
        Of the structure that kernels read, as an integer and as their argument.
    fits_kernels : bool
        Whether kernels know the rule: the same values for all channels, or a rescale to 32 bits.
    """

    def __init__(
        self,
        op: Threshold | Rescale,
        source: Tensor,
        out: Tensor,
        library: ctypes.CDLL | None = None,
    ) -> None:
        self.out_type = carrier_type(out)
        self.sum_type = np.dtype(np.int32 if max(-source.low, source.high + 1) <= INT32 else np.int64)
        self._op = op
        self._arrays = self._thresholds(op, source) if isinstance(op, Threshold) else self._rescale(op)
        scalars = (
            {}
            if isinstance(op, Threshold)
            else {"shift": op.shift, "relu": int(op.relu), "low": op.format.low, "high": op.format.high}
        )
        wide = isinstance(op, Rescale) and max(op.scaled_bits(source), self.sum_type.itemsize * 8) > 32
        if isinstance(op, Rescale):
            self._arrays = {
                name: values.astype(np.int64 if wide else np.int32) for name, values in self._arrays.items()
            }
        self._structure = _Structure(
            **{name: values.ctypes.data for name, values in self._arrays.items()},
            **scalars,
            count=len(self._arrays["by_index"]) if isinstance(op, Threshold) else 0,
            same=int(isinstance(op, Threshold) and len(self._arrays["by_channel"]) == 1),
            wide=int(wide),
            out_bytes=self.out_type.itemsize,
        )
        self.address = ctypes.addressof(self._structure)
        self.argument = ctypes.c_void_p(self.address)
        self.affine = self._affine(op, source, library) if library is not None and self.fits_kernels else None

    def _affine(self, op: Threshold | Rescale, source: Tensor, library: ctypes.CDLL) -> Affine | None:
        """The same by arithmetic, which the structure then names, where it is proven."""
        if isinstance(op, Rescale):
            stairs = rescaled(op, source.low, source.high)
        elif self.out_type != np.int64 and (np.diff(self._lookup[0]) > 0).all():
            rows = np.ascontiguousarray(self._arrays["by_index"].T.astype(np.int64))
            stairs = Staircase(rows, op.falling, self._lookup[0], source.low, source.high)
        else:
            stairs = None
        if stairs is None:
            return None

        def run(sums: np.ndarray, tried: Affine) -> np.ndarray:
            self._structure.affine = tried.address
            return self.apply(sums, library)

        kinds = (np.float32, np.float64) if self.sum_type == np.int32 else (np.float64,)
        found = affine(stairs, self.out_type, kinds, self._plain, run)
        self._structure.affine = None if found is None else found.address
        return found

    @cached_property
    def trees(self) -> np.ndarray | None:
        """Thresholds as rows of nodes of kernels/search_tree.hpp; None if there are too many, or none."""
        if isinstance(self._op, Rescale) or self.out_type.itemsize > 1 or self._structure.count > MOST_STEPS:
            return None
        return search_trees(self._arrays["by_channel"])

    def _thresholds(self, op: Threshold, source: Tensor) -> dict[str, np.ndarray]:
        """Drop the steps that every channel has always passed, and those that none ever passes.

        A ReLU leaves half of the values, also in channels that fall, whose steps lie the other way round.
        """
        fmt, thresholds = op.format, op.thresholds
        lookup = op.codes.astype(np.int64) if fmt.is_logarithmic else fmt.integers[op.codes]
        down = op.falling[:, None]
        by_value = np.where(down, thresholds[:, ::-1], thresholds)
        passed, missed = by_value <= source.low, by_value > source.high
        always, never = np.where(down, missed, passed), np.where(down, passed, missed)
        first, last = int(always.all(axis=0).sum()), by_value.shape[1] - int(never.all(axis=0).sum())
        last = max(first, last)
        by_value, lookup = by_value[:, first:last], lookup[:, first : last + 1]
        thresholds = np.where(down, by_value[:, ::-1], by_value)
        self._lookup = lookup
        self.fits_kernels = len(lookup) == 1
        count = thresholds.shape[1]
        padded = np.full(
            (len(thresholds), 2 ** max(1, count.bit_length()) - 1), source.high + 1, self.sum_type
        )
        padded[:, :count] = thresholds
        same = bool((thresholds == thresholds[:1]).all())  # then a row stays in the cache
        return {
            "by_index": np.ascontiguousarray(thresholds.T.astype(self.sum_type)),
            "by_channel": padded[:1].copy() if same else padded,
            "falling": op.falling.astype(np.int32),
            "integers": lookup.astype(np.int64 if self.out_type == np.int64 else np.int32),
        }

    def _rescale(self, op: Rescale) -> dict[str, np.ndarray]:
        self.fits_kernels = op.format.low >= -INT32 and op.format.high <= INT32
        return {"multiplier": op.multiplier, "offset": op.offset}

    def apply(self, sums: np.ndarray, library: ctypes.CDLL | None) -> np.ndarray:
        """Carriers of exact sums of any shape (..., channels)."""
        if library is None or not self.fits_kernels:
            return self._plain(sums).astype(self.out_type)
        sums = np.ascontiguousarray(sums, self.sum_type)
        out, channels = np.empty(sums.shape, self.out_type), sums.shape[-1]
        call: Any = library.pyqkit_requantise32 if self.sum_type == np.int32 else library.pyqkit_requantise64
        call(pointer(sums), sums.size // channels, channels, self.argument, pointer(out))
        return out

    def bind(self, sums: np.ndarray, out: np.ndarray, library: ctypes.CDLL | None) -> Call:
        """What writes carriers of sums, which stay in place, into an array of `out_type`."""
        if library is None or not self.fits_kernels or sums.dtype != self.sum_type:
            return lambda: np.copyto(out, self.apply(sums, library))
        call = library.pyqkit_requantise32 if self.sum_type == np.int32 else library.pyqkit_requantise64
        channels = sums.shape[-1]
        return prepared(call, sums, sums.size // channels, channels, self.argument, out)

    def _plain(self, sums: np.ndarray) -> np.ndarray:
        if isinstance(self._op, Rescale):
            return self._op.rounded(sums.astype(np.int64))
        by_index = self._arrays["by_index"]
        steps = np.empty(sums.shape, np.int64)
        for channel in range(sums.shape[-1]):
            steps[..., channel] = np.searchsorted(by_index[:, channel], sums[..., channel], side="right")
        rows = np.arange(len(self._lookup)) if len(self._lookup) > 1 else 0
        return self._lookup[rows, np.where(self._op.falling, len(by_index) - steps, steps)]
