"""The plan of a sliding window, replayed word by word: nothing is late, overwritten too early, or left."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.dataflow.pace import WindowPace
from pyqkit.graph.ops.window import SlidingWindow


def random_case(seed: int) -> tuple[SlidingWindow, tuple[int, int], int, int]:
    """A window, an image that it fits into, words of a pixel and of a window."""
    random = np.random.default_rng(seed)
    while True:
        kernel, dilation = random.integers(1, 5, 2), random.integers(1, 3, 2)
        window = SlidingWindow(
            tuple(map(int, kernel)),
            tuple(map(int, random.integers(1, 4, 2))),
            tuple(map(int, random.integers(0, 3, 4))),
            tuple(map(int, dilation)),
        )
        size = tuple(map(int, random.integers(1, 12, 2)))
        if min(window.out_size(size)) > 0:
            return window, size, int(random.integers(1, 6)), int(random.integers(1, 40))


@pytest.mark.parametrize("seed", range(60))
def test_every_word_in_its_trip(seed: int) -> None:
    window, size, words_in, words_out = random_case(seed)
    pace = WindowPace.of(window, size, words_in, words_out)
    pixels, needed = size[0] * size[1], window.pixels_needed(size)
    unneeded, windows = window.pixels_given_up(size), len(needed)
    coming, going, came, gone = 0, pace.period - pace.count_out, 0, 0
    taken = []
    for trip in range(pace.trips):
        before = came
        if trip >= pace.fill:
            going += pace.count_out
            if going >= pace.period:
                going -= pace.period
                if gone < windows * words_out:
                    assert before >= needed[gone // words_out] * words_in
                    gone += 1
                    taken += [None] * (gone % words_out == 0)
            coming += pace.count_in
        if (trip < pace.fill or coming >= pace.period) and came < pixels * words_in:
            oldest = unneeded[gone // words_out] if gone < windows * words_out else pixels
            assert came // words_in - oldest < pace.ring
            came += 1
        coming -= pace.period * (coming >= pace.period)
        if taken and taken[-1] is None:
            taken[-1] = -(-came // words_in)
    assert (came, gone) == (pixels * words_in, windows * words_out)
    assert np.less_equal(taken, window.pixels_taken(size)).all()


def test_a_frame_takes_its_filling_and_what_is_more() -> None:
    """A 3x3 convolution of 32x32 pixels fills two rows and two pixels, then goes as fast as it can."""
    window = SlidingWindow((3, 3), (1, 1), (1, 1, 1, 1))
    pace = WindowPace.of(window, (32, 32), 1, 9)
    assert (pace.fill, pace.trips) == (34, 34 + 32 * 32 * 9)
    narrow = WindowPace.of(window, (32, 32), 16, 1)
    assert narrow.trips <= 32 * 32 * 16 + 34 * 16
