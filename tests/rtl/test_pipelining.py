"""How deep a block is pipelined."""

import pytest

from pyqkit.rtl.pipelining import TARGET_MHZ, stages


@pytest.mark.parametrize(
    "clock_mhz, depth",
    [(50.0, 0), (100.0, 1), (TARGET_MHZ, 3), (400.0, 4)],
    ids=["half the clock", "board", "target", "beyond the deepest"],
)
def test_least_depth_that_meets_the_clock_with_a_tenth_left(clock_mhz: float, depth: int) -> None:
    # Of 10 ns 9.0 are left, and 9.0 fits; 4.6 does not fit into 4.5.
    assert stages([11.0, 9.0, 4.6, 4.4, 3.0], clock_mhz) == depth
