"""The two ends of an accelerator.

Real numbers of the ONNX graph to codes and back, and codes to the beats of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Protocol

import numpy as np

from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.integer import Integer
from pyqkit.formats.packing import pack, unpack
from pyqkit.formats.parse import parse
from pyqkit.formats.reading import check, tensor_name, text, whole

_ARRAYS = ("order", "scale", "offset", "limits")


class Codes(Protocol):
    """What has a shape (height, width, channels) and a format: a tensor of the graph, or an `End`."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def format(self) -> NumberFormat: ...


@dataclass(frozen=True, eq=False)
class Port:
    """One end of the accelerator: how real numbers of the ONNX graph and codes translate into each other.

    An input is encoded as ``format.encode(x / scale)`` (exactly; `limits` are the float32 thresholds that do
    it). An output channel c has the real value ``scale[c] * integer + offset[c]``.

    Attributes
    ----------
    tensor : str
    onnx_name : str
    onnx_shape : tuple of int
        Without the batch, in the layout of the ONNX graph.
    order : numpy.ndarray
        Shape `onnx_shape`: for each element of the ONNX tensor its place in the flattened (height, width,
        channels).
    scale, offset : numpy.ndarray, float64, shape (channels,)
        For an input, of one entry: real value of integer 1, and the real value of integer 0.
    limits : numpy.ndarray or None, float32
        Inputs only: smallest float32 that encodes to ``format.codes[i + 1]``.
    probe : bool
        Outputs only: codes of a layer inside the network, to compare with, and no result of it.
    declared : str
        Inputs only: the format that whoever compiled the network declared, such as ``uint8:1/255``; empty
        where the network has a quantiser of its own.
    """

    tensor: str
    onnx_name: str
    onnx_shape: tuple[int, ...]
    order: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    limits: np.ndarray | None = None
    probe: bool = False
    declared: str = ""

    @cached_property
    def in_order(self) -> bool:
        """Whether the ONNX tensor and the stream have their elements in one order."""
        return bool(np.array_equal(self.order.ravel(), np.arange(self.order.size)))

    @cached_property
    def places(self) -> np.ndarray:
        """The inverse of `order`.

        For each element of the flattened (height, width, channels) its place in the flattened ONNX tensor.
        """
        return np.argsort(self.order, axis=None)

    def to_json(self, arrays: dict[str, np.ndarray], name: str) -> dict[str, Any]:
        """JSON data; its arrays go into `arrays` under names that start with `name`."""
        arrays.update(
            {f"{name}.{key}": getattr(self, key) for key in _ARRAYS if getattr(self, key) is not None}
        )
        own = {
            "tensor": self.tensor,
            "onnx_name": self.onnx_name,
            "onnx_shape": list(self.onnx_shape),
            "probe": self.probe,
            "declared": self.declared,
        }
        return {"array": name, **own}

    @classmethod
    def from_json(cls, entry: dict[str, Any], arrays: dict[str, np.ndarray], codes: Codes) -> Port:
        """Read a port of `codes`; raises one of `reading.DAMAGE` for data that `to_json` did not write."""
        name, shape = text(entry["onnx_name"]), tuple(whole(n, 1) for n in entry["onnx_shape"])
        order, scale, offset = (arrays[f"{entry['array']}.{key}"] for key in _ARRAYS[:3])
        key = f"{entry['array']}.limits"
        limits = arrays.get(key)
        size = prod(codes.shape)
        check(
            order.dtype.kind in "iu" and order.shape == shape and order.size == size,
            f"{name} has a wrong order",
        )
        check(np.array_equal(np.sort(order, axis=None), np.arange(size)), f"{name} has a wrong order")
        for values in (scale, offset):
            check(
                values.dtype == np.float64 and values.ndim == 1 and values.size in (1, codes.shape[2]),
                f"{name} has wrong scales",
            )
            check(bool(np.isfinite(values).all()), f"{name} has scales that are no numbers")
        if limits is not None:
            rising = bool((limits[1:] >= limits[:-1]).all())  # several may be infinite
            check(
                limits.dtype == np.float32 and limits.shape == (len(codes.format.codes) - 1,) and rising,
                f"{name} has wrong limits",
            )
        probe = entry.get("probe", False)  # build folders from before there were probes do not say
        check(type(probe) is bool, f"{name} does not say whether it is a probe")
        declared = text(entry.get("declared", ""))  # neither do those from before formats were declared
        own = order, scale, offset, limits, probe, declared
        return cls(tensor_name(entry["tensor"]), name, shape, *own)


def to_integers(codes: np.ndarray, fmt: NumberFormat) -> np.ndarray:
    """Integers of codes, int64: how every operator but the multiplier reads its input."""
    if isinstance(fmt, Integer):
        return fmt.to_integers(codes)
    return fmt.integers[codes].astype(np.int64)


def checked_codes(codes: np.ndarray, what: Codes, name: str) -> np.ndarray:
    """Codes of whole frames, as native code may read them.

    Raises
    ------
    FormatError
        For another shape than (frames, height, width, channels), or what is no code of the format.
    """
    codes = np.asarray(codes)
    if codes.ndim != 4 or tuple(codes.shape[1:]) != tuple(what.shape) or not len(codes):
        raise FormatError(
            f"codes of shape (frames, {', '.join(map(str, what.shape))}) were expected for {name}, "
            f"but {codes.shape} came"
        )
    return what.format.checked(codes)


def decode_output(port: Port, tensor: Codes, codes: np.ndarray) -> np.ndarray:
    """Real outputs (frames, *onnx_shape), float32, of codes (frames, height, width, channels)."""
    real = to_integers(codes, tensor.format) * port.scale + port.offset
    return (
        real.reshape(len(codes), -1)[:, port.order.ravel()]
        .reshape(len(codes), *port.onnx_shape)
        .astype(np.float32)
    )


def order_codes(port: Port, codes: np.ndarray) -> np.ndarray:
    """Raw codes in the layout of the ONNX tensor, (frames, *onnx_shape)."""
    return codes.reshape(len(codes), -1)[:, port.order.ravel()].reshape(len(codes), *port.onnx_shape)


@dataclass(frozen=True)
class End:
    """One AXI stream of the accelerator: a tensor in beats.

    Attributes
    ----------
    tensor : str
    shape : tuple of int
        (height, width, channels) of a frame.
    format : NumberFormat
        What the codes mean.
    lanes : int
        Codes in a beat, lane 0 in the lowest bits.
    """

    tensor: str
    shape: tuple[int, int, int]
    format: NumberFormat
    lanes: int

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self.format.bits

    @property
    def beats(self) -> int:
        """Beats of a frame; TLAST is on the last."""
        return prod(self.shape) // self.lanes

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat: AXI data widths are powers of two."""
        payload = -(-self.lanes * self.bits // 8)
        return 1 << (payload - 1).bit_length()

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame on the stream and in memory."""
        return self.beats * self.beat_bytes

    def to_bytes(self, codes: np.ndarray) -> np.ndarray:
        """Beats of codes (frames, height, width, channels), uint8 of shape (frames, frame_bytes)."""
        packed = pack(codes.reshape(-1, self.lanes), self.bits)
        if packed.shape[1] == self.beat_bytes:
            return packed.reshape(len(codes), self.frame_bytes)
        beats = np.zeros((len(packed), self.beat_bytes), np.uint8)
        beats[:, : packed.shape[1]] = packed
        return beats.reshape(len(codes), self.frame_bytes)

    def from_bytes(self, content: np.ndarray) -> np.ndarray:
        """Codes (frames, height, width, channels) of bytes as `to_bytes` makes them, flat or in rows."""
        codes = unpack(content.reshape(-1, self.beat_bytes), self.bits, self.lanes)
        return codes.reshape(-1, *self.shape).astype(self.format.code_dtype, copy=False)

    def to_json(self) -> dict[str, Any]:
        """JSON data, with the derived figures for those who read the manifest without pyqkit."""
        own = {
            "tensor": self.tensor,
            "shape": list(self.shape),
            "format": self.format.name,
            "lanes": self.lanes,
        }
        return {**own, "bits": self.bits, "beats": self.beats, "beat_bytes": self.beat_bytes}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> End:
        """Read what `to_json` wrote; raises one of `reading.DAMAGE` for anything else."""
        height, width, channels = (whole(n, 1) for n in entry["shape"])
        fmt = parse(text(entry["format"]))
        check(isinstance(fmt, NumberFormat), f"{entry['format']} is no format of single codes")
        end = cls(tensor_name(entry["tensor"]), (height, width, channels), fmt, whole(entry["lanes"], 1))  # type: ignore[arg-type]
        check(
            end.to_json() == entry and height * width * channels % end.lanes == 0,
            f"stream {end.tensor} does not add up",
        )
        return end
