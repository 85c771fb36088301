"""What is said of masks that exporters write of attention: scores that no token shall see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyqkit.graph.lowering.errors import Unlowerable

if TYPE_CHECKING:
    from pyqkit.graph.lowering.rules import Node

_LOWEST = -1e30  # numbers below stand for minus infinity
_REMEDY = "whose lowest code masks (-512, say), or leave the mask out"


def check_finite(values: np.ndarray) -> None:
    """Refuse a mask of minus infinity, or of numbers that stand for it."""
    lowest = np.min(values, initial=0)
    if lowest < _LOWEST:
        raise Unlowerable(
            f"it adds {lowest:g}, as masks of attention do",
            f"add a finite number before the quantiser of the scores, {_REMEDY}",
        )


def refusal(node: Node) -> tuple[str, str] | None:
    """Reason and remedy where a node chooses by constants; None where it chooses by what is computed."""
    if not isinstance(node.given(0), np.ndarray):
        return None
    return (
        "it chooses between numbers, as masks of attention do",
        f"add a constant to the scores before their quantiser, {_REMEDY}",
    )
