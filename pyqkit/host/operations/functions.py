"""Functions of single elements."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import number_field
from pyqkit.host.operation import Node, Operation, Unsupported, operation


@dataclass(frozen=True)
class Function(Operation):
    """Base of functions of single elements."""

    @classmethod
    def read(cls, node: Node) -> Function:
        return cls()

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = given
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # infinities and NaN, as in ONNX
            return (self.of(x.astype(np.float64)).astype(x.dtype),)

    @abstractmethod
    def of(self, x: np.ndarray) -> np.ndarray:
        """The function of float64."""


@operation(Relu="torch.nn.ReLU")
@dataclass(frozen=True)
class Relu(Function):
    """``max(x, 0)``."""

    kind = "relu"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0.0)


@operation(Sigmoid="torch.nn.Sigmoid")
@dataclass(frozen=True)
class Sigmoid(Function):
    """``1 / (1 + exp(-x))``."""

    kind = "sigmoid"

    def of(self, x: np.ndarray) -> np.ndarray:
        small = np.exp(-np.abs(x))
        return np.where(x < 0, small, 1.0) / (1.0 + small)


@operation(Tanh="torch.nn.Tanh")
@dataclass(frozen=True)
class Tanh(Function):
    """The hyperbolic tangent."""

    kind = "tanh"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x)


@operation(Softplus="torch.nn.Softplus")
@dataclass(frozen=True)
class Softplus(Function):
    """``log(1 + exp(x))``."""

    kind = "softplus"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


@operation(Abs="torch.abs")
@dataclass(frozen=True)
class Absolute(Function):
    """The size of a number without its sign."""

    kind = "absolute"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.abs(x)


@operation(Exp="torch.exp")
@dataclass(frozen=True)
class Exponential(Function):
    """``exp(x)``, such as the sizes of a detector's boxes."""

    kind = "exponential"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.exp(x)


@operation(Log="torch.log")
@dataclass(frozen=True)
class Logarithm(Function):
    """The natural logarithm."""

    kind = "logarithm"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.log(x)


@operation(Sqrt="torch.sqrt")
@dataclass(frozen=True)
class Root(Function):
    """The square root."""

    kind = "root"

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.sqrt(x)


@operation(Pow="torch.pow")
@dataclass(frozen=True)
class Power(Function):
    """``x ** exponent``."""

    exponent: float = number_field()

    kind = "power"

    @classmethod
    def read(cls, node: Node) -> Power:
        exponent = node.number(1, "exponent")
        if exponent is None:
            raise Unsupported("it has no exponent", "export the model again")
        return cls(exponent)

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.power(x, self.exponent)


@operation(Elu="torch.nn.ELU")
@dataclass(frozen=True)
class Elu(Function):
    """x, or ``alpha * (exp(x) - 1)`` below zero."""

    alpha: float = number_field()

    kind = "elu"
    attributes = frozenset({"alpha"})

    @classmethod
    def read(cls, node: Node) -> Elu:
        return cls(_float32(node, "alpha", 1.0))

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, self.alpha * np.expm1(np.minimum(x, 0.0)), x)


@operation(LeakyRelu="torch.nn.LeakyReLU")
@dataclass(frozen=True)
class LeakyRelu(Function):
    """x, or ``alpha * x`` below zero."""

    alpha: float = number_field()

    kind = "leaky_relu"
    attributes = frozenset({"alpha"})

    @classmethod
    def read(cls, node: Node) -> LeakyRelu:
        return cls(_float32(node, "alpha", 0.01))

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, self.alpha * x, x)


@operation(HardSigmoid="torch.nn.Hardsigmoid")
@dataclass(frozen=True)
class HardSigmoid(Function):
    """``alpha * x + beta``, limited to 0 and 1."""

    alpha: float = number_field()
    beta: float = number_field()

    kind = "hard_sigmoid"
    attributes = frozenset({"alpha", "beta"})

    @classmethod
    def read(cls, node: Node) -> HardSigmoid:
        return cls(_float32(node, "alpha", 0.2), _float32(node, "beta", 0.5))

    def of(self, x: np.ndarray) -> np.ndarray:
        return np.clip(self.alpha * x + self.beta, 0.0, 1.0)


@operation(Clip="torch.clamp")
@dataclass(frozen=True)
class Clip(Function):
    """The larger of x and `low`, then the smaller of that and `high`; None is no limit."""

    low: float | None = number_field(optional=True)
    high: float | None = number_field(optional=True)

    kind = "clip"
    attributes = frozenset({"min", "max"})

    @classmethod
    def read(cls, node: Node) -> Clip:
        ends = node.number(1, "min"), node.number(2, "max")
        low, high = (None if end is None or not np.isfinite(end) else end for end in ends)
        return cls(low, high)

    def of(self, x: np.ndarray) -> np.ndarray:
        x = x if self.low is None else np.maximum(x, self.low)
        return x if self.high is None else np.minimum(x, self.high)


def _float32(node: Node, key: str, default: float) -> float:
    """An attribute as ONNX holds it: a float32 number."""
    return float(np.float32(node.attributes.get(key, default)))
