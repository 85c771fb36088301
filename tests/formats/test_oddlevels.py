"""Odd levels, the grid of PalQuant."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import FormatError, OddLevels, parse


def test_the_grids() -> None:
    assert parse("odd1").values.tolist() == [-1, 1]
    assert parse("odd2").values.tolist() == [-3, -1, 1, 3]
    assert parse("odd3").values.tolist() == [-7, -5, -3, -1, 1, 3, 5, 7]


@pytest.mark.parametrize("width", range(1, 9))
def test_evenly_spaced_symmetric_and_without_zero(width: int) -> None:
    fmt = OddLevels(width)
    assert_array_equal(np.diff(fmt.values), 2)
    assert_array_equal(fmt.values, -fmt.values[::-1])
    assert not fmt.has_zero and len(fmt.values) == 2**width
    assert np.all(fmt.values % 2 == 1)


def test_ties_go_to_the_even_code() -> None:
    assert parse("odd2").quantise(np.array([-2.0, 0.0, 2.0])).tolist() == [-3, 1, 1]


@pytest.mark.parametrize("width", [0, 9])
def test_illegal_width(width: int) -> None:
    with pytest.raises(FormatError) as raised:
        OddLevels(width)
    assert str(raised.value) == f"odd levels of 1 to 8 bits were expected, but odd{width} came"
