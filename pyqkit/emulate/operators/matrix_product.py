"""Products of two streams: looked up, or in float32 or float64 that stand for integers."""

from __future__ import annotations

import ctypes

import numpy as np

from pyqkit.emulate.carrier import KERNEL_TYPES, carrier_type
from pyqkit.emulate.compute import Call, Compute, Kernel, one_after_the_other, prepared
from pyqkit.emulate.lookups import Finish
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Choice, Context, Runner, runs
from pyqkit.emulate.stream_lookups import StreamLookups
from pyqkit.formats import product
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.matrix_product import MatrixProduct

_TYPES = (*KERNEL_TYPES, np.dtype(np.float64))
_FLOAT32, _FLOAT64 = 2**24, 2**53  # integers below are numbers of the type


class _Heads(ctypes.Structure):
    """`Heads` of kernels/matrix_product.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("numbers", "places")),
        *(
            (name, ctypes.c_int32)
            for name in ("left_pixels", "right_pixels", "groups", "terms", "results", "copies", "across")
        ),
    ]


@runs("matrix_product")
class MatrixProductRunner(Runner):
    """A kernel with the requantiser inside where every partial sum is exact, else the definition."""

    def __init__(self, op: Operator, context: Context) -> None:
        super().__init__(op, context)
        self._lookups = None if context.library is None else StreamLookups.of(*context.inputs)
        self.carrier = self._carrier()

    def _carrier(self) -> str:
        if self._lookups is not None:
            return "int16 lookups"
        if self.context.library is None or not self._known or self._bound() >= _FLOAT64:
            return ""
        return "float32 streams" if self._bound() < _FLOAT32 else "float64 streams"

    def choice(self) -> Choice:
        if self._lookups is not None:
            return Choice(self._bound())
        reach = f"sums reach {self._bound():,}"
        return Choice(self._bound(), {} if self.carrier == "float32 streams" else {"float32 streams": reach})

    def alone(self) -> Compute:
        return self._kernel(None) or super().alone()

    def fused(self, requantiser: Requantiser) -> Compute | None:
        return self._kernel(requantiser)

    def result_type(self) -> np.dtype | None:
        """As the kernel writes it."""
        if not self.carrier:
            return None
        return np.dtype(np.int32 if self._lookups is None and self._bound() < _FLOAT32 else np.int64)

    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        left, right = self.context.inputs
        return product(left.format, right.format).factors

    def _bound(self) -> int:
        """Largest partial sum; of the copies of a factor at most one is not zero."""
        assert isinstance(self.op, MatrixProduct)
        left, right = (int(abs(table).max()) for table in self._tables())
        return left * right * self.op.shape_of_group(self.context.inputs)[1]

    def _kernel(self, requantiser: Requantiser | None) -> Kernel | None:
        library, bound, op = self.context.library, self._bound(), self.op
        assert isinstance(op, MatrixProduct)
        if library is None or not self.carrier:
            return None
        if self._lookups is not None:
            return self._looked_up(self._lookups, library, requantiser)
        (left, right), tables = self.context.inputs, self._tables()
        results, terms = op.shape_of_group([left, right])
        copies, across = tables[0].shape[1], int(op.across)
        singles = _singles(tables[0]) if copies > 1 and carrier_type(left) in KERNEL_TYPES else []
        addresses: list[int | None] = [table.ctypes.data for table in singles] or [None, None]
        pixels = left.pixels, right.pixels
        heads = _Heads(*addresses, *pixels, op.groups, terms * copies, results, copies, across)
        heads.tables = singles  # which its addresses are of
        is_float, kind = int(bound < _FLOAT32), None if requantiser is None else requantiser.sum_type
        is_wide = int(not is_float if kind is None else kind == np.int64)
        expanded = [
            table.astype(np.float64) if t.format.is_logarithmic else None
            for t, table in zip((left, right), tables)
        ]
        if singles:
            expanded[0] = None

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            sides = [_Side(values, table) for values, table in zip(x, expanded)]
            given = [item for side in sides for item in (side.factors, side.type)]
            ends: tuple[object, ...] = (result, None, None)
            if requantiser is not None:
                ends = (None, requantiser.argument, result)
            sizes = len(x[0]), ctypes.byref(heads), is_float, is_wide
            run = prepared(library.pyqkit_matrix_product, *given, *sizes, *ends)
            return one_after_the_other(*(side.expand for side in sides if side.table is not None), run)

        return Kernel(bind)

    def _looked_up(
        self, lookups: StreamLookups, library: ctypes.CDLL, requantiser: Requantiser | None
    ) -> Kernel:
        op, (left, right) = self.op, self.context.inputs
        assert isinstance(op, MatrixProduct)
        results, terms = op.shape_of_group([left, right])
        pixels = {"left_pixels": left.pixels, "right_pixels": right.pixels}
        group = {"heads": op.groups, "terms": terms, "results": results, "across": int(op.across)}
        streams = lookups.structure({**pixels, **group})

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            finish = Finish.of(requantiser, result)
            call = library.pyqkit_lookup_streams
            run = prepared(call, *x, len(x[0]), ctypes.byref(streams), ctypes.byref(finish))
            run.keep = x, result, streams, finish, requantiser  # type: ignore[attr-defined]
            return run

        return Kernel(bind)

    @property
    def _known(self) -> bool:
        """Whether kernels can read what stands for the factors."""
        inputs = self.context.inputs
        codes = all(t.format.is_logarithmic for t in inputs)
        return (codes or self._tables()[0].shape[1] == 1) and all(
            t.format.is_logarithmic or carrier_type(t) in KERNEL_TYPES for t in inputs
        )


def _singles(table: np.ndarray) -> list[np.ndarray]:
    """By code the number that is not 0 and its place; nothing if a code has several."""
    if (np.count_nonzero(table, axis=1) > 1).any():
        return []
    places = abs(table).argmax(axis=1)
    return [table[np.arange(len(table)), places].astype(np.float64), places.astype(np.int32)]


class _Side:
    """The numbers of one stream: carriers, or what a table makes of them."""

    def __init__(self, carriers: np.ndarray, table: np.ndarray | None) -> None:
        self.carriers, self.table = carriers, table
        self.factors = carriers if table is None else np.empty((*carriers.shape, table.shape[1]))
        self.type = _TYPES.index(self.factors.dtype)

    def expand(self) -> None:
        """Factors of the carriers that are there now."""
        if self.table is not None:
            self.table.take(self.carriers, axis=0, out=self.factors, mode="clip")
