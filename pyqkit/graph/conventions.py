"""Written conventions that make a real-valued model definite.

The importer and the reference share these, the number formats and the plain reading of a file, and nothing
else:

* a batch norm is ``factor * x + offset``: the factor is rounded to float32, the offset ``bias - factor *
  mean`` is exact;
* products of Logarithmic Posits pass the log-to-linear table of `pyqkit.formats.logposit.linear_table`, and a
  Logarithmic
  Posit in a sum does too.
"""

from __future__ import annotations

import numpy as np


def batch_norm_factor(gain: np.ndarray, variance: np.ndarray, epsilon: float) -> np.ndarray:
    """Factor of a batch norm, float32, one a channel.

    The rounding is part of the definition (QONNX folds batch norms the same way): it keeps multipliers at 24
    bits.
    """
    return (np.float64(1) * gain / np.sqrt(np.float64(1) * variance + epsilon)).astype(np.float32)
