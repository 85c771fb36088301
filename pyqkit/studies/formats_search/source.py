"""Network, calibration frames and labelled images from a user's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from pyqkit import frames
from pyqkit.errors import UserError
from pyqkit.quant.ptq import loading
from pyqkit.quant.ptq.frames import checked


@dataclass(frozen=True)
class Files:
    """A source of plain data, which travels to workers.

    Attributes
    ----------
    where : str
        ``MODULE.py:factory``, as `pyqkit.quant.ptq.loading.network` takes it.
    weights : str or None
        npz or safetensors file.
    calibration : str
        Frames in npy format, preprocessed.
    count : int
        How many of them, from the first on.
    tested, labels : str or None
        Images and their labels in npy format.
    """

    where: str
    weights: str | None
    calibration: str
    count: int
    tested: str | None = None
    labels: str | None = None

    def network(self) -> nn.Module:
        """The float network."""
        return loading.network(self.where, None if self.weights is None else Path(self.weights))

    def images(self) -> np.ndarray:
        """Calibration frames, float32."""
        return checked(frames.read(Path(self.calibration))[: self.count]).numpy()

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Images and labels, if there are any.

        Raises
        ------
        UserError
            If they do not belong together.
        """
        if self.tested is None or self.labels is None:
            return None
        images, labels = checked(frames.read(Path(self.tested))).numpy(), frames.read(Path(self.labels))
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise UserError(
                f"a whole number for each of {len(images)} images was expected in {self.labels}, but "
                f"{labels.dtype} of shape {labels.shape} came; write one label an image"
            )
        return images, labels.astype(np.int64)
