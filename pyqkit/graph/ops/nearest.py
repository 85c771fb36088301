"""The nearest code of a format, where a real number is known to float64 and integers decide what is close."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyqkit.formats import Boundary, NumberFormat

Place = tuple[int, ...]
WIDEST = 8  # bits of a format whose boundaries are looked at one by one
_FLOAT64 = 2.0**-44  # relative: far more than a handful of float64 operations are off


def nearest_codes(
    fmt: NumberFormat,
    near: np.ndarray,
    size: np.ndarray,
    reaches: Callable[[Place, Boundary], bool],
) -> np.ndarray:
    """Codes of numbers.

    Parameters
    ----------
    fmt : NumberFormat
        Of at most `WIDEST` bits.
    near : numpy.ndarray of float64
        The numbers, in values of the format, each off by at most a few units in the last place of `size`.
    size : numpy.ndarray of float64
        Of that shape: the largest magnitude that a number was computed from.
    reaches : callable
        Whether the number at a place reaches a boundary, decided exactly; asked where float64 cannot say.
    """
    boundaries = fmt.boundaries()
    fences = np.array([float(boundary.position) for boundary in boundaries])
    places = np.searchsorted(fences, near, side="right")
    ends = np.concatenate([[-np.inf], fences, [np.inf]])
    margin = _FLOAT64 * (size + np.abs(near))
    close = (near - ends[places] <= margin) | (ends[places + 1] - near <= margin)
    for place in map(tuple, np.argwhere(close).tolist()):
        first, last = (int(np.searchsorted(fences, near[place] + way * margin[place])) for way in (-1, 1))
        first, last = max(first - 1, 0), min(last + 1, len(boundaries))
        places[place] = first + sum(reaches(place, boundary) for boundary in boundaries[first:last])
    return fmt.codes[places]
