"""Masks of attention: scores that no token shall see.

A causal one, in which a token sees itself and those before it, waits for the softmax that reads it. What is
said of others stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pyqkit.graph.conventions import MASKED
from pyqkit.graph.lowering.before_layers import check_quantised
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.unfinished import Unfinished

if TYPE_CHECKING:
    from pyqkit.graph.lowering.real import Real
    from pyqkit.graph.lowering.rules import Node

_REMEDY = (
    "add minus infinity above the diagonal behind the quantiser of the scores (is_causal=True), or a finite "
    "number before it, whose lowest code masks (-512, say)"
)


@dataclass(frozen=True)
class CausalMask(Unfinished):
    """What stands in the place of a function of whole pixels: scores under a causal mask."""

    def alone(self) -> Unlowerable:
        """What is said where something else than a softmax reads it."""
        return Unlowerable(
            "a causal mask is added to what no softmax reads next",
            "quantise the scores before the mask, and let a softmax along the keys read the sum",
        )


def hides(values: np.ndarray) -> bool:
    """Whether a constant that is added is a mask."""
    return bool(np.min(values, initial=0) < MASKED)


def masked(real: Real, values: np.ndarray) -> Real:
    """Scores under a mask, for the softmax that reads them.

    Raises
    ------
    Unlowerable
        For a mask that is not causal, and for scores that are not quantised.
    """
    check_quantised(real)
    hidden, shape = values < MASKED, real.shape
    while hidden.ndim > len(shape) and len(hidden) == 1:  # the batch axis
        hidden, values = hidden[0], values[0]
    fits = hidden.ndim <= len(shape) >= 2 and shape[-1] == shape[-2]
    causal = np.triu(np.ones(shape[-2:], bool), 1)
    try:
        fits = fits and bool((np.broadcast_to(hidden, shape) == causal).all())
    except ValueError:
        fits = False
    if not fits:
        raise Unlowerable(f"it adds {values.min():g}, as masks of attention do that are not causal", _REMEDY)
    if values[~hidden].any():
        raise Unlowerable(
            "it adds numbers beside a causal mask", "add them to the scores before their quantiser"
        )
    if not real.is_linear:
        raise CausalMask().alone()
    return replace(real, rows=CausalMask())


def unmasked(real: Real) -> tuple[Real, bool]:
    """Scores without their mask, and whether they had one."""
    hidden = isinstance(real.rows, CausalMask) and not real.functions
    return (replace(real, rows=None), True) if hidden else (real, False)


def refusal(node: Node) -> tuple[str, str] | None:
    """Reason and remedy where a node chooses by constants; None where it chooses by what is computed."""
    if not isinstance(node.given(0), np.ndarray):
        return None
    return "it chooses between numbers, as masks of attention do", _REMEDY
