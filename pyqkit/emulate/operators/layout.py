"""Operators that move elements, of whatever type."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.runner import Compute, Runner, runs
from pyqkit.graph.ops.layout import Pad


@runs("permute")
@runs("slice")
@runs("concat")
@runs("reshape")
@runs("resize")
@runs("transpose")
class MovingRunner(Runner):
    """The definition on carriers."""

    def alone(self) -> Compute:
        op, tensors = self.op, self.context.inputs
        return lambda x: np.ascontiguousarray(op.execute(x, tensors)[0])


@runs("pad")
class PadRunner(Runner):
    """Zeros around integers, or the code of zero around codes."""

    def alone(self) -> Compute:
        op, fmt = self.op, self.context.inputs[0].format
        assert isinstance(op, Pad)
        zero = fmt.zero_code if fmt.is_logarithmic else 0
        return lambda x: np.pad(x[0], ((0, 0), *zip(op.before, op.after)), constant_values=zero)
