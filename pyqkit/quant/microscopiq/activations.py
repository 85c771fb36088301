"""Activations in microscaled blocks while a network runs: `formats.microscopiq.microscale` in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyqkit.errors import UserError
from pyqkit.formats import Integer, Microscaled
from pyqkit.formats.microscopiq import Window
from pyqkit.formats.microscopiq.tensor import LOWEST
from pyqkit.formats.microscopiq.values import SPREAD


class Microscale(nn.Module):
    """Rounds blocks along one axis to integers with a shared power of two.

    The largest magnitude of a block gives its exponent by the rule floor, the window holds it, and elements
    are shifted, rounded half to even and saturated.

    Parameters
    ----------
    fmt : Microscaled
        Of symmetric integers and the rule floor, such as ``mx128_int8narrow``.
    window : Window
        Exponents that blocks may have; one alone makes the scale static.
    axis : int
        -1 for linear layers, 1 for convolutions.

    Attributes
    ----------
    clamped : int
        Exponents that the window has moved since the module was made; blocks of zeros do not count.
    """

    def __init__(self, fmt: Microscaled, window: Window, axis: int = -1) -> None:
        super().__init__()
        element = fmt.element
        if not isinstance(element, Integer) or element.low != -element.high or fmt.rule != "floor":
            raise UserError(
                f"blocks of symmetric integers were expected for activations, but {fmt.name} came; take "
                "mx128_int8narrow or mx128_int4narrow"
            )
        self.format, self.window, self.axis, self.clamped = fmt, window, axis, 0
        self.most = element.high

    def forward(self, x: Tensor) -> Tensor:
        moved = x.movedim(self.axis, -1)
        missing = -moved.shape[-1] % self.format.block
        blocks = nn.functional.pad(moved, (0, missing)).unflatten(-1, (-1, self.format.block))
        wanted, there = exponents(blocks, self.format)
        held = wanted.clamp(self.window.lowest, self.window.highest)
        self.clamped += int(((held != wanted) & there).sum())
        scaled = torch.ldexp(blocks, -held[..., None])
        rounded = torch.ldexp(scaled.round().clamp(-self.most, self.most), held[..., None])
        return rounded.flatten(-2)[..., : moved.shape[-1]].movedim(-1, self.axis)

    def extra_repr(self) -> str:
        return f"{self.format.name}, exponents {self.window.lowest} to {self.window.highest}"


def exponents(blocks: Tensor, fmt: Microscaled) -> tuple[Tensor, Tensor]:
    """Exponents of blocks (..., block), and which blocks are not zero."""
    largest = blocks.abs().amax(-1)
    found = torch.frexp(largest).exponent - 1 - fmt.largest_exponent
    return torch.where(largest > 0, found, LOWEST), largest > 0


def calibrated(fmt: Microscaled, inputs: list[Tensor], axis: int, static: bool = False) -> Microscale:
    """A `Microscale` whose window ends at the largest exponent of the calibration inputs."""
    highest = max([LOWEST, *(int(exponents(x.flatten(), fmt)[0]) for x in inputs)])
    lowest = highest if static else max(LOWEST, highest - SPREAD)
    return Microscale(fmt, Window(lowest, highest), axis)
