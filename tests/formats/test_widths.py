"""Widths of integers, against the ranges of two's complement."""

import numpy as np

from pyqkit.formats.widths import signed_bits, signed_range_bits


def test_the_narrowest_width_that_holds_a_range() -> None:
    for low in range(-40, 41):
        for high in range(low, 41):
            width = signed_range_bits(low, high)
            assert -(2 ** (width - 1)) <= low and high < 2 ** (width - 1)
            assert width == 1 or low < -(2 ** (width - 2)) or high >= 2 ** (width - 2)


def test_ends_of_64_bits_and_beyond() -> None:
    assert signed_bits(np.array([-(2**63), 2**63 - 1])) == 64
    assert signed_bits(np.array([0, 2**63], dtype=object)) == 65
    assert signed_bits(np.array([-(2**63) - 1, 0], dtype=object)) == 65
