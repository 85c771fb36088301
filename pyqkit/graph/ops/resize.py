"""Nearest-neighbour resizing: rows and columns that come several times, or never."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.graph.fields import wholes_field
from pyqkit.graph.folding import Axis, Folding, FoldingSpace
from pyqkit.graph.graph import Operator, Tensor, expect
from pyqkit.graph.ops import operator


@dataclass(frozen=True)
class ResizeFolding(Folding):
    """Parallelism of one resizing.

    Attributes
    ----------
    lanes : int
        Channels at a time.
    """

    lanes: int = 1


@operator
@dataclass
class Resize(Operator):
    """Each row and each column of the input so many times, one copy behind the other.

    Every nearest-neighbour resizing whose map of places does not decrease is one, whatever its factors and
    its rounding.

    Attributes
    ----------
    rows, columns : list of int
        How often each row and each column of the input comes; 0 for never.
    """

    rows: list[int] = wholes_field(None, repr=False)
    columns: list[int] = wholes_field(None, repr=False)

    kind = "resize"
    folding_type = ResizeFolding

    def check(self) -> None:
        for what, times in (("rows", self.rows), ("columns", self.columns)):
            sound = min(times, default=-1) >= 0 and sum(times) >= 1
            expect(sound, self, f"{what} that come a negative number of times, or never")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        expect(
            (len(self.rows), len(self.columns)) == t.shape[:2],
            self,
            f"copies of {len(self.rows)} rows and {len(self.columns)} columns instead of {t.shape[:2]}",
        )
        shape = sum(self.rows), sum(self.columns), t.shape[2]
        return [Tensor(self.outputs[0], shape, t.format, t.low, t.high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        return [inputs[0].repeat(self.rows, axis=1).repeat(self.columns, axis=2)]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        height, width, _ = tensors[0].shape
        place = np.arange(1, height * width + 1).reshape(height, width)
        return [np.maximum.accumulate(place.repeat(self.rows, axis=0).repeat(self.columns, axis=1).ravel())]

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        return FoldingSpace(ResizeFolding, (Axis("lanes", tensors[0].shape[2]),))
