"""Channels learn in proportion to what their weights are."""

import torch
from torch import Tensor, nn

from pyqkit.quant.ptq.learning import Learner

FACTORS = 2.0 ** torch.tensor([-4, -3, -2, -1, 1, 2, 3, 4])  # of the hidden channels


class Hidden(nn.Module):
    """Two layers with a ReLU between them, through which channels may be scaled."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.fc1, self.fc2 = nn.Linear(6, len(FACTORS)), nn.Linear(len(FACTORS), 4)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())

    @torch.no_grad()
    def scale(self, factors: Tensor) -> None:
        """Channels become larger where they are made and weights smaller where they are read."""
        self.fc1.weight.mul_(factors[:, None])
        self.fc1.bias.mul_(factors)
        self.fc2.weight.div_(factors)


def _learnt(model: Hidden) -> Tensor:
    """Outputs after some steps towards others."""
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(2))
    wanted = model(x).detach().flip(1)
    learner = Learner([model.fc1, model.fc2], 0.02, 60)  # type: ignore[list-item]  # of them it takes parameters
    for _ in range(60):
        learner.step((model(x) - wanted).square().mean())
    return model(x).detach()


def test_scaled_channels_learn_the_same() -> None:
    plain, scaled = Hidden(), Hidden()
    scaled.scale(FACTORS)
    assert torch.equal(scaled.fc1.weight, plain.fc1.weight * FACTORS[:, None])
    before = plain(torch.ones(1, 6)).detach()
    outputs = _learnt(plain)
    assert not torch.allclose(plain(torch.ones(1, 6)), before, atol=0.1)
    torch.testing.assert_close(_learnt(scaled), outputs, rtol=0.05, atol=0.05)
