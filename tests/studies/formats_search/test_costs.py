"""What the format search takes networks to cost, against what they cost."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pyqkit.boards import load
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph
from pyqkit.hardware import folding
from pyqkit.hardware.resources import Resources
from pyqkit.quant.ptq.frames import checked
from pyqkit.studies.formats_search import retyping
from pyqkit.studies.formats_search.costs import Costs, Rate, TooSlowError
from pyqkit.studies.formats_search.retyping import Retyping, lowered
from pyqkit.studies.formats_search.subject import Genome, Subject
from tests.studies.formats_search.network import Digits
from tests.studies.small import SmallSource

SOURCES = {"digits": Digits(), "residual": SmallSource()}
WEIGHTS = ("int3", "int8", "odd3", "e2m1", "lp4_0_3")
ACTS = ("int4", "e2m1", "lp4_0_3", "int8")


@cache
def costs_of(name: str) -> Costs:
    source = SOURCES[name]
    subject = Subject(source.network(), checked(source.images()))
    board = load("PYNQ-Z2")
    return Costs(Retyping(subject), Rate(board, board.clock_mhz, 20_000))


def mixed(costs: Costs, seed: int) -> Genome:
    random = np.random.default_rng(seed)
    places = costs.retyping.subject.places
    return tuple(str(random.choice(WEIGHTS if place.is_weights else ACTS)) for place in places)


def whole(costs: Costs, graph: Graph) -> Resources:
    """What the folding search makes of a graph, whether it fits or not."""
    search = folding.search_for(graph, costs.rate.board, costs.rate.clock_mhz)
    found = search.fold_for(costs.rate.cycles)
    assert found is not None
    return search.estimator.total(found)


def price(costs: Costs, found: Resources) -> float:
    return sum(each * getattr(found, name) for name, each in costs.prices.items())


@pytest.mark.parametrize("name", ["digits", "residual"])
def test_sum_is_a_close_lower_bound(name: str) -> None:
    costs = costs_of(name)
    genome = mixed(costs, 0)
    summed, found = costs.of(genome), whole(costs, costs.graph(genome))
    assert 0.85 * price(costs, found) < summed.price <= price(costs, found)
    assert abs(summed.resources.lut_high - found.lut_high) < 0.1 * found.lut_high


@pytest.mark.parametrize("name", ["residual"])
def test_graph_costs_as_the_one_that_is_lowered(name: str) -> None:
    costs = costs_of(name)
    genome = mixed(costs, 1)
    subject = costs.retyping.subject
    subject.set(genome)
    actual, _ = lowered(subject)
    graph = costs.graph(genome)
    assert [op.kind for op in graph.operators if op.kind not in ("threshold", "rescale")] == [
        op.kind for op in actual.operators if op.kind not in ("threshold", "rescale")
    ]
    for mine, op in zip(graph.operators, actual.operators):
        if op.kind == "convolution":
            assert mine.footprint([], []) == op.footprint([], [])
    made, wanted = whole(costs, graph), whole(costs, actual)
    assert abs(made.lut_high - wanted.lut_high) < 0.05 * wanted.lut_high
    assert abs(made.bram36 - wanted.bram36) <= 1


def test_wider_formats_cost_more() -> None:
    costs = costs_of("digits")
    places = len(costs.retyping.subject.places)
    small, large = (costs.of((name,) * places).resources for name in ("int3", "int8"))
    assert small.lut_high < large.lut_high
    assert small.ff < large.ff


def test_operator_that_cannot_keep_up_is_named() -> None:
    costs = costs_of("digits")
    fast = Costs(costs.retyping, Rate(costs.rate.board, costs.rate.clock_mhz, 50e6))
    with pytest.raises(TooSlowError, match="conv"):
        fast.of(("int4",) * len(costs.retyping.subject.places))


def test_network_whose_formats_cannot_be_replaced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = costs_of("digits")
    monkeypatch.setattr(retyping, "lowered", lambda _: (costs.retyping.graph, {}))  # no tensor is known
    with pytest.raises(UserError, match="formats of 1, 3 and input cannot be changed|formats of 1, 3, input"):
        Retyping(costs.retyping.subject)
