"""How engine `exact` runs a network, and why so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyqkit.emulate.runner import Choice


@dataclass(frozen=True)
class Explained:
    """A step: operators that run at once.

    Attributes
    ----------
    operators, kinds : tuple of str
    carrier : str
        What products are summed in; empty if nothing is multiplied, or by the definition.
    choice : Choice
    compiled : bool
        Whether arguments are prepared once, as those of compiled kernels are; else numpy runs it.
    macs : int
        Of a frame.
    seconds : float
        For a frame, measured on one thread.
    """

    operators: tuple[str, ...]
    kinds: tuple[str, ...]
    carrier: str
    choice: Choice
    compiled: bool
    macs: int
    seconds: float

    @property
    def gmacs_per_second(self) -> float:
        """Billions of multiply-accumulates a second (measured)."""
        return self.macs / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def why(self) -> str:
        """What is proven of the sums, and what the next better carrier lacks."""
        if self.choice.bound is None:
            return ""
        proven = f"sums up to {self.choice.bound:,}"
        return "; ".join(
            [proven, *(f"not {name}: {lack}" for name, lack in [*self.choice.lacking.items()][:1])]
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "operators": list(self.operators),
            "kinds": list(self.kinds),
            "carrier": self.carrier,
            "bound": self.choice.bound,
            "faster": self.choice.lacking,
            "macs": self.macs,
            "seconds": self.seconds,
            "gmacs_per_second": round(self.gmacs_per_second, 3),
        }
