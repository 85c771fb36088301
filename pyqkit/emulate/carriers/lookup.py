"""Products that are looked up in registers, for formats whose activations have few mantissas.

A product is ``row[mantissa of the activation] * power of two of the activation``, where the weight chooses
the row. So any two formats are carried whose table of products has few rows that are no multiples by powers
of two of each other: Logarithmic Posits, whose products are no plain products, and minifloats.
"""

from __future__ import annotations

import ctypes
from functools import cached_property, partial
from typing import Any

import numpy as np

from pyqkit.emulate.compute import Call, Compute, Kernel, one_after_the_other, prepared
from pyqkit.emulate.layers import Carrier, carries
from pyqkit.emulate.lookups import Activations, Finish, Program, Weights
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Factors
from pyqkit.emulate.terms import largest_sum
from pyqkit.formats import product
from pyqkit.formats.base import MAX_TABLE_BITS


class _Lookup(ctypes.Structure):
    """`Lookup` of kernels/lookup.cpp."""

    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in (
                "mantissa",
                "power",
                "powers",
                "rows",
                "places",
                "common",
                "entries",
                "runs",
                "counts",
            )
        ),
        *(
            (name, ctypes.c_int32)
            for name in ("windows", "groups", "height", "zero", "shift", "pairs", "chunk", "block")
        ),
    ]


@carries("int16 lookups")
class LookupCarrier(Carrier):
    """Products by permutations of registers."""

    joins = True
    result_type = np.dtype(np.int64)

    @cached_property
    def _tables(self) -> tuple[Activations, Weights] | None:
        """Of the layer's formats; None if they do not suit."""
        layer = self.layer
        formats = layer.tensor.format, layer.op.weight_format
        if sum(fmt.bits for fmt in formats) > MAX_TABLE_BITS or layer.no_kernel:
            return None
        table = product(*formats).table
        activations = None if table.dtype == object else Activations.of(table)
        if activations is None:
            return None
        used = np.zeros(table.shape[1], bool)
        used[np.unique(layer.op.weights)] = True
        weights = Weights.of(activations.base, used)
        return None if weights is None else (activations, weights)

    def rate(self) -> float:
        if not self.layer.tensor.format.is_logarithmic or self._tables is None:
            return 0
        assert self.layer.library is not None
        fast: Any = self.layer.library.pyqkit_lookup_is_fast
        activations = self._tables[0]
        return 16 / (len(activations.powers) * len(activations.base)) if fast() else 1

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        assert self.layer.library is not None
        call: Any = self.layer.library.pyqkit_lookup
        lookup, kept = self._lookup()
        joining = self._joining(factors)
        window = self.layer.window()

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            finish = Finish.of(requantiser, result)
            for name, values in joining.items():
                setattr(finish, name, values.ctypes.data)
            before: list[Call] = []
            other = None
            if factors is not None:
                other = x[1]
                if "integers" not in joining and other.dtype != np.int64:
                    other = np.empty(x[1].shape, np.int64)
                    before.append(partial(np.copyto, other, x[1]))
                finish.joined = other.ctypes.data
            shape = np.array([len(x[0]), *window], np.int32)
            run = prepared(call, x[0], shape, ctypes.byref(lookup), ctypes.byref(finish))
            run.keep = kept, joining, x, other, shape, result, requantiser  # type: ignore[attr-defined]
            return one_after_the_other(*before, run)

        return Kernel(bind)

    def _lookup(self) -> tuple[_Lookup, dict[str, np.ndarray]]:
        """What the kernel reads of the weights, and the arrays to which it points."""
        assert self._tables is not None
        activations, weights = self._tables
        program = self._program(activations, weights)
        arrays = {
            "mantissa": activations.mantissa,
            "power": activations.power,
            "powers": activations.powers,
            "rows": weights.rows,
            "places": self._places(),
            "common": program.common,
            "entries": program.entries,
            "runs": program.runs,
            "counts": program.counts,
        }
        arrays = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        lookup = _Lookup(
            **{name: values.ctypes.data for name, values in arrays.items()},
            windows=len(activations.powers),
            groups=weights.rows.shape[0],
            height=weights.rows.shape[1],
            pairs=-(-self.layer.op.weights[0].size // 2),
            chunk=program.chunk,
            block=program.block,
            shift=program.shift,
            zero=self.layer.tensor.format.zero_code,
        )
        return lookup, arrays

    def _places(self) -> np.ndarray:
        """Where elements of a window lie in the kernel's `Image`, in pairs."""
        op, (height, width, channels) = self.layer.op, self.layer.tensor.shape
        top, left, bottom, right = op.padding
        apart = -(-(left + width + right) // op.stride[1])
        row = op.stride[1] * apart
        y, x, c = np.indices((*op.kernel, channels))
        places = c * row * (top + height + bottom) + y * row + x % op.stride[1] * apart + x // op.stride[1]
        return _paired(places.reshape(1, -1))[0].astype(np.int32)

    def _program(self, activations: Activations, weights: Weights) -> Program:
        op = self.layer.op
        rows = weights.row[op.weights].reshape(len(op.weights), -1)
        shifts = weights.shift[op.weights]
        if op.shifts is not None:
            shifts = shifts + op.shifts
        largest = int(np.abs(activations.powers.astype(np.int64)).max())
        bound = np.abs(weights.rows.astype(np.int64)).max(axis=2) * largest
        shifts = shifts.reshape(rows.shape)
        return Program.of(_paired(rows), _paired(shifts), bound, len(activations.powers))

    def fits_join(self, factors: Factors, requantiser: Requantiser) -> bool:
        """Whether 64 bits hold the sum."""
        terms = [(factors.sums, self.layer.out), (factors.other, factors.tensor)]
        return largest_sum(terms) < 2**63

    def _joining(self, factors: Factors | None) -> dict[str, np.ndarray]:
        """Arrays that the kernel reads of another branch."""
        if factors is None:
            return {}
        found = {"scale": factors.sums.astype(np.int64), "factor": factors.other.astype(np.int64)}
        if factors.tensor.format.is_logarithmic:
            found["integers"] = np.ascontiguousarray(factors.tensor.format.integers, np.int64)
        return found


def _paired(values: np.ndarray) -> np.ndarray:
    """(outputs, elements) in pairs, the last one filled with zero."""
    padded = np.pad(values, ((0, 0), (0, values.shape[1] % 2)))
    return padded.reshape(len(values), -1, 2)
