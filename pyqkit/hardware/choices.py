"""Which layers multiply in DSPs, where not all can: a knapsack, exact for given parallelism.

A search by prices takes DSPs for all layers where they cost less than the LUTs that they replace, and for
none where they cost more. A board ends in between: its DSPs do for some of the layers. As choices change
neither streams nor cycles, they can be made anew for fixed axes: of all designs with at most so many DSPs the
one in which the rest costs least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Operator
from pyqkit.hardware.estimator import Estimator, Foldings


@dataclass(frozen=True)
class _Way:
    """A way to build a layer: its DSPs, and what else it takes."""

    folding: Folding
    dsps: int
    price: float


def within_dsps(
    estimator: Estimator, foldings: Foldings, prices: Mapping[str, float], dsps: int
) -> Foldings | None:
    """The cheapest choices for the axes of `foldings` with at most `dsps` DSPs; None if there are none.

    Parameters
    ----------
    estimator : Estimator
    foldings : dict of str to Folding
    prices : mapping of str to float
        Of one of each resource; DSPs cost nothing here.
    dsps : int
    """
    layers = [op for op in estimator.graph.operators if op.name in foldings]
    ways = [_ways(estimator, op, foldings[op.name], prices) for op in layers]
    least = np.zeros(dsps + 1)  # price of the layers so far with at most so many DSPs
    taken = []
    for options in ways:
        totals = np.full((len(options), dsps + 1), np.inf)
        for row, way in enumerate(options):
            if way.dsps <= dsps:
                totals[row, way.dsps :] = least[: dsps + 1 - way.dsps] + way.price
        taken.append(totals.argmin(axis=0))
        least = totals.min(axis=0)
    if not np.isfinite(least[dsps]):
        return None
    left, found = dsps, {}
    for op, options, choice in zip(layers[::-1], ways[::-1], taken[::-1]):
        way = options[choice[left]]
        found[op.name], left = way.folding, left - way.dsps
    return dict(reversed(found.items()))


def _ways(estimator: Estimator, op: Operator, folding: Folding, prices: Mapping[str, float]) -> list[_Way]:
    """All choices with the axes of a folding, those with the fewest DSPs first."""
    plain = estimator.space(op).plain(folding)
    found = []
    for variant, more in estimator.variants(op, plain).items():
        price = sum(value * getattr(more, name) for name, value in prices.items() if name != "dsp")
        found.append(_Way(variant, round(more.dsp), price))
    return sorted(found, key=lambda way: way.dsps)
