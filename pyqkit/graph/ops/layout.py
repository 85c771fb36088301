"""Operators that move codes and change none: channel permutation, slice, pad, concatenation, reshape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from pyqkit.errors import brief
from pyqkit.graph import limits
from pyqkit.graph.fields import whole_field, wholes_field
from pyqkit.graph.graph import GraphError, Operator, Tensor, expect
from pyqkit.graph.ops import operator


@operator
@dataclass
class Permute(Operator):
    """output channel c = input channel ``channels[c]``; also selects and repeats channels (split, shuffle).

    Attributes
    ----------
    channels : list of int
    """

    channels: list[int] = wholes_field(None, repr=False)

    kind = "permute"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        inside = bool(self.channels) and all(0 <= c < t.shape[2] for c in self.channels)
        expect(inside, self, f"the channels {brief(self.channels)}, not some from 0 to {t.shape[2] - 1}")
        return [Tensor(self.outputs[0], (*t.shape[:2], len(self.channels)), t.format, t.low, t.high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        return [inputs[0][..., self.channels]]

    def pixels_taken(self, tensors: list[Tensor]) -> list[np.ndarray]:
        pixels = tensors[0].pixels  # the next one comes while one goes
        return [np.minimum(np.arange(2, pixels + 2), pixels)]


@operator
@dataclass
class Slice(Operator):
    """Rows and columns ``start, start + step, ...``, `size` of them.

    Attributes
    ----------
    start, step, size : (int, int)
        Rows, columns.
    """

    start: tuple[int, int] = wholes_field(2)
    step: tuple[int, int] = wholes_field(2, least=1)
    size: tuple[int, int] = wholes_field(2, least=1)

    kind = "slice"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        last = [s + (n - 1) * d for s, d, n in zip(self.start, self.step, self.size)]
        inside = min(self.start) >= 0 and all(p < n for p, n in zip(last, t.shape))
        forward = min(self.step) >= 1 and min(self.size) >= 1
        expect(
            inside and forward,
            self,
            f"a slice from {self.start} of {self.size} in steps of {self.step}, outside {t.shape[:2]}",
        )
        return [Tensor(self.outputs[0], (*self.size, t.shape[2]), t.format, t.low, t.high)]

    def _axes(self) -> list[slice]:
        return [slice(s, s + (n - 1) * d + 1, d) for s, d, n in zip(self.start, self.step, self.size)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        rows, columns = self._axes()
        return [inputs[0][:, rows, columns]]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        rows, columns = self._axes()
        height, width, _ = tensors[0].shape
        return [np.arange(1, height * width + 1).reshape(height, width)[rows, columns].ravel()]


@operator
@dataclass
class Pad(Operator):
    """Adds rows, columns and channels of zeros.

    Attributes
    ----------
    before, after : (int, int, int)
        Rows, columns, channels.
    """

    before: tuple[int, int, int] = wholes_field(3)
    after: tuple[int, int, int] = wholes_field(3)

    kind = "pad"

    def check(self) -> None:
        widths = (*self.before, *self.after)
        sound = len(widths) == 6 and all(0 <= n <= limits.PADDING for n in widths)
        expect(sound, self, f"the padding {brief(widths)}, not six numbers from 0 to {limits.PADDING}")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        if not t.format.has_zero:
            raise GraphError(
                f"a format with a zero was expected where {self.name} pads, but {t.name} is {t.format}"
            )
        shape = tuple(b + n + a for b, n, a in zip(self.before, t.shape, self.after))
        return [Tensor(self.outputs[0], shape, t.format, min(t.low, 0), max(t.high, 0))]  # type: ignore[arg-type]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        widths = ((0, 0), *zip(self.before, self.after))
        return [np.pad(inputs[0], widths, constant_values=tensors[0].format.zero_code)]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        height, width, _ = tensors[0].shape
        place = np.zeros(self.infer(tensors)[0].shape[:2], np.int64)
        top, left, _ = self.before
        place[top : top + height, left : left + width] = np.arange(1, height * width + 1).reshape(
            height, width
        )
        return [np.maximum.accumulate(place.ravel())]


@operator
@dataclass
class Concat(Operator):
    """Rows, columns or channels of several tensors of one format, one after the other.

    Attributes
    ----------
    axis : int
        0 for rows, 1 for columns, 2 for channels.
    """

    axis: int = whole_field(default=2)

    kind = "concat"

    def check(self) -> None:
        expect(0 <= self.axis <= 2, self, f"the axis {self.axis}, not one from 0 to 2")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        first = inputs[0]
        shapes = [self._across(t.shape) for t in inputs]
        if any(shape != shapes[0] or t.format != first.format for shape, t in zip(shapes, inputs)):
            raise GraphError(
                f"equal formats and sizes were expected by {self.name}, but "
                f"{', '.join(f'{t.format} {t.shape}' for t in inputs)} came; quantise all branches alike"
            )
        shape = list(first.shape)
        shape[self.axis] = sum(t.shape[self.axis] for t in inputs)
        low, high = min(t.low for t in inputs), max(t.high for t in inputs)
        return [Tensor(self.outputs[0], (shape[0], shape[1], shape[2]), first.format, low, high)]

    def _across(self, shape: tuple[int, int, int]) -> tuple[int, ...]:
        """What all inputs have in common."""
        return shape[: self.axis] + shape[self.axis + 1 :]

    def runs(self, shape: tuple[int, int, int]) -> int:
        """How many times a frame takes from every input in turn: once, for each row, or for each pixel."""
        return prod(shape[: self.axis])

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        return [np.concatenate(inputs, axis=self.axis + 1)]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        (output,) = self.infer(tensors)
        found = []
        for index, tensor in enumerate(tensors):
            height, width, _ = tensor.shape
            place = np.zeros(output.shape[:2], np.int64)
            start = sum(t.shape[self.axis] for t in tensors[:index])
            top, left = (start, 0) if self.axis == 0 else (0, start) if self.axis == 1 else (0, 0)
            pixels = np.arange(1, tensor.pixels + 1).reshape(height, width)
            place[top : top + height, left : left + width] = pixels
            found.append(np.maximum.accumulate(place.ravel()))
        return found


@operator
@dataclass
class Reshape(Operator):
    """The same stream under another shape: (height, width, channels) to (1, 1, features) and back.

    Attributes
    ----------
    shape : (int, int, int)
    """

    shape: tuple[int, int, int] = wholes_field(3, least=1)

    kind = "reshape"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (t,) = inputs
        same = min(self.shape) >= 1 and prod(self.shape) == prod(t.shape)
        expect(same, self, f"the shape {self.shape}, which does not hold {prod(t.shape)} elements")
        return [Tensor(self.outputs[0], self.shape, t.format, t.low, t.high)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        return [inputs[0].reshape(len(inputs[0]), *self.shape)]

    def pixels_needed(self, tensors: list[Tensor]) -> list[np.ndarray]:
        total, pixels = tensors[0].pixels, self.shape[0] * self.shape[1]
        return [-(-np.arange(1, pixels + 1) * total // pixels)]
