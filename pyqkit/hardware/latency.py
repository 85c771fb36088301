"""Foldings with a short latency, beside those with a high rate.

The cycles from a frame's first beat to its last result are those of the slowest layer and of what the layers
before and behind need to begin and to end. No price says that layer by layer, but every cycle that any layer
takes goes into it. So cycles get a price beside resources, as high as the board allows, for several rates;
of the designs found, whose latencies the schedule knows, the one with the shortest is taken. That is a
search, not a proof of the optimum. Where frames pass hardware several times, the schedule says the rate too:
it is lower than that of the slowest operator.
"""

from __future__ import annotations

from pyqkit.boards import Board
from pyqkit.hardware.estimator import Foldings
from pyqkit.hardware.folding import LUT_SHARE, scheduled, within
from pyqkit.hardware.search import FOREVER, Search
from pyqkit.rtl import outline

_RATES = 4  # from the interval of the design that is given to one that is _SLOWER times as long
_SLOWER = 2.0
_HALVINGS = 6  # of the range in which the price of a cycle is looked for
_PRICES = (-8.0, -2.0)  # of a cycle beside shares of a board, as powers of ten


def shorter(
    search: Search,
    board: Board,
    target_fps: float | None,
    lut_share: float | None,
    given: Foldings,
) -> Foldings:
    """The design with the shortest latency that is found within a share of the board's LUTs.

    Parameters
    ----------
    search : Search
        Of the graph, for the board.
    board : Board
    target_fps : float or None
        A rate that is kept.
    lut_share : float or None
        As `folding.choose` takes it without a rate.
    given : dict of str to Folding
        A design that fits, which is taken where nothing is shorter.
    """
    estimator = search.estimator
    share = LUT_SHARE if lut_share is None else lut_share
    most_cycles = FOREVER if target_fps is None else int(estimator.clock_mhz * 1e6 / target_fps)
    interval, found = estimator.interval(given), list[Foldings]()
    for step in range(_RATES):
        cycles = int(interval * _SLOWER ** (step / (_RATES - 1)))
        found += _dearest(search, board, share, min(cycles, most_cycles))
    graph, clock_mhz = estimator.graph, estimator.clock_mhz
    different = {tuple(foldings.items()): foldings for foldings in found}.values()
    kept = [each for each in different if scheduled(estimator, each) <= most_cycles]
    return min([given, *kept], key=lambda foldings: outline.latency(graph, foldings, clock_mhz))


def _dearest(search: Search, board: Board, lut_share: float, cycles: int) -> list[Foldings]:
    """Designs that fit, while the price of a cycle rises to where none does."""
    low, high = _PRICES
    fitting = []
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found, _over = within(search, board, cycles, lut_share, price_of_cycle=10**middle)
        if found is None:
            high = middle
        else:
            low = middle
            fitting.append(found)
    return fitting
