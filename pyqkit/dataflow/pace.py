"""When a sliding window takes and gives words, trip by trip of its loop in C++.

First `fill` words come. From then on, in every `period` trips, `count_in` words come and `count_out` words
go, evenly: as many as a row of the result needs of both. Trips are counted from the end of the filling: word
i of the rest comes in trip ``ceil((i + 1) period / count_in) - 1``, word j goes in trip ``ceil(j period /
count_out)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from pyqkit.graph.ops.window import Pair, SlidingWindow


@dataclass(frozen=True)
class WindowPace:
    """The plan of a window.

    Attributes
    ----------
    fill : int
        Words that come before the first one goes.
    count_in, count_out, period : int
        Words in, words out and trips of a period.
    ring : int
        Pixels that are kept.
    trips : int
        Of a frame.
    """

    fill: int
    count_in: int
    count_out: int
    period: int
    ring: int
    trips: int

    @classmethod
    def of(cls, window: SlidingWindow, size: Pair, words_in: int, words_out: int) -> WindowPace:
        """The plan for an image.

        Parameters
        ----------
        window : SlidingWindow
        size : (int, int)
            Rows and columns of the image.
        words_in, words_out : int
            Words of a pixel of the image and of a window.
        """
        rows, columns = window.out_size(size)
        windows, pixels = rows * columns, size[0] * size[1]
        count_in, count_out = window.stride[0] * size[1] * words_in, columns * words_out
        shared = gcd(count_in, count_out)
        count_in, count_out = count_in // shared, count_out // shared
        period = max(count_in, count_out)
        total_in, total_out = pixels * words_in, windows * words_out

        def goes(word: np.ndarray | int) -> np.ndarray | int:
            return -(-word * period // count_out)

        begins = goes(np.arange(windows, dtype=np.int64) * words_out)
        late = window.pixels_needed(size) * words_in - begins * count_in // period
        fill = min(int(late.max()), total_in)
        first = np.arange(pixels, dtype=np.int64) * words_in - fill  # first word of each pixel
        comes = np.where(first < 0, 0, -(-(first + 1) * period // count_in) - 1)
        gone = np.where(comes > 0, (comes - 1) * count_out // period + 1, 0) // words_out
        unneeded = np.append(window.pixels_given_up(size), pixels)[np.minimum(gone, windows)]
        ring = max(1, int((np.arange(pixels) + 1 - unneeded).max()))
        rest = max(int(goes(total_out - 1)) + 1, -(-(total_in - fill) * period // count_in))
        return cls(fill, count_in, count_out, period, ring, fill + rest)
