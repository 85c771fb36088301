"""MicroScopiQ tensors as bits: in memory, as a stream, and as the bytes of a file.

Rows lie one after the other, a row as one record for every macro-block, each value with its lowest bit first
and without gaps; the whole fills bytes with zeros.

    exponent of inliers                        8 bits, from 0 for 2**-127
    flag of every micro-block                  1 bit
    for every micro-block whose flag is set
        exponent of outliers                   8 bits, likewise
        upper and lower place of four pairs    3 + 3 bits each
    slots of every micro-block                 8 * b bits

A file has a head before that: what it is, b, rows, elements of a row, and the CRC-32 of the stream.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from pyqkit.errors import brief
from pyqkit.formats.base import FormatError
from pyqkit.formats.microscopiq.routing import MICRO, MOST
from pyqkit.formats.microscopiq.tensor import (
    EXPONENT_BITS,
    LIST_BITS,
    LOWEST,
    MACRO,
    MicroscopiqTensor,
    Plan,
    Slots,
    macros_of,
    micros_of,
)

_EACH = MACRO // MICRO  # micro-blocks of a macro-block
_SIDE = EXPONENT_BITS + LIST_BITS
_HEAD = struct.Struct("<4sIIII")
_MAGIC = b"MSQ1"


def pack(tensor: MicroscopiqTensor) -> np.ndarray:
    """A tensor as it lies in memory: uint8, (ceil(stored_bits / 8),)."""
    plan = tensor.plan
    records = len(tensor.codes) * macros_of(tensor.length)
    places = np.stack([plan.uppers, plan.lowers], -1).reshape(*plan.flags.shape, -1)
    exponents = plan.outlier_exponents[..., None] - LOWEST
    side = np.concatenate([_bits(exponents, EXPONENT_BITS), _bits(places, 3)], -1)
    parts = [
        _bits(plan.inlier_exponents[..., None] - LOWEST, EXPONENT_BITS).reshape(records, -1),
        *(_records(part) for part in (plan.flags[..., None], side, _bits(tensor.codes, tensor.slots.bits))),
    ]
    present = _present(_records(plan.flags[..., None]), tensor.length, tensor.slots)
    return np.packbits(np.concatenate(parts, -1)[present], bitorder="little")


def unpack(stream: np.ndarray, shape: tuple[int, int], bits: int) -> MicroscopiqTensor:
    """The tensor of `shape` (rows, length) that `pack` packed.

    Raises
    ------
    FormatError
        If it is none: too short, too long, or edited so that no encoder makes it.
    """
    slots, (rows, length) = Slots(bits), shape
    micros, macros = micros_of(length), macros_of(length)
    least = rows * (macros * EXPONENT_BITS + micros * (1 + MICRO * bits))
    if rows < 1 or length < 1 or stream.dtype != np.uint8 or stream.size * 8 < least:
        raise FormatError(
            f"at least {-(-least // 8)} bytes were expected for {rows} x {length} weights of {bits} bits, "
            f"but {stream.size} came; give the whole tensor and its shape"
        )
    found = np.unpackbits(stream, bitorder="little")
    flags, end = _flags(found, rows, length, bits)
    if found.size - end >= 8 or found[end:].any():
        raise FormatError(
            f"{-(-end // 8)} bytes that end with zeros were expected for {rows} x {length} weights, but "
            f"{stream.size} came, or other bits; give the stream of one tensor"
        )
    present = _present(flags, length, slots)
    full = np.zeros(present.shape, np.uint8)
    full[present] = found[:end]
    first, second, third = EXPONENT_BITS, EXPONENT_BITS + _EACH, EXPONENT_BITS + _EACH * (1 + _SIDE)
    side = _micros(full[:, second:third], rows, micros)
    places = _joined(side[..., EXPONENT_BITS:], 3).reshape(rows, micros, MOST, 2).astype(np.uint8)
    outlier = _joined(side[..., :EXPONENT_BITS], EXPONENT_BITS)[..., 0]
    flagged = _micros(full[:, first:second], rows, micros)[..., 0].astype(bool)
    plan = Plan(
        (_joined(full[:, :first], EXPONENT_BITS).reshape(rows, macros) + LOWEST).astype(np.int16),
        np.where(flagged, outlier + LOWEST, 0).astype(np.int16),
        places[..., 0],
        places[..., 1],
    )
    if not np.array_equal(plan.flags, flagged):
        raise FormatError(
            "an outlier in every micro-block with a flag was expected, but a permutation list is empty; "
            "encode the weights again"
        )
    codes = _joined(_micros(full[:, third:], rows, micros), bits).astype(np.uint8)
    return MicroscopiqTensor(slots, length, plan, codes).checked()


def to_bytes(tensor: MicroscopiqTensor) -> bytes:
    """A tensor as a file."""
    stream = pack(tensor).tobytes()
    return _HEAD.pack(_MAGIC, tensor.slots.bits, *tensor.shape, zlib.crc32(stream)) + stream


def from_bytes(raw: bytes) -> MicroscopiqTensor:
    """The tensor of a file; a FormatError says what is wrong with anything else."""
    magic, bits, rows, length, crc = _HEAD.unpack(raw[: _HEAD.size].ljust(_HEAD.size, b"\0"))
    stream = raw[_HEAD.size :]
    if magic != _MAGIC or bits not in (2, 4):
        raise FormatError(
            f"a file of a tensor in MicroScopiQ's encoding was expected, but it begins with "
            f"{brief(raw[:8])}; write one by to_bytes"
        )
    if zlib.crc32(stream) != crc:
        raise FormatError(
            "a tensor in MicroScopiQ's encoding was expected as it was written, but its checksum is another "
            "one; encode the weights again"
        )
    return unpack(np.frombuffer(stream, np.uint8), (rows, length), bits)


def _flags(found: np.ndarray, rows: int, length: int, bits: int) -> tuple[np.ndarray, int]:
    """Flags of all records, (records, 16), and where the last record ends."""
    macros, micros = macros_of(length), micros_of(length)
    flags = np.zeros((rows * macros, _EACH), np.uint8)
    at = 0
    for record in range(rows * macros):
        count = min(_EACH, micros - record % macros * _EACH)
        start = at + EXPONENT_BITS
        own = found[start : start + count]
        at = start + count * (1 + MICRO * bits) + int(own.sum()) * _SIDE
        if at > found.size:
            raise FormatError(
                f"{rows} x {length} weights were expected, but the stream ends in row {record // macros}; "
                "give the whole tensor"
            )
        flags[record, :count] = own
    return flags, at


def _present(flags: np.ndarray, length: int, slots: Slots) -> np.ndarray:
    """Which bits of full records are there."""
    macros, micros = macros_of(length), micros_of(length)
    counts = np.minimum(_EACH, micros - np.arange(len(flags)) % macros * _EACH)
    there = np.arange(_EACH) < counts[:, None]
    exponent = np.ones((len(flags), EXPONENT_BITS), bool)
    side, codes = (
        np.repeat(part, each, 1) for part, each in ((flags > 0, _SIDE), (there, MICRO * slots.bits))
    )
    return np.concatenate([exponent, there, side, codes], -1)


def _records(part: np.ndarray) -> np.ndarray:
    """(rows, micro-blocks, bits) as (records, bits of 16 micro-blocks)."""
    missing = -part.shape[1] % _EACH
    padded = np.pad(part, ((0, 0), (0, missing), (0, 0))).astype(np.uint8)
    return padded.reshape(-1, _EACH * part.shape[-1])


def _micros(records: np.ndarray, rows: int, micros: int) -> np.ndarray:
    """What `_records` made of (rows, micro-blocks, bits)."""
    return records.reshape(rows, -1, records.shape[-1] // _EACH)[:, :micros]


def _bits(values: np.ndarray, bits: int) -> np.ndarray:
    """(..., values) as (..., values * bits)."""
    split = values[..., None].astype(np.int64) >> np.arange(bits) & 1
    return split.astype(np.uint8).reshape(*values.shape[:-1], -1)


def _joined(found: np.ndarray, bits: int) -> np.ndarray:
    """What `_bits` split."""
    split = found.reshape(*found.shape[:-1], -1, bits).astype(np.int64)
    return split @ (1 << np.arange(bits))
