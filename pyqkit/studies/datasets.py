"""Images that studies, benchmarks and the demo train on."""

from __future__ import annotations

import numpy as np

TEST_SHARE = 0.3  # of the digits
_MARGIN = 4  # pixels that a view may be shifted


def digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scikit-learn's digits: training images and labels, test images and labels.

    Images are (frames, 1, 8, 8) float32 in 0..1; `seed` decides the split.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    x, x_test, y, y_test = train_test_split(
        images, data.target, test_size=TEST_SHARE, random_state=seed, stratify=data.target
    )
    return x, y, x_test, y_test


def views(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Random crops of images padded by four reflected pixels, half of them mirrored.

    uint8 of shape (frames, height, width, colours).
    """
    height, width = pixels.shape[1:3]
    sides = (_MARGIN, _MARGIN)
    padded = np.pad(pixels, ((0, 0), sides, sides, (0, 0)), mode="reflect")
    top, left = random.integers(0, 2 * _MARGIN + 1, (2, len(pixels)))
    mirror = random.random(len(pixels)) < 0.5
    made = np.empty_like(pixels)
    for i, (row, column) in enumerate(zip(top, left)):
        crop = padded[i, row : row + height, column : column + width]
        made[i] = crop[:, ::-1] if mirror[i] else crop
    return made
