"""What other rates would cost: the cheapest design of each, estimated."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.designs import Designs
from pyqkit.hardware.search import FOREVER


@dataclass(frozen=True)
class Tradeoff:
    """The cheapest design of a rate (estimated).

    Attributes
    ----------
    frames_per_second : float
    lut : float
        The upper figure.
    """

    frames_per_second: float
    lut: float


def tradeoff(designs: Designs, points: int = 24) -> list[Tradeoff]:
    """Cheapest designs by rising rate.

    From the slowest to the fastest, up to one and a half times the board's LUTs.
    """
    search, compiled = designs.search, designs.compiled
    slowest, fastest = search.fold_for(FOREVER), search.fastest()
    assert slowest is not None
    ends = search.estimator.interval(slowest), search.estimator.interval(fastest)
    found: dict[int, float] = {}
    for i in range(points):
        design = search.fold_for(round(ends[0] * (ends[1] / ends[0]) ** (i / max(points - 1, 1))))
        if design is not None:
            found[search.estimator.interval(design)] = search.estimator.total(design).lut_high
    limit = 1.5 * compiled.board.resources["lut"]
    kept = [(interval, lut) for interval, lut in found.items() if lut <= limit] or list(found.items())[:1]
    return [Tradeoff(compiled.clock_mhz * 1e6 / interval, lut) for interval, lut in kept]
