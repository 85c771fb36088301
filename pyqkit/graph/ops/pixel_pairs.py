"""Two pixels of a result at a time: how their windows become windows over pairs of pixels.

Output columns 2j and 2j + 1 leave together. Beside every column of the padded image stands the one that is a
stride further on: over such pairs an ordinary window moves with twice the stride, and gives at each place
both codes that the two results multiply there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.ops.window import Pair, SlidingWindow


@dataclass(frozen=True)
class PixelPairs:
    """How the pairs of an image come about, and the window that moves over them.

    Attributes
    ----------
    size : (int, int)
        Rows and columns of the image.
    results : int
        Columns of the result.
    before, behind : int
        Columns of zeros that are added to the image.
    width : int
        Columns of the image with these.
    span : int
        Columns from the first pixel of a pair to its second.
    columns : int
        Pairs of a row that the window reads, from the first on.
    window : SlidingWindow
        It gives the windows of both results of a pair; the last one's second lies outside the image if the
        result has an odd number of columns.
    """

    size: Pair
    results: int
    before: int
    behind: int
    width: int
    span: int
    columns: int
    window: SlidingWindow

    @classmethod
    def of(cls, window: SlidingWindow, size: Pair) -> PixelPairs:
        """The pairs for a window that moves over an image of so many rows and columns."""
        top, left, bottom, _ = window.padding
        stride_rows, span = window.stride
        results = window.out_size(size)[1]
        columns = (-(-results // 2) - 1) * 2 * span + window.spans[1]
        behind = max(0, columns + span - left - size[1])
        doubled = SlidingWindow(window.kernel, (stride_rows, 2 * span), (top, 0, bottom, 0), window.dilation)
        return cls(size, results, left, behind, left + size[1] + behind, span, columns, doubled)

    def pixels_needed(self) -> np.ndarray:
        """As of `SlidingWindow`: no pixel of a pair leaves before all has come that both of them need."""
        return self._of_image(self.window.pixels_needed((self.size[0], self.columns)))

    def pixels_taken(self) -> np.ndarray:
        """As of `SlidingWindow`."""
        return self._of_image(self.window.pixels_taken((self.size[0], self.columns)))

    def _of_image(self, pairs: np.ndarray) -> np.ndarray:
        """For each pixel of the result the pixels of the image that make so many pairs, given by pair."""
        rows, columns = np.divmod(pairs - 1, self.columns)
        come = np.clip(columns + self.span - self.before + 1, 0, self.size[1])
        both = (rows * self.size[1] + come).reshape(-1, -(-self.results // 2)).repeat(2, axis=1)
        return both[:, : self.results].ravel()
