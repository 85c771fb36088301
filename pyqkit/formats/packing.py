"""Codes in bytes, as streams and memories carry them: element 0 in the lowest bits, zero-padded, little endian."""

from __future__ import annotations

import numpy as np


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits fill."""
    return -(-count * bits // 8)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack codes along the last axis.

    Parameters
    ----------
    codes : numpy.ndarray, shape (..., count)
        Unsigned codes below ``2**bits``.
    bits : int
        1 to 64.

    Returns
    -------
    numpy.ndarray, uint8, shape (..., ceil(count * bits / 8))
    """
    codes = np.ascontiguousarray(codes)
    if bits in (8, 16, 32, 64):
        little = codes.astype(f"<u{bits // 8}", copy=False)
        return np.ascontiguousarray(little).view(np.uint8).reshape(*codes.shape[:-1], -1)
    octets = -(-bits // 8)
    source = codes.astype("<u8", copy=False)
    raw = source[..., None].view(np.uint8)[..., :octets]
    flat = np.unpackbits(raw, axis=-1, count=bits, bitorder="little")
    return np.packbits(flat.reshape(*codes.shape[:-1], -1), axis=-1, bitorder="little")


def unpack(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Inverse of `pack`: uint8 of shape (..., bytes) to codes of shape (..., count) in the smallest unsigned type."""
    packed = np.ascontiguousarray(packed, dtype=np.uint8)
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32 if bits <= 32 else np.uint64)
    if bits in (8, 16, 32, 64):
        return packed.view(dtype.newbyteorder("<"))[..., :count].astype(dtype, copy=False)
    flat = np.unpackbits(packed, axis=-1, count=count * bits, bitorder="little").reshape(*packed.shape[:-1], count, bits)
    octets = np.packbits(flat, axis=-1, bitorder="little")
    full = np.zeros((*octets.shape[:-1], dtype.itemsize), np.uint8)
    full[..., : octets.shape[-1]] = octets
    return full.view(dtype.newbyteorder("<"))[..., 0].astype(dtype, copy=False)
