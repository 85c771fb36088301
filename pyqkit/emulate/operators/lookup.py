"""Look-up, from carrier to carrier."""

from __future__ import annotations

from functools import partial

import numpy as np

from pyqkit.emulate.carrier import codes_by_integer, to_carrier
from pyqkit.emulate.compute import Call, Compute, Kernel
from pyqkit.emulate.runner import Runner, runs
from pyqkit.graph.ops.lookup import Lookup


@runs("lookup")
class LookupRunner(Runner):
    """By integer instead of code; the definition for formats of a wide range."""

    def alone(self) -> Compute:
        op, (tensor,), out = self.op, self.context.inputs, self.context.out
        assert isinstance(op, Lookup)
        codes = (
            np.arange(2**tensor.format.bits)
            if tensor.format.is_logarithmic
            else codes_by_integer(tensor.format)
        )
        if codes is None:
            return super().alone()
        table = to_carrier(op.codes[:, codes], out)  # (1 or channels, integers), negative ones from the end
        if len(table) == 1:
            return Kernel(lambda x, result: partial(np.take, table[0], x[0], 0, result, "wrap"))
        rows = np.arange(len(table))

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            return lambda: np.copyto(result, table[rows, x[0]])

        return Kernel(bind)
