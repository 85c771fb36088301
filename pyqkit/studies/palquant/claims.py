"""What a study says of the method's two claims: paired differences over the images of all seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyqkit.studies.paired import Difference, difference
from pyqkit.studies.palquant.arms import Parameters
from pyqkit.studies.runner import Outcome, Results

METHOD = "w2a2g2"
MARGIN = 0.5  # points; a difference that is surely smaller counts as none


@dataclass(frozen=True)
class Claim:
    """An arm that the method is said to reach, or to beat.

    Attributes
    ----------
    sentence, other : str
    at_least : bool
        "At least as good" holds where the interval lies above ``-MARGIN``, "better" where it lies above 0.
    """

    sentence: str
    other: str
    at_least: bool

    def verdict(self, found: Difference) -> str:
        """Holds, does not hold, or is not resolved."""
        bar = -MARGIN if self.at_least else 0.0
        if found.low > bar:
            return "holds here"
        return "does not hold here" if found.high < bar else "is not resolved"


CLAIMS = (
    Claim("two groups of 2 bits are at least as good as 4 bits", "w4a4", True),
    Claim("the cyclic shuffle helps", "w2a2g2-plain", False),
    Claim("two groups of 2 bits are better than 2 bits", "w2a2", False),
    Claim("two groups are at least as good as a dense network as wide", "w2a2-width", True),
    Claim("two groups are at least as good as a dense network of as many products", "w2a2-macs", True),
)


def arms_of(results: Results[Parameters]) -> dict[str, list[Outcome[Parameters]]]:
    """Outcomes of each arm, in the order of seeds."""
    found: dict[str, list[Outcome[Parameters]]] = {}
    for outcome in results.outcomes:
        found.setdefault(outcome.task.parameters.arm.name, []).append(outcome)
    return found


def compared(arms: dict[str, list[Outcome[Parameters]]], other: str) -> Difference | None:
    """The method less another arm, on the test images of the seeds that both have."""
    pairs = [
        (ours.arrays["hits"], theirs.arrays["hits"])
        for ours in arms.get(METHOD, [])
        for theirs in arms.get(other, [])
        if ours.task.seed == theirs.task.seed
    ]
    if not pairs:
        return None
    ours, theirs = (np.concatenate(side).astype(bool) for side in zip(*pairs))
    return difference(ours, theirs)


def verdicts(results: Results[Parameters]) -> Iterator[str]:
    """A line for each claim of which both arms are there."""
    arms = arms_of(results)
    yield "| claim | difference in points, 95 % | |"
    yield "| --- | --- | --- |"
    for claim in CLAIMS:
        found = compared(arms, claim.other)
        if found is not None:
            yield f"| {claim.sentence} | {found} | {claim.verdict(found)} |"


def table(results: Results[Parameters]) -> Iterator[str]:
    """A line for each arm: accuracy over seeds, deployed, and products beside those of 4 bits."""
    arms = arms_of(results)
    four = _value(arms.get("w4a4", []), "native_products")
    yield "| arm | seeds | top-1 % | range | deployed % | 2-bit products | fewer than w4a4 |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, outcomes in arms.items():
        top1 = [float(_of(outcome, "top1")) for outcome in outcomes]
        deployed = _value(outcomes, "deployed_top1")
        products = _value(outcomes, "native_products")
        gain = f"{four / products:.3f}x" if four and products else ""
        yield (
            f"| {name} | {len(outcomes)} | {np.mean(top1):.2f} | {min(top1):.2f} to {max(top1):.2f} | "
            f"{'' if deployed is None else f'{deployed:.2f}'} | "
            f"{'' if products is None else f'{products:,.0f}'} | {gain} |"
        )


def _of(outcome: Outcome[Parameters], name: str) -> Any:
    assert isinstance(outcome.values, dict)
    return outcome.values.get(name)


def _value(outcomes: list[Outcome[Parameters]], name: str) -> float | None:
    """Mean over seeds; None where an arm has no such value."""
    values = [_of(outcome, name) for outcome in outcomes]
    return None if not values or None in values else float(np.mean(values))
