"""Functions that give several tensors, of which a network reads one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.quant.ptq import quantise
from pyqkit.quant.ptq.tracing import traced


def unpacked(x: Tensor) -> Tensor:
    values, _ = torch.max(x, dim=1)
    return values


class Network(nn.Module):
    def __init__(self, reduced: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.reduced = nn.Linear(4, 8), nn.Linear(8, 3), reduced

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.reduced(torch.relu(self.first(x))))


def made(reduced: Callable[[Tensor], Tensor]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(1)
    return Network(reduced).eval(), torch.randn(16, 6, 4)


@pytest.mark.parametrize(
    "reduced",
    [
        pytest.param(lambda x: x.max(1)[0], id="method"),
        pytest.param(lambda x: x.max(dim=1).values, id="by-name"),
        pytest.param(lambda x: torch.max(x, 1, keepdim=True)[0].squeeze(1), id="keepdim"),
        pytest.param(unpacked, id="unpacked"),
    ],
)
def test_largest_numbers_without_their_places_are_amax(reduced: Callable[[Tensor], Tensor]) -> None:
    (network, x), (plain, _) = made(reduced), made(lambda x: x.amax(1))
    assert torch.equal(
        quantise(network, x, weights="int8", acts="int4")(x),
        quantise(plain, x, weights="int8", acts="int4")(x),
    )


def test_largest_numbers_whose_places_are_read_stay() -> None:
    network, x = made(lambda x: torch.add(*x.max(1)))
    assert "amax" not in traced(network, x).code


def test_a_result_that_is_both_stays() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x.max(1)

    assert len(traced(Both().eval(), torch.randn(2, 6, 4))(torch.randn(2, 6, 4))) == 2


@pytest.mark.parametrize(
    "reduced",
    [
        pytest.param(lambda x: x.min(1)[0], id="min"),
        pytest.param(lambda x: x.topk(1, 1)[0].squeeze(1), id="topk"),
        pytest.param(lambda x: x.sort(1)[0][:, 0], id="sort"),
        pytest.param(lambda x: x.median(1)[0], id="median"),
        pytest.param(lambda x: torch.std_mean(x, 1)[1], id="std_mean"),
        pytest.param(lambda x: torch.var_mean(x, 1)[0], id="var_mean"),
        pytest.param(lambda x: torch.aminmax(x, dim=1)[1], id="aminmax"),
        pytest.param(lambda x: x.split(3, 1)[1].amax(1), id="split"),
        pytest.param(
            lambda x: functional.max_pool1d(x, 2, return_indices=True)[0].repeat(1, 1, 2)[:, 0], id="pool"
        ),
    ],
)
def test_the_result_that_is_read_is_rounded(reduced: Callable[[Tensor], Tensor]) -> None:
    network, x = made(reduced)
    with torch.no_grad():
        off = (quantise(network, x, weights="int8", acts="int8")(x) - network(x)).abs().max()
    assert 0 < float(off) < 0.1
