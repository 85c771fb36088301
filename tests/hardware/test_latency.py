"""Foldings for a short latency."""

import pytest

import pyqkit
from pyqkit import boards
from pyqkit.errors import UserError
from pyqkit.hardware import folding, latency
from pyqkit.rtl import outline
from pyqkit.rtl.generate import generate
from tests.emulate.networks import everything

SHARE, CLOCK_MHZ = 0.2, 100.0


@pytest.fixture(scope="module")
def searched():
    graph, board = everything("int4").graph, boards.load("PYNQ-Z2")
    search = folding.search_for(graph, board, CLOCK_MHZ)
    return search, board, folding.choose(search, board, CLOCK_MHZ, None, SHARE)


def test_latency_of_the_outline_is_that_of_the_design(searched):
    search, _, fastest = searched
    graph = search.estimator.graph
    assert outline.latency(graph, fastest, CLOCK_MHZ) == generate(graph, fastest, clock_mhz=CLOCK_MHZ).latency


def test_what_is_found_is_shorter_and_fits(searched):
    search, board, fastest = searched
    found = latency.shorter(search, board, None, SHARE, fastest)
    graph = search.estimator.graph
    assert outline.latency(graph, found, CLOCK_MHZ) < outline.latency(graph, fastest, CLOCK_MHZ)
    assert not folding.exceeded(search.estimator.total(found), board, SHARE)


def test_the_rate_that_is_asked_for_is_kept(searched):
    search, board, fastest = searched
    fps = CLOCK_MHZ * 1e6 / search.estimator.interval(fastest)
    found = latency.shorter(search, board, fps, SHARE, fastest)
    assert search.estimator.interval(found) <= search.estimator.interval(fastest)


@pytest.mark.parametrize(
    "options", [{"objective": "speed"}, {"objective": "latency", "fold": {}}], ids=["word", "fold"]
)
def test_an_objective_is_rate_or_latency(options):
    with pytest.raises(UserError, match="objective rate or latency, and rate with a folding, was expected"):
        pyqkit.compile("net.onnx", **options)
