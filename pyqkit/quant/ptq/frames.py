"""Calibration frames: an array, or a folder of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyqkit.errors import UserError

FEWEST = 8  # frames; fewer say little of what a network's numbers are


def checked(data: Any) -> Tensor:
    """Frames as float32 on the CPU.

    Parameters
    ----------
    data : array or Tensor, shape (frames, *shape of the input)

    Raises
    ------
    UserError
        If they are no numbers, fewer than `FEWEST`, or not all finite.
    """
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiu":
        data = torch.from_numpy(np.ascontiguousarray(data.astype(data.dtype.newbyteorder("="), copy=False)))
    if not isinstance(data, Tensor) or data.is_complex() or data.dtype == torch.bool:
        came = getattr(data, "dtype", None) or type(data).__name__
        raise UserError(
            f"one array of real numbers was expected as calibration frames, but {came} came; pass frames "
            "along the first axis"
        )
    if data.ndim < 2 or len(data) < FEWEST or not data.numel():
        raise UserError(
            f"at least {FEWEST} calibration frames along the first axis were expected, but shape "
            f"{tuple(data.shape)} came; a few hundred are usual"
        )
    frames = data.detach().cpu().to(torch.float32)
    wrong = ~torch.isfinite(frames).flatten(1).all(1)
    if bool(wrong.any()):
        raise UserError(
            f"finite calibration frames were expected, but NaN or infinity is in {int(wrong.sum())} of "
            f"{len(frames)}, first in frame {int(wrong.nonzero()[0])}; leave them out"
        )
    return frames
