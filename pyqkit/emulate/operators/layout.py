"""Operators that move elements, of whatever type."""

from __future__ import annotations

from functools import partial

import numpy as np

from pyqkit.emulate.compute import Call, Compute, Kernel
from pyqkit.emulate.runner import Runner, runs
from pyqkit.graph.ops.layout import Pad, Permute


@runs("slice")
@runs("concat")
@runs("reshape")
@runs("resize")
@runs("transpose")
class MovingRunner(Runner):
    """The definition on carriers: of a view of the input once, else every time."""

    def alone(self) -> Compute:
        op, tensors = self.op, self.context.inputs

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            (moved,) = op.execute(x, tensors)
            if np.may_share_memory(moved, x[0]):
                return partial(np.copyto, result, moved)
            return lambda: np.copyto(result, op.execute(x, tensors)[0])

        return Kernel(bind)


@runs("permute")
class PermuteRunner(Runner):
    """Channels one after the other are a slice."""

    def alone(self) -> Compute:
        op = self.op
        assert isinstance(op, Permute)
        first, channels = op.channels[0], np.array(op.channels)
        together = op.channels == list(range(first, first + len(channels)))

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            if together:
                return partial(np.copyto, result, x[0][..., first : first + len(channels)])
            return partial(np.take, x[0], channels, -1, result, "clip")

        return Kernel(bind)


@runs("pad")
class PadRunner(Runner):
    """Zeros around integers, or the code of zero around codes."""

    def alone(self) -> Compute:
        op, (tensor,) = self.op, self.context.inputs
        assert isinstance(op, Pad)
        zero = tensor.format.zero_code if tensor.format.is_logarithmic else 0
        inside = tuple(slice(first, first + size) for first, size in zip(op.before, tensor.shape))

        def bind(x: list[np.ndarray], result: np.ndarray) -> Call:
            (source,), middle = x, result[(slice(None), *inside)]

            def call() -> None:
                result.fill(zero)
                middle[...] = source

            return call

        return Kernel(bind)
