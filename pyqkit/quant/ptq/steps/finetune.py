"""Fine-tuning from the result of the other steps: the float network teaches, and no labels are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.ptq.learning import Learner
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.step import Stage, Step, steps


@steps.register("finetune")
@dataclass(frozen=True)
class FineTune(Step):
    """Train weights and biases for a short time on what the float network says of the calibration frames.

    The gradient passes straight through all quantisers, whose scales stay. The loss is the divergence of
    the outputs (knowledge distillation, Hinton et al., 2015).

    Attributes
    ----------
    epochs, batch : int
    rate : float
        Of Adam at the beginning, relative to the mean magnitude of a channel's weights; it falls as a cosine.
    temperature : float
        The outputs of both networks are divided by it.
    """

    stage: ClassVar[Stage] = "calibrated"
    rank: ClassVar[int] = 80

    epochs: int = 5
    batch: int = 32
    rate: float = 0.001
    temperature: float = 2.0

    def apply(self, network: Network, seed: int) -> None:
        """Train in place; the order of the frames comes from `seed`."""
        taught = _outputs(network)
        count = -(-len(network.data) // self.batch)
        learner = Learner(
            [network.quant_layer(name) for name in network.layers], self.rate, self.epochs * count
        )
        order = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            for frames in torch.randperm(len(network.data), generator=order).split(self.batch):
                learner.step(self._loss(network.quantised(network.data[frames]), taught[frames]))

    def _loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        student = functional.log_softmax(outputs / self.temperature, 1)
        teacher = functional.log_softmax(taught / self.temperature, 1)
        return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


@torch.no_grad()
def _outputs(network: Network) -> Tensor:
    """What the float network says of all frames."""
    made = [network.float(batch) for batch in network.batches()]
    if not all(isinstance(output, Tensor) for output in made):
        raise UserError(
            "a network with one output was expected to fine-tune, but this one has several; leave out the "
            "step finetune"
        )
    return torch.cat(made)
