"""How deep a block is pipelined."""

import pytest

from pyqkit.rtl.pipelining import TARGET_MHZ, booth_digits, chunk, stages, sum_chunk
from pyqkit.rtl.row_search import held


@pytest.mark.parametrize(
    "clock_mhz, depth",
    [(50.0, 0), (100.0, 1), (TARGET_MHZ, 3), (400.0, 4)],
    ids=["half the clock", "board", "target", "beyond the deepest"],
)
def test_least_depth_that_meets_the_clock_with_a_tenth_left(clock_mhz: float, depth: int) -> None:
    # Of 10 ns 9.0 are left, and 9.0 fits; 4.6 does not fit into 4.5.
    assert stages([11.0, 9.0, 4.6, 4.4, 3.0], clock_mhz) == depth


@pytest.mark.parametrize("factor", [0, 1, 2, 3, 14, -1, -2, -3, -8, 7])
def test_rows_that_are_left_of_a_known_factor_make_it(factor: int) -> None:
    """Booth's digits are -2 to 2, of which those of the other rows are nothing."""
    rows = booth_digits(factor, 5)
    reach = {0}
    for place, left in enumerate(rows):
        reach = {sum_ + digit * 4**place for sum_ in reach for digit in ((-2, -1, 1, 2) if left else (0,))}
    assert factor in reach and len(rows) == 3
    assert any(rows) == (factor != 0)


def test_chains_are_shorter_beside_a_wide_factor_and_longer_at_a_slower_clock() -> None:
    assert chunk(75, TARGET_MHZ) == chunk(75, TARGET_MHZ, 11) == 38
    assert chunk(96, TARGET_MHZ, 66) < chunk(96, TARGET_MHZ) < chunk(96, TARGET_MHZ / 2) == 96


def test_sums_are_cut_where_their_products_are_wide() -> None:
    assert sum_chunk(75, (60, 8), TARGET_MHZ) == 75
    assert sum_chunk(106, (87, 12), TARGET_MHZ) == chunk(106, TARGET_MHZ, 12) < 106


def test_products_are_held_before_wide_sums_alone() -> None:
    assert held(5, [34], TARGET_MHZ) == held(9, [20, 16], TARGET_MHZ) == 0
    assert held(20, [25, 9], TARGET_MHZ) == 1
    assert held(20, [25, 9], TARGET_MHZ / 2) == 0
