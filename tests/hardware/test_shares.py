"""Shares of a board that a search may take."""

import pytest

import pyqkit
from pyqkit import boards
from pyqkit.errors import UserError
from pyqkit.hardware import folding
from tests.emulate.networks import everything

LUT_SHARE = 0.17


def test_no_more_than_a_share_of_every_resource() -> None:
    graph, board = everything("int4").graph, boards.load("PYNQ-Z2")
    found = {}
    for share in (1.0, 0.05):
        allowed = board.with_share(share)
        search = folding.search_for(graph, allowed, board.clock_mhz)
        chosen = folding.choose(search, allowed, board.clock_mhz, None, LUT_SHARE)
        found[share] = search.estimator.total(chosen)
        assert found[share].lut_high <= LUT_SHARE * board.resources["lut"]
    assert found[0.05].dsp <= 0.05 * board.resources["dsp"] < found[1.0].dsp


def test_luts_have_a_share_of_their_own() -> None:
    board = boards.load("PYNQ-Z2")
    assert board.with_share(0.5).resources == {"lut": 53200, "ff": 53200, "bram36": 70, "uram": 0, "dsp": 110}


@pytest.mark.parametrize("share", [0.0, 1.5], ids=["none", "more"])
def test_a_share_of_the_resources_is_a_share(share: float) -> None:
    with pytest.raises(UserError, match="a share of the resources above 0 and up to 1 was expected"):
        pyqkit.compile("net.onnx", resource_share=share)
