"""Images that studies, benchmarks and the demo train on."""

from __future__ import annotations

from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from pyqkit.digest import digest
from pyqkit.errors import UserError

TEST, TRAINING = "cifar10_test_a.npz", "cifar10_train_20k.npz"  # of CIFAR-10, in the data folder
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


@dataclass(frozen=True)
class Images:
    """Images and their classes.

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8, (frames, height, width, colours).
    labels : numpy.ndarray
        uint8, (frames,).
    """

    pixels: np.ndarray
    labels: np.ndarray

    @property
    def digest(self) -> str:
        """SHA-256 of pixels and labels."""
        return digest(self.pixels.tobytes() + self.labels.tobytes())


def arrays(path: Path, *names: str) -> tuple[np.ndarray, ...]:
    """Arrays of an npz file, whatever compression it has.

    Raises
    ------
    ValueError
        If the file cannot be read, or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return tuple(archive[name] for name in names)
    except (OSError, KeyError, EOFError, BadZipFile, ZlibError, LZMAError) as error:
        raise ValueError(str(error)) from None


def cifar10(folder: Path, file: str, count: int | None) -> Images:
    """The first `count` images of `TEST` or `TRAINING`, in the official order; None for all that are there.

    Raises
    ------
    UserError
        If the file cannot be read, is something else, or holds fewer.
    """
    path = folder / file
    try:
        pixels, labels = arrays(path, "x", "y")
    except ValueError as error:
        raise UserError(
            f"an npz archive of images x and labels y was expected in {path}, but {error}; check the data "
            "folder"
        ) from None
    right = pixels.dtype == labels.dtype == np.uint8 and pixels.shape[1:] == (32, 32, 3)
    if not right or labels.shape != pixels.shape[:1] or len(pixels) < (count or 1):
        raise UserError(
            f"{count or 1} or more images of 32x32x3 uint8 with labels were expected in {path}, but "
            f"{pixels.dtype} {pixels.shape} and {labels.dtype} {labels.shape} came; check the data folder or "
            "take fewer images"
        )
    return Images(pixels[:count], labels[:count])


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
