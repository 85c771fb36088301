"""How far float32 execution of a softmax or a norm can be from exact arithmetic."""

from __future__ import annotations

import numpy as np

from pyqkit.graph.conventions import MASKED
from pyqkit.verify.roundings import SMALLEST, SMOOTH, UNIT, gamma

_SHARE = 1.5 * 2.0**-29  # that the definition of softmax moves a share by, for each score of a row


def softmax_error(x: np.ndarray, error: np.ndarray, shares: np.ndarray, axis: int) -> np.ndarray:
    """Of an exponential that a library approximates, a sum and a quotient; and of the definition.

    Parameters
    ----------
    x, error : numpy.ndarray
        Scores, and a bound of their errors; those below `MASKED` are hidden by a mask.
    shares : numpy.ndarray
        What float32 gives.
    axis : int
    """
    seen = np.where(x < MASKED, x.max(axis=axis, keepdims=True), x)
    count, reach = x.shape[axis], np.ptp(seen, axis=axis, keepdims=True)
    most = np.where(x < MASKED, 0, error).max(axis=axis, keepdims=True)
    exponent = 2 * most + 2 * UNIT * reach
    with np.errstate(over="ignore", invalid="ignore"):
        relative = np.expm1(exponent) + gamma(count + 2 * SMOOTH)
        passed = np.where(relative < 0.5, np.abs(shares) * relative / (1 - np.minimum(relative, 0.5)), np.inf)
    return passed + count * SMALLEST + (count + 1) * _SHARE


def norm_error(
    x: np.ndarray, error: np.ndarray, gain: np.ndarray, offset: np.ndarray, epsilon: float, centred: bool
) -> np.ndarray:
    """Of a norm over the last axis, its variance a mean of squares less the mean's square, or otherwise.

    The root of a mean of squares moves by no more than the largest of what is squared.

    Parameters
    ----------
    x, error : numpy.ndarray
        Numbers, and a bound of their errors.
    gain, offset : numpy.ndarray
    epsilon : float
    centred : bool
        Whether the mean is taken off, as in a layer norm.
    """
    count, error = x.shape[-1], error.max(axis=-1, keepdims=True)
    size, squares = np.abs(x).max(axis=-1, keepdims=True), np.square(x).mean(axis=-1, keepdims=True)
    moved = np.abs(x - x.mean(axis=-1, keepdims=True) * centred)
    e_moved = 2 * error + 2 * gamma(count + 3) * size
    spread = np.sqrt(np.square(moved).mean(axis=-1, keepdims=True) + epsilon)
    e_spread = e_moved + 2 * gamma(count + 6) * (squares + epsilon) / spread
    with np.errstate(divide="ignore", invalid="ignore"):
        passed = (e_moved + moved / spread * e_spread + gamma(12) * (moved + e_moved)) / (spread - e_spread)
        passed = np.where(spread > e_spread, passed, np.inf)
    return np.abs(gain) * passed + gamma(4) * (np.abs(gain) * moved / spread + np.abs(offset)) + SMALLEST
