"""What a step of post-training quantisation is, and where steps register.

A step is one file in `pyqkit.quant.ptq.steps`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pyqkit.discovery import Registry

if TYPE_CHECKING:
    from pyqkit.quant.ptq.network import Network

Stage = Literal["float", "calibrated"]


class Step(ABC):
    """One method that makes a network lose less accuracy; subclasses are frozen dataclasses of its options.

    Attributes
    ----------
    stage : {"float", "calibrated"}
        Before there are quantisers, or once all have their scales.
    rank : int
        Steps of a recipe run in the order of their ranks, however they were written.
    """

    stage: ClassVar[Stage]
    rank: ClassVar[int]

    @abstractmethod
    def apply(self, network: Network, seed: int) -> None:
        """Change the network in place; with equal seeds to equal weights."""


steps: Registry[type[Step]] = Registry("pyqkit.quant.ptq.steps")
