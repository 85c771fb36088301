"""Which blocks find the digits of a root, and in how many cycles each."""

from __future__ import annotations

import pytest

from pyqkit.rtl.root_digits import Segment, segments

CLOCK_MHZ = 200.0


@pytest.mark.parametrize(("root_bits", "words"), [(1, 1), (46, 24), (60, 24), (87, 32), (184, 24), (184, 3)])
def test_every_digit_is_found_once_in_the_cycles_of_a_pixel(root_bits: int, words: int) -> None:
    found = segments(root_bits, words, CLOCK_MHZ)
    assert sum(segment.digits for segment in found) == found[-1].found == root_bits
    known = 0
    for segment in found:
        known += segment.digits
        assert segment.found == known and 1 <= segment.steps <= words


def test_narrow_roots_are_shared_evenly() -> None:
    assert segments(46, 24, CLOCK_MHZ) == [Segment(23, 23, 1), Segment(23, 46, 1)]


def test_a_wide_sum_takes_several_cycles_and_a_slower_clock_fewer() -> None:
    assert max(segment.parts for segment in segments(184, 24, CLOCK_MHZ)) > 2
    assert {segment.parts for segment in segments(184, 24, CLOCK_MHZ / 4)} == {1}


def test_a_pixel_of_one_word_waits_for_no_part() -> None:
    """Sums are as wide as they are there: words come every cycle."""
    assert segments(87, 1, CLOCK_MHZ) == [Segment(1, digit, 1) for digit in range(1, 88)]
