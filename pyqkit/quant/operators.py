"""How rounding to a format is written as one QONNX node, where no layer of Brevitas is behind it.

FloatQuant for signed minifloats and Quant for integers, which other tools read, FormatQuant for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyqkit.formats import Integer, Minifloat, NumberFormat

QONNX, OWN = "qonnx.custom_op.general", "pyqkit.custom_op.general"


def written(x: Tensor, scale: Tensor, fmt: NumberFormat, quantise: Callable[[Tensor], Tensor]) -> Tensor:
    """``quantise(x)`` as one node of the file that is being traced.

    Parameters
    ----------
    x : Tensor
    scale : Tensor
        A constant of the file.
    fmt : NumberFormat
    quantise : callable
        Computes what the node does.
    """
    return _Node.apply(x, scale.detach().clone(), fmt, quantise)


class _Node(torch.autograd.Function):
    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, fmt: NumberFormat, quantise: Any) -> Any:
        result = _node(g, x, scale, fmt)
        result.setType(x.type())
        return result

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, fmt: NumberFormat, quantise: Any) -> Tensor:
        # Traced, what it computes would stand in the file as well.
        tracer: Any = torch._C
        state = tracer._get_tracing_state()
        tracer._set_tracing_state(None)
        try:
            return quantise(x)
        finally:
            tracer._set_tracing_state(state)


def _node(g: Any, x: Any, scale: Any, fmt: NumberFormat) -> Any:
    def number(value: float) -> Any:
        return g.op("Constant", value_t=torch.tensor(float(value)))

    if isinstance(fmt, Integer) and fmt.width > 1:
        return g.op(
            f"{QONNX}::Quant",
            x,
            scale,
            number(fmt.zero_point),
            number(fmt.width),
            rounding_mode_s="ROUND",
            signed_i=int(fmt.signed),
            narrow_i=int(fmt.narrow),
        )
    if isinstance(fmt, Minifloat) and fmt.signed:
        return g.op(
            f"{QONNX}::FloatQuant",
            x,
            scale,
            number(fmt.exponent_bits),
            number(fmt.significand_bits),
            number(fmt.bias),
            number(fmt.maximum),
            has_inf_i=int(fmt.variant == "ieee"),
            has_nan_i=int(fmt.variant != ""),
            has_subnormal_i=1,
            rounding_mode_s="ROUND",
            saturation_i=1,
        )
    return g.op(f"{OWN}::FormatQuant", x, scale, format_s=fmt.name)
