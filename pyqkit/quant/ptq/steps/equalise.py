"""Cross-layer equalisation of weights (Nagel et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.spaces import spaces
from pyqkit.quant.ptq.step import Stage, Step, steps


@steps.register("equalise")
@dataclass(frozen=True)
class Equalise(Step):
    """Scale channels so that the weights that make one are as large as those that read it.

    Attributes
    ----------
    iterations : int
        Over all layers; what equals two of them moves the next.
    """

    stage: ClassVar[Stage] = "float"
    rank: ClassVar[int] = 10

    iterations: int = 20

    def apply(self, network: Network, seed: int) -> None:
        """Change weights and biases of the float network, which computes what it did."""
        found = spaces(network)
        for _ in range(self.iterations):
            for space in found:
                made, read = space.made_by(), space.read_by()
                usable = (made > 0) & (read > 0)
                space.divide(torch.where(usable, (made / read).sqrt(), 1.0))
