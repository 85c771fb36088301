"""ONNX's own quantisers behind a function that the host computes, as static quantisers write them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats.reading import check
from pyqkit.graph.fields import number_field, text_field, whole_field
from pyqkit.host.operation import Node, Operation, Unsupported, operation

_TYPES = ("int8", "uint8")


@dataclass(frozen=True)
class _Quantiser(Operation):
    """Base of both directions.

    Attributes
    ----------
    scale : float
    zero_point : int
    type : str
        Of the integers.
    """

    scale: float = number_field()
    zero_point: int = whole_field(-128)
    type: str = text_field()

    attributes = frozenset({"axis", "saturate"})  # an axis means nothing where there is one scale

    def __post_init__(self) -> None:
        check(self.scale > 0 and self.type in _TYPES, f"{self.type} with scale {self.scale}")

    @classmethod
    def read(cls, node: Node) -> Operation:
        scale, given = node.number(1, "scale"), node.constant(2, "zero point")
        zero_point = np.zeros((), np.uint8) if given is None else given
        if (
            scale is None
            or not 0 < scale < np.inf
            or zero_point.size != 1
            or zero_point.dtype.name not in _TYPES
        ):
            raise Unsupported(
                "it has something other than one positive scale and one zero point of int8 or uint8",
                "quantise to 8 bits with one scale for the whole tensor",
            )
        return cls(scale, int(zero_point.ravel()[0]), zero_point.dtype.name)


@operation(QuantizeLinear="torch.quantize_per_tensor")
@dataclass(frozen=True)
class Quantise(_Quantiser):
    """``clip(round(x / scale) + zero point)``; a tie goes to the even number before the zero point."""

    kind = "quantise"

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        ends = np.iinfo(self.type)
        levels = np.rint(given[0].astype(np.float64) / self.scale) + self.zero_point
        return (np.clip(levels, ends.min, ends.max).astype(self.type),)


@operation(DequantizeLinear="torch.dequantize")
@dataclass(frozen=True)
class Dequantise(_Quantiser):
    """``(integer - zero point) * scale``."""

    kind = "dequantise"

    def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        return (((given[0].astype(np.float64) - self.zero_point) * self.scale).astype(np.float32),)
