"""How an operator runs in engine `exact`: what a rule is given, and what it gives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pyqkit.discovery import Registry
from pyqkit.emulate.carrier import from_carrier, to_carrier
from pyqkit.emulate.compute import Compute
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.graph.graph import Operator, Tensor


@dataclass(frozen=True, eq=False)
class Factors:
    """How the sums of an operator and another branch are added.

    Attributes
    ----------
    sums, other : numpy.ndarray of int, shape (channels,)
        Multipliers.
    tensor : Tensor
        The other branch.
    kind : numpy.dtype
        Of its carrier.
    """

    sums: np.ndarray
    other: np.ndarray
    tensor: Tensor
    kind: np.dtype


@dataclass(frozen=True)
class Choice:
    """Why an operator's products are summed in a carrier.

    Attributes
    ----------
    bound : int or None
        Of every partial sum, proven from the real weights; None beyond 64 bits.
    lacking : dict of str to str
        Faster carriers, the next better first, and what each lacks.
    """

    bound: int | None = None
    lacking: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a rule is given.

    Attributes
    ----------
    inputs : list of Tensor
    out : Tensor
    types : mapping of str to numpy.dtype
        Of the arrays between operators, by tensor.
    library : ctypes.CDLL or None
        Compiled kernels.
    """

    inputs: list[Tensor]
    out: Tensor
    types: Mapping[str, np.dtype]
    library: ctypes.CDLL | None


class Runner:
    """How an operator computes; this one runs its definition.

    Attributes
    ----------
    carrier : str
        What products are summed in, for those who look into the engine; empty if nothing is multiplied.
    joins : bool
        Whether `joined` adds another branch to the result before it is stored.
    """

    carrier: str = ""
    joins: bool = False

    def __init__(self, op: Operator, context: Context) -> None:
        self.op, self.context = op, context

    def choice(self) -> Choice:
        """Why `carrier` was chosen, for operators that multiply."""
        return Choice()

    def alone(self) -> Compute:
        """The operator's result."""
        op, tensors, out = self.op, self.context.inputs, self.context.out
        return lambda x: to_carrier(
            op.execute([from_carrier(v, t) for v, t in zip(x, tensors)], tensors)[0], out
        )

    def fused(self, requantiser: Requantiser) -> Compute | None:
        """The result requantised, which is never stored itself; None if it has to be."""
        return None

    def joined(self, requantiser: Requantiser, factors: Factors) -> Compute | None:
        """The result times a factor, and another tensor, the second argument, times its own, requantised.

        None if the kernel does not hold the sum.
        """
        return None

    def result_type(self) -> np.dtype | None:
        """Type in which `alone` stores; None for the narrowest."""
        return None


__all__ = ["Choice", "Compute", "Context", "Factors", "Runner", "runner_for", "runs"]
_rules = Registry[type[Runner]]("pyqkit.emulate.operators")


def runs(kind: str) -> Callable[[type[Runner]], type[Runner]]:
    """Decorator that registers the runner of an operator."""
    return _rules.register(kind)


def runner_for(op: Operator, context: Context) -> Runner:
    """How an operator runs."""
    return (_rules.get(op.kind) or Runner)(op, context)
