"""Frames on their way into an accelerator: their codes, and what of them its input cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.port import Codes, Port
from pyqkit.formats.search import reached

_LOOKED_UP = 2  # bytes: integers of up to 16 bits take their codes from a table
_NOISE = 2.0**-20  # relative: what float32 constants such as 1/255 are off by is no rounding
_WORTH_SAYING = 0.05  # share of saturated values that a calibrated quantiser does not have


class InputWarning(UserWarning):
    """Frames hold numbers that the input of a network does not."""


def encode_input(port: Port, tensor: Codes, x: np.ndarray) -> np.ndarray:
    """Codes (frames, height, width, channels) of real inputs (frames, *onnx_shape).

    Integers of up to 16 bits are looked up, without a way over floats.

    Raises
    ------
    FormatError
        For another shape, for no numbers, and for NaN.
    """
    x = _checked(port, x)
    if x.dtype.kind in "iu" and x.itemsize <= _LOOKED_UP:
        codes = _from_table(port, tensor.format, x)
    else:
        codes = _codes(port, tensor.format, _floats(port, x))
    if port.in_order:
        return codes.reshape(len(x), *tensor.shape)
    return codes.reshape(len(x), -1).take(port.places, axis=1).reshape(len(x), *tensor.shape)


def _codes(port: Port, fmt: NumberFormat, x: np.ndarray) -> np.ndarray:
    assert port.limits is not None  # the importer gives every input its limits
    return fmt.codes.take(reached(port.limits, x), mode="clip")  # all are inside: this only saves the check


def _from_table(port: Port, fmt: NumberFormat, x: np.ndarray) -> np.ndarray:
    kind = x.dtype.newbyteorder("=")
    table, same = _table(port, fmt, kind)
    index = np.ascontiguousarray(x, kind).view(f"u{kind.itemsize}")
    return index if same else table.take(index)


@lru_cache(maxsize=16)
def _table(port: Port, fmt: NumberFormat, kind: np.dtype) -> tuple[np.ndarray, bool]:
    """Code of every number of an integer type, by its bits; and whether these are the code already."""
    bits = np.arange(256**kind.itemsize, dtype=f"u{kind.itemsize}")
    table = _codes(port, fmt, bits.view(kind).astype(np.float32))
    return table, table.dtype == bits.dtype and np.array_equal(table, bits)


def _floats(port: Port, x: np.ndarray) -> np.ndarray:
    # beyond float32 is infinite, which saturates; NaN is refused
    with np.errstate(over="ignore", invalid="ignore"):
        x = x.astype(np.float32, copy=False)
        if np.isnan(x.min()):  # which a NaN anywhere makes NaN
            raise FormatError(
                f"numbers were expected for input {port.onnx_name}, but NaN came; remove NaNs first"
            )
    return x


def _checked(port: Port, x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim == 0 or len(x) == 0:
        raise FormatError(
            f"at least one frame was expected, but an array of shape {x.shape} came; put the frames first"
        )
    wanted = tuple(port.onnx_shape)
    if tuple(x.shape[1:]) != wanted:
        raise FormatError(
            f"input {port.onnx_name} of shape (frames, {', '.join(map(str, wanted))}) was expected, "
            f"but {tuple(x.shape)} came; {_remedy(wanted, tuple(x.shape))}"
        )
    if x.dtype.kind not in "fiu":
        raise FormatError(
            f"real numbers were expected for input {port.onnx_name}, but an array of {x.dtype} "
            "came; convert it to float32"
        )
    return x


def _remedy(wanted: tuple[int, ...], came: tuple[int, ...]) -> str:
    """What to do about an array that has another shape than (frames, *wanted)."""
    axes = len(wanted)
    if axes > 1 and came[1:] == (*wanted[1:], wanted[0]):
        return f"its channels look last, and the network's are first; pass x.transpose{_order(axes, -1)}"
    if axes > 1 and came[1:] == (wanted[-1], *wanted[:-1]):
        return f"its channels look first, and the network's are last; pass x.transpose{_order(axes, 1)}"
    if came == wanted:
        return "put the frames first, which one frame alone does as x[None]"
    if np.prod(came[1:], dtype=object) == np.prod(wanted, dtype=object):
        return f"a frame has as many numbers; pass x.reshape(-1, {', '.join(map(str, wanted))})"
    if len(came) == axes + 1:
        return "bring the frames to that shape, or export the network for theirs"
    return "put the frames first"


def _order(axes: int, moved: int) -> tuple[int, ...]:
    """Order of axes that brings the last behind the batch (moved -1), or the one behind it to the end (1)."""
    rest = list(range(1, axes + 1))
    return 0, *rest[moved:], *rest[:moved]


@dataclass(frozen=True)
class Seen:
    """What frames held, beside what the input of a network holds.

    Attributes
    ----------
    input : str
    format : str
        As it was declared, or of the network's own quantiser.
    declared : bool
    least, most : float
        Ends of what the format holds.
    values : int
    saturated : int
        Values that lie beyond these ends by more than half a step of a declared format, or more than a step
        of the network's own quantiser, and became one of them.
    rounded : int
        Values that a declared format holds only rounded; 0 for a quantiser of the network's own, whose
        business that is.
    low, high : float
        Ends of the values.
    """

    input: str
    format: str
    declared: bool
    least: float
    most: float
    values: int
    saturated: int
    rounded: int
    low: float
    high: float

    @property
    def is_strange(self) -> bool:
        """Whether a user should hear of it."""
        if self.declared:
            return bool(self.saturated or self.rounded)
        return self.saturated > _WORTH_SAYING * self.values

    def to_json(self) -> dict[str, Any]:
        """As plain data: the attributes by their names, None for an end that is infinite."""
        ends = (float("inf"), float("-inf"))
        return {name: None if value in ends else value for name, value in vars(self).items()}

    def __str__(self) -> str:
        counts = [(self.saturated, "saturate"), (self.rounded, "are rounded")]
        what = " and ".join(f"{count:,} {verb}" for count, verb in counts if count) or "none saturate"
        return (
            f"of {self.values:,} values for input {self.input} {what}: they go from {self.low:.6g} to "
            f"{self.high:.6g}, and it holds {self.format} from {self.least:.6g} to {self.most:.6g}"
        )


class InputRange:
    """What the input of a network holds.

    Attributes
    ----------
    least, most : float
    """

    def __init__(self, port: Port, tensor: Codes) -> None:
        self.port, self.format = port, tensor.format
        integers = self.format.integers[self.format.codes]
        values = [float(i) * float(port.scale[0]) + float(port.offset[0]) for i in integers[[0, 1, -2, -1]]]
        self.least, self.most = values[0], values[-1]
        signs = len(integers) == 2 and not self.format.has_zero and not port.declared  # hold any number
        # a declared format holds what rounds to it; a calibration may give up one step at an end, as 0 to
        # 15/16 does for 0 to 1
        steps = np.inf if signs else 0.5 if port.declared else 1
        self._below = np.float32(self.least - steps * (values[1] - values[0]))
        self._above = np.float32(self.most + steps * (values[3] - values[2]))

    def look(self, x: np.ndarray, rounded: bool = True) -> Seen:
        """Compare frames with it.

        Parameters
        ----------
        x : numpy.ndarray
            Frames that `encode_input` takes.
        rounded : bool
            Count rounded values too, which takes as long as encoding.
        """
        low, high = x.min(), x.max()
        saturated = 0
        if low < self._below or high > self._above:
            saturated = int(np.count_nonzero(x < self._below) + np.count_nonzero(x > self._above))
        return Seen(
            self.port.onnx_name,
            self.port.declared or str(self.format),
            bool(self.port.declared),
            self.least,
            self.most,
            x.size,
            saturated,
            self._rounded(x) if rounded and self.port.declared else 0,
            float(low),
            float(high),
        )

    def _rounded(self, x: np.ndarray) -> int:
        values = self.format.integers[_codes(self.port, self.format, _floats(self.port, x))]
        values = values.astype(np.float64) * self.port.scale[0] + self.port.offset[0]
        inside = (x >= self._below) & (x <= self._above)
        return int(np.count_nonzero(inside & (abs(values - x) > _NOISE * np.maximum(abs(values), abs(x)))))
