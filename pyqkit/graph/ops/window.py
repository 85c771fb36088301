"""Windows that slide over an image.

What convolutions and pools check of them before any kernel counts with their numbers.
"""

from __future__ import annotations

from math import prod

from pyqkit.errors import brief
from pyqkit.graph import limits
from pyqkit.graph.graph import Operator, Tensor, expect

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]  # top, left, bottom, right


def check_window(op: Operator, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair = (1, 1)) -> None:
    """Refuse windows that are empty, stand still, leave the image, or are too large.

    Raises
    ------
    FieldError
    """
    for what, pair in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        sound = len(pair) == 2 and all(1 <= n <= limits.WINDOW for n in pair)
        expect(sound, op, f"the {what} {brief(pair)}, not two numbers from 1 to {limits.WINDOW}")
    sound = len(padding) == 4 and all(0 <= n <= limits.PADDING for n in padding)
    expect(sound, op, f"the padding {brief(padding)}, not four numbers from 0 to {limits.PADDING}")


def padded_shape(op: Operator, tensor: Tensor, padding: Sides) -> tuple[int, int, int]:
    """Shape of an image with its padding, which is a tensor's at most."""
    top, left, bottom, right = padding
    height, width, channels = tensor.shape
    shape = top + height + bottom, left + width + right, channels
    expect(
        prod(shape) <= limits.TENSOR_ELEMENTS,
        op,
        f"a padded image of shape {shape}, more than {limits.TENSOR_ELEMENTS} elements",
    )
    return shape
