"""Zeros beside codes of a format that has none, as bipolar activations in a padded convolution need them."""

from __future__ import annotations

import numpy as np

from pyqkit.formats import Integer
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.ops.requantise import Rescale


def with_zero(lowering: Lowering, tensor: str, name: str) -> str:
    """A tensor of the same integers, in a format that holds zero."""
    given = lowering.graph.tensors[tensor]
    if given.format.has_zero:
        return tensor
    ones = np.ones(given.shape[2], np.int64)
    fmt = Integer(signed_range_bits(min(given.low, 0), max(given.high, 0)))
    wanted = f"{lowering.stem(name)}_with_zero"
    return lowering.emit(
        Rescale, wanted, [tensor], format=fmt, multiplier=ones, offset=0 * ones, shift=0
    ).name
