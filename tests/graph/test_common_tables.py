"""One row of thresholds for all channels counts what the rows of each channel count, for every integer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import NumberFormat, parse
from pyqkit.graph.common_tables import common
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.requantise import Threshold
from pyqkit.graph.steps import Rows

LOW, HIGH = -700, 900
TENSOR = Tensor.accumulator("x", (1, 1, 1), LOW, HIGH)


def requantiser(fmt: NumberFormat, slopes: list[Fraction], offsets: list[Fraction], relu: bool) -> Threshold:
    """The nearest value of a format to ``slope * x + offset``, or to that behind a ReLU."""
    integers = range(LOW, HIGH + 1)
    rows = []
    for slope, offset in zip(slopes, offsets):
        numbers = sorted(max(slope * x + offset, 0) if relu else slope * x + offset for x in integers)
        row = []
        for boundary in fmt.boundaries():
            reached = [
                n >= boundary.position if boundary.inclusive else n > boundary.position for n in numbers
            ]
            row.append(LOW + reached.index(True) if any(reached) else HIGH + 1)
        # Of numbers that fall as the integers rise, steps are counted from the other end.
        rows.append(row if slope > 0 else [LOW + HIGH + 1 - limit for limit in row[::-1]])
    falling = np.array([slope < 0 for slope in slopes])
    return Threshold("t", ["x"], ["t"], fmt, np.array(rows, np.int64), falling)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("name", ["e2m1", "e3m2", "e4m3", "ue3m3", "lp4_0_3", "lp8_1_3"])
def test_every_integer_reaches_as_many_steps(name: str, relu: bool) -> None:
    fmt, random = parse(name), np.random.default_rng(4)
    largest = Fraction(fmt.boundaries()[-1].position)
    slopes = [largest * Fraction(int(n), 2048) / int(d) for n, d in random.integers(1, 9, (12, 2))]
    if not relu:
        slopes = [slope * int(sign) for slope, sign in zip(slopes, random.choice([-1, 1], 12))]
    offsets = [largest * Fraction(int(n), 977) for n in random.integers(-300, 300, 12)]
    op = requantiser(fmt, slopes, offsets, relu)
    found = common(Rows.of(op.thresholds, op.falling, TENSOR), fmt)
    assert found is not None
    assert (np.diff(found.row) > 0).all()
    integers = np.arange(LOW, HIGH + 1)[:, None]
    scaled = integers * found.multiplier + found.offset
    scaled = np.maximum(scaled, 0) if found.relu else scaled
    (wanted,) = op.execute([np.broadcast_to(integers, scaled.shape) - LOW], [_counted(scaled.shape[1])])
    assert_array_equal(fmt.codes[(scaled[..., None] >= found.row).sum(axis=-1)], wanted)


def _counted(channels: int) -> Tensor:
    return Tensor("x", (1, 1, channels), parse(f"uint11z{-LOW}"), LOW, HIGH)


def test_rows_of_no_common_shape_have_no_common_row() -> None:
    fmt = parse("e2m1")
    rows = np.sort(np.random.default_rng(1).integers(LOW, HIGH, (5, len(fmt.codes) - 1)), axis=1)
    op = Threshold("t", ["x"], ["t"], fmt, rows, np.zeros(5, bool))
    assert common(Rows.of(op.thresholds, op.falling, TENSOR), fmt) is None
