"""What a step of engine `exact` does: a function of arrays, or a compiled kernel that is bound to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyqkit.emulate.kernels import pointer

Call = Callable[[], object]
Function = Callable[[list[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Kernel:
    """A compiled kernel, whose arguments are prepared once for arrays that stay where they are.

    Attributes
    ----------
    bind : callable
        Of contiguous inputs and of the array that takes the result: gives what computes it, as often as it is
        called. The arrays must outlive it.
    """

    bind: Callable[[list[np.ndarray], np.ndarray], Call]


Compute = Function | Kernel


def bound(compute: Compute, inputs: list[np.ndarray], out: np.ndarray) -> Call:
    """What writes a result into `out`, whatever its type."""
    if isinstance(compute, Kernel):
        return compute.bind(inputs, out)
    function = compute

    def call() -> None:
        np.copyto(out, function(inputs), casting="unsafe")

    return call


def prepared(function: Any, *arguments: object) -> Call:
    """A call of a compiled function: arrays are passed by their address, and live as long as the call."""
    call = partial(function, *(pointer(a) if isinstance(a, np.ndarray) else a for a in arguments))
    call.keep = arguments  # type: ignore[attr-defined]
    return call


def one_after_the_other(*calls: Call) -> Call:
    """All of them as one call."""
    if len(calls) == 1:
        return calls[0]

    def call() -> None:
        for each in calls:
            each()

    return call
