"""Pairs of pixels hold the windows of both results, and wait for what both of them need."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.graph.ops.pixel_pairs import PixelPairs
from pyqkit.graph.ops.window import SlidingWindow

SIZES = [(4, 6), (5, 7), (3, 9)]
WINDOWS = {
    "same": SlidingWindow((3, 3), (1, 1), (1, 1, 1, 1)),
    "strided": SlidingWindow((3, 3), (2, 2), (1, 1, 1, 1)),
    "point": SlidingWindow((1, 1), (1, 1), (0, 0, 0, 0)),
    "skipping": SlidingWindow((1, 1), (1, 3), (0, 0, 0, 0)),
    "uneven": SlidingWindow((2, 4), (1, 2), (0, 3, 1, 0)),
    "dilated": SlidingWindow((1, 3), (1, 1), (0, 2, 0, 2), (1, 2)),
}


def windows(image: np.ndarray, window: SlidingWindow) -> np.ndarray:
    """Of a padded image: (rows, columns of the result, kernel height, kernel width, ...)."""
    spans = np.lib.stride_tricks.sliding_window_view(image, window.spans, axis=(0, 1))
    moved = np.moveaxis(spans[:: window.stride[0], :: window.stride[1]], (-2, -1), (2, 3))
    return moved[:, :, :: window.dilation[0], :: window.dilation[1]]


def padded(image: np.ndarray, sides: tuple[int, int, int, int]) -> np.ndarray:
    top, left, bottom, right = sides
    return np.pad(image, ((top, bottom), (left, right), *((0, 0),) * (image.ndim - 2)))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_over_pairs_are_those_of_both_results(name: str, size: tuple[int, int]) -> None:
    window = WINDOWS[name]
    pairs = PixelPairs.of(window, size)
    image = np.arange(1, size[0] * size[1] + 1).reshape(size)
    rows = padded(image, (0, pairs.before, 0, pairs.behind))
    assert rows.shape[1] == pairs.width
    first = rows[:, : pairs.columns]
    both = np.stack([first, rows[:, pairs.span : pairs.span + pairs.columns]], axis=-1)
    found = windows(padded(both, pairs.window.padding), pairs.window)
    expected = windows(padded(image, window.padding), window)
    assert expected.shape[:2] == window.out_size(size)
    np.testing.assert_array_equal(found[..., 0], expected[:, ::2])
    np.testing.assert_array_equal(found[:, : expected.shape[1] // 2, ..., 1], expected[:, 1::2])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", WINDOWS)
def test_pairs_wait_for_what_both_pixels_need(name: str, size: tuple[int, int]) -> None:
    window = WINDOWS[name]
    pairs, (rows, columns) = PixelPairs.of(window, size), window.out_size(size)
    alone = window.pixels_needed(size).reshape(rows, columns)
    found = pairs.pixels_needed().reshape(rows, columns)
    if columns % 2 == 0:
        np.testing.assert_array_equal(found, alone[:, np.arange(columns) | 1])
    assert (found >= alone).all()
    assert (pairs.pixels_taken() >= pairs.pixels_needed()).all()
    assert pairs.pixels_taken().max() <= size[0] * size[1]
