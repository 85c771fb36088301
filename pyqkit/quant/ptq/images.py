"""Calibration frames from a folder of images, preprocessed as the user says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pyqkit.errors import UserError, brief

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm")
MAX_IMAGES = 10_000
MAX_PIXELS = 2**26  # of one image
_KINDS = ("PNG", "JPEG", "BMP", "PPM")
_SIZE = re.compile(r"[1-9]\d{0,4}")


@dataclass(frozen=True)
class Preprocessing:
    """What happens to an image before a network takes it, in this order.

    Attributes
    ----------
    resize : int
        Length of the shorter side, by bilinear interpolation; 0 leaves the image as it is.
    crop : int
        Side of the square that is cut out of the middle; 0 cuts nothing.
    grey : bool
        One channel instead of three.
    scale : float
        What pixels 0..255 are divided by.
    mean, std : tuple of float
        Subtracted, and divided by, after scaling; one number for each channel, or for all.
    """

    resize: int = 0
    crop: int = 0
    grey: bool = False
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @classmethod
    def parse(cls, text: str) -> Preprocessing:
        """From words such as ``"resize=256,crop=224,mean=0.485/0.456/0.406,std=0.229/0.224/0.225"``.

        Raises
        ------
        UserError
            For anything else.
        """
        given: dict[str, object] = {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = word.partition("=")
            try:
                if name in given:
                    raise ValueError
                given[name] = _value(name, value)
            except ValueError:
                raise UserError(
                    "words such as resize=256, crop=224, grey, scale=255, mean=0.5 or mean=0.5/0.5/0.5 and "
                    f"std=0.25, joined by commas and each once, were expected, but {brief(word)} came; mend "
                    "it"
                ) from None
        made = cls(**given)  # type: ignore[arg-type]
        channels = 1 if made.grey else 3
        for name, numbers in (("mean", made.mean), ("std", made.std)):
            if len(numbers) not in (1, channels):
                raise UserError(
                    f"1 or {channels} numbers were expected for {name}, but {len(numbers)} came; give one "
                    "for each channel"
                )
        return made


def _value(name: str, value: str) -> object:
    if name in ("resize", "crop") and _SIZE.fullmatch(value):
        return int(value)
    if name == "grey" and not value:
        return True
    numbers = tuple(float(number) for number in value.split("/")) if name in ("scale", "mean", "std") else ()
    nonzero = name == "mean" or all(number > 0 for number in numbers)
    if (
        not numbers
        or not nonzero
        or not all(map(np.isfinite, numbers))
        or (name == "scale" and len(numbers) > 1)
    ):
        raise ValueError
    return numbers[0] if name == "scale" else numbers


def read(folder: Path, preprocessing: Preprocessing) -> np.ndarray:
    """All images of a folder, in the order of their names.

    Returns
    -------
    numpy.ndarray, float32, shape (images, channels, height, width)

    Raises
    ------
    UserError
        If there are none or too many, one cannot be read, or they have different sizes.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths or len(paths) > MAX_IMAGES:
        raise UserError(
            f"1 to {MAX_IMAGES} images ({', '.join(ENDINGS)}) were expected in {folder}, but it has "
            f"{len(paths)}; choose a folder of images"
        )
    frames = [_frame(path, preprocessing) for path in paths]
    odd = next((i for i, frame in enumerate(frames) if frame.shape != frames[0].shape), None)
    if odd is not None:
        raise UserError(
            f"images of one size were expected, but {paths[0].name} becomes {frames[0].shape[1:]} and "
            f"{paths[odd].name} {frames[odd].shape[1:]}; preprocess them with resize= and crop="
        )
    return np.stack(frames)


def _frame(path: Path, preprocessing: Preprocessing) -> np.ndarray:
    try:
        with Image.open(path, formats=_KINDS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"it has more than {MAX_PIXELS} pixels")
            whole = image.convert("L" if preprocessing.grey else "RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(
            f"an image was expected, but {path} cannot be read ({error}); leave it out, or write it as PNG"
        ) from error
    if preprocessing.resize:
        share = preprocessing.resize / min(whole.size)
        size = tuple(max(1, round(side * share)) for side in whole.size)
        whole = whole.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    if preprocessing.crop:
        if min(whole.size) < preprocessing.crop:
            raise UserError(
                f"images of {preprocessing.crop} pixels or more on each side were expected, but {path.name} "
                f"has {whole.width} x {whole.height}; crop less, or resize first"
            )
        whole = _middle(whole, preprocessing.crop)
    pixels = np.asarray(whole, np.float32).reshape(whole.height, whole.width, -1) / preprocessing.scale
    shifted = (pixels - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    return np.ascontiguousarray(shifted.transpose(2, 0, 1), np.float32)


def _middle(image: Image.Image, side: int) -> Image.Image:
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
