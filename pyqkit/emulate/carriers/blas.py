"""Matrix products by BLAS on integer-valued floats: whatever the window, and without compiled kernels."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.layers import Carrier, Compute, Factors, carries, finished
from pyqkit.emulate.requantiser import Requantiser


class _Blas(Carrier):
    kind: type
    exact: int  # integers below it are values of the type

    def lacks(self) -> str:
        bound = self.layer.largest_sum
        if bound is None:
            return "operands beyond 64 bits"
        return "" if bound < self.exact else f"sums reach {bound:,}"

    def compile(self, requantiser: Requantiser | None, factors: Factors | None = None) -> Compute:
        assert self.layer.operands is not None
        multiply = self.layer.operands.multiplier(self.layer.op, self.kind)
        return lambda x: finished(multiply(x[0]), requantiser, self.layer)


@carries("float32 by BLAS")
class Float32(_Blas):
    """Exact below 2**24."""

    kind, exact, speed = np.float32, 2**24, 15


@carries("float64 by BLAS")
class Float64(_Blas):
    """Exact below 2**53."""

    kind, exact, speed = np.float64, 2**53, 4
