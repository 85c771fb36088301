"""Two classifiers on the same images: by how much one is better, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

_Z = 1.959964  # of the normal distribution, for 95 % on both sides


@dataclass(frozen=True)
class Difference:
    """A difference of accuracies in points of percent, and its 95 % interval.

    Attributes
    ----------
    points, low, high : float
    """

    points: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.points:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def difference(ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """Of hits on the same images.

    The interval is that of Agresti and Min (2005) for paired proportions: half an image is added to each of
    the four cases, so that it has a width also where both hit the same images.

    Parameters
    ----------
    ours, theirs : numpy.ndarray
        Whether each image was classified as labelled; bool, of equal shape (images,).
    """
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        raise ValueError(f"hits on the same images were expected, but {ours.shape} and {theirs.shape} came")
    count = len(ours) + 2
    gained, lost = (int((a & ~b).sum()) + 0.5 for a, b in ((ours, theirs), (theirs, ours)))
    middle = (gained - lost) / count
    half = _Z * sqrt(max(0.0, (gained + lost) / count - middle**2) / count)
    points = float(ours.mean() - theirs.mean())
    return Difference(100 * points, 100 * (middle - half), 100 * (middle + half))
