"""A format and a scale as a layer: what it is given is rounded to the nearest value, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pyqkit.emulate.kernels import load
from pyqkit.emulate.kernels.rounding import rounded
from pyqkit.formats import Integer, Minifloat, NumberFormat
from pyqkit.quant.operators import written
from pyqkit.quant.ptq.lookup import lookup

Round = Callable[[Tensor], Tensor]
_EXPONENT = 0x7F800000  # bits of a float32


def nearest(fmt: NumberFormat) -> Round:
    """The rounding of a format for float32 tensors whose scale is 1: nearest in value, saturating."""
    if isinstance(fmt, Integer) and not fmt.zero_point:
        return lambda x: torch.round(x).clamp_(fmt.low, fmt.high)  # half to even, as the codes have it
    if isinstance(fmt, Minifloat) and fmt.addend is not None:
        return _minifloat(fmt, *fmt.addend)
    return lookup(fmt)


def _minifloat(fmt: Minifloat, least: float, steps: float) -> Round:
    """Several times faster than a search in the table of values, and equal to it: see `Minifloat.addend`."""

    def rounded(x: Tensor) -> Tensor:
        x = x.clamp(fmt.minimum, fmt.maximum)
        powers = x.view(torch.int32).bitwise_and(_EXPONENT).view(torch.float32)
        large = powers.clamp_(min=least).mul_(steps)
        return x.add_(large).sub_(large)

    return rounded


class _StraightThrough(torch.autograd.Function):
    """Rounding whose gradient passes inside the range of the format."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, quantiser: Quantiser) -> Tensor:
        scaled = x / scale
        fmt = quantiser.format
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward((scaled >= fmt.minimum) & (scaled <= fmt.maximum))
        return quantiser.round(scaled).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None


class Quantiser(nn.Module):
    """Rounds to a scale times the values of a format; the gradient passes straight through inside the range.

    Parameters
    ----------
    fmt : NumberFormat
        Of single values, not of blocks.
    scale : Tensor, positive
        One, or one for each channel in a shape that broadcasts: (outputs, 1, 1, 1) for a convolution.

    Attributes
    ----------
    format : NumberFormat
    scale : Tensor
        A buffer, which may be replaced.
    enabled : bool
        Otherwise numbers pass as they are.
    """

    scale: Tensor

    def __init__(self, fmt: NumberFormat, scale: Tensor | None = None) -> None:
        super().__init__()
        self.format, self.enabled = fmt, True
        self.register_buffer("scale", torch.ones(()) if scale is None else scale.detach().clone())
        self.round = nearest(fmt)

    def become(self, fmt: NumberFormat, scale: Tensor) -> None:
        """Take another format and scale."""
        self.format, self.scale = fmt, scale.detach().clone()
        self.round = nearest(fmt)

    def forward(self, x: Tensor) -> Tensor:
        if not self.enabled:
            return x
        if torch.onnx.is_in_onnx_export():
            return written(x, self.scale, self.format, self._rounded)
        if self._needs_no_gradient(x):
            return torch.from_numpy(rounded(self.format, float(self.scale), x.detach().numpy()))
        return self._rounded(x)

    def _needs_no_gradient(self, x: Tensor) -> bool:
        """Whether the compiled rounding, several times as fast, gives the same."""
        plain = x.dtype == torch.float32 and x.device.type == "cpu" and self.scale.numel() == 1
        return plain and not (torch.is_grad_enabled() and x.requires_grad) and load() is not None

    def _rounded(self, x: Tensor) -> Tensor:
        return _StraightThrough.apply(x, self.scale, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Quantiser:
        copied = Quantiser(self.format, self.scale)  # the rounding is a function of the format
        copied.enabled, copied.training = self.enabled, self.training
        return copied

    def extra_repr(self) -> str:
        return f"{self.format.name}, scale of shape {tuple(self.scale.shape)}"
