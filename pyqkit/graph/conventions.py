"""Written conventions that make a real-valued model definite.

The importer and the reference share these, the number formats and the plain reading of a file, and nothing
else:

* a batch norm is ``factor * x + offset``: the factor is rounded to float32, the offset ``bias - factor *
  mean`` is exact;
* products of Logarithmic Posits pass the log-to-linear table of `pyqkit.formats.logposit.linear_table`, and a
  Logarithmic
  Posit in a sum does too;
* a softmax of quantised scores reads e**x from a table with an entry for each code (`exponential_table`).
  The terms of a row are aligned to its largest exponent, which cuts off what lies below; they are added up
  exactly, and the share of each in the sum is rounded once, as the exact rational number that it is. With n
  scores in a row a share is at most ``1.5 * (n + 1) * 2**-29`` away from the real one;
* minus infinity that is added to quantised scores hides them from the softmax that reads the sum: its row is
  one without them, and their shares are 0. A number below `MASKED` stands for it, as exporters write it;
* a layer norm, or RMS norm, of quantised numbers is the real result, rounded once: integers decide, whose
  squares are compared (`pyqkit.graph.ops.layer_norm`), so that there is nothing to agree upon.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import numpy as np

MASKED = -1e30  # a number below it that is added to quantised scores stands for minus infinity
EXPONENTIAL_BITS = 30  # of the significands of `exponential_table`
_DIGITS = 60  # decimal, of what is rounded to them


def batch_norm_factor(gain: np.ndarray, variance: np.ndarray, epsilon: float) -> np.ndarray:
    """Factor of a batch norm, float32, one a channel.

    The rounding is part of the definition (QONNX folds batch norms the same way): it keeps multipliers at 24
    bits.
    """
    return (np.float64(1) * gain / np.sqrt(np.float64(1) * variance + epsilon)).astype(np.float32)


def exponential_table(numbers: Iterable[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """e to the power of each number as ``significand * 2**exponent``.

    Parameters
    ----------
    numbers : iterable of Fraction
        Of a magnitude up to 2**20.

    Returns
    -------
    significands : numpy.ndarray, int64
        The nearest integers from 2**29 to 2**30, so that each entry is at most 2**-30 of itself off.
    exponents : numpy.ndarray, int64

    Raises
    ------
    ValueError
        For a number beyond that.
    """
    found = [_exponential(number) for number in numbers]
    significands, exponents = zip(*found) if found else ((), ())
    return np.array(significands, np.int64), np.array(exponents, np.int64)


@lru_cache(maxsize=4096)  # of a network's tables, which a reference asks for with each piece of frames
def _exponential(number: Fraction) -> tuple[int, int]:
    if abs(number) > 2**20:
        raise ValueError(f"e to the power of {float(number):g} is asked for")
    with localcontext() as context:  # of its own, whatever a program that uses this has set
        context.prec = _DIGITS
        context.rounding = ROUND_HALF_EVEN
        log = Decimal(number.numerator) / Decimal(number.denominator)
        exponent = int(log / Decimal(2).ln()) - EXPONENTIAL_BITS + 1
        scaled = log.exp() * _power_of_two(-exponent)
        while scaled < 2 ** (EXPONENTIAL_BITS - 1):
            scaled, exponent = scaled * 2, exponent - 1
        while scaled >= 2**EXPONENTIAL_BITS:
            scaled, exponent = scaled / 2, exponent + 1
        return int(scaled.to_integral_value(ROUND_HALF_EVEN)), exponent


def _power_of_two(exponent: int) -> Decimal:
    return Decimal(2) ** exponent
