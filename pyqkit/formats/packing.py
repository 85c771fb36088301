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
    if bits < 8:
        return _pack_eights(codes.astype(np.uint8, copy=False), bits)
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
    if bits < 8:
        return _unpack_eights(packed, bits, count)
    flat = np.unpackbits(packed, axis=-1, count=count * bits, bitorder="little").reshape(*packed.shape[:-1], count, bits)
    octets = np.packbits(flat, axis=-1, bitorder="little")
    full = np.zeros((*octets.shape[:-1], dtype.itemsize), np.uint8)
    full[..., : octets.shape[-1]] = octets
    return full.view(dtype.newbyteorder("<"))[..., 0].astype(dtype, copy=False)


# Eight codes of less than 8 bits are the bytes of one 64-bit word. Packing moves neighbours together in three steps, pairs first;
# unpacking takes them apart in the opposite order. Where numpy has a shorter way (1, 2 and 4 bits), that is taken.


def _steps(bits: int) -> list[tuple[np.uint64, np.uint64, np.uint64, np.uint64]]:
    """For runs of 1, 2 and 4 codes: how far neighbours are apart, and masks of the first, the second joined, the second apart."""
    found = []
    for codes in (1, 2, 4):
        run = codes * bits
        first = sum(((1 << run) - 1) << start for start in range(0, 64, 16 * codes))
        found.append((np.uint64(8 * codes - run), np.uint64(first), np.uint64(first << run), np.uint64(first << 8 * codes)))
    return found


def _padded(content: np.ndarray, to: int) -> np.ndarray:
    """`content` with zeros behind, so that its last axis is a multiple of `to`."""
    missing = -content.shape[-1] % to
    return np.concatenate([content, np.zeros((*content.shape[:-1], missing), np.uint8)], axis=-1) if missing else content


def _low_bytes(bits: int) -> np.dtype:
    """Of a 64-bit word the lowest `bits` bytes, copied as one item."""
    return np.dtype({"names": ["low"], "formats": [f"V{bits}"], "offsets": [0], "itemsize": 8})


def _pack_eights(codes: np.ndarray, bits: int) -> np.ndarray:
    count = codes.shape[-1]
    if count == 1:
        return codes.copy()
    if bits == 1:
        return np.packbits(codes, axis=-1, bitorder="little")
    content = np.ascontiguousarray(_padded(codes, 8))
    if bits == 2:  # the product has the four codes of a word side by side in its highest byte
        octets = (content.view("<u4") * np.uint32(1 << 24 | 1 << 18 | 1 << 12 | 1 << 6) >> np.uint32(24)).astype(np.uint8)
    elif bits == 4:
        pairs = content.view("<u2")
        octets = (pairs | pairs >> np.uint16(4)).astype(np.uint8)
    else:
        words = np.array(content.view("<u8"))
        other = np.empty_like(words)
        for distance, first, second, _ in _steps(bits):
            np.right_shift(words, distance, out=other)
            np.bitwise_and(other, second, out=other)
            np.bitwise_and(words, first, out=words)
            np.bitwise_or(words, other, out=words)
        octets = np.ascontiguousarray(words.view(_low_bytes(bits))["low"]).view(np.uint8)
    octets = octets.reshape(*codes.shape[:-1], content.shape[-1] // 8 * bits)
    return np.ascontiguousarray(octets[..., : packed_bytes(count, bits)])


def _unpack_eights(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    if count == 1:
        return packed[..., :1] & np.uint8((1 << bits) - 1)
    if bits == 1:
        return np.unpackbits(packed, axis=-1, count=count, bitorder="little")
    content = np.ascontiguousarray(_padded(packed[..., : packed_bytes(count, bits)], bits))
    if bits == 2:
        quads = content.astype("<u4")
        codes = (quads | quads << np.uint32(6) | quads << np.uint32(12) | quads << np.uint32(18)) & np.uint32(0x0303_0303)
    elif bits == 4:
        pairs = content.astype("<u2")
        codes = (pairs | pairs << np.uint16(4)) & np.uint16(0x0F0F)
    else:
        codes = np.zeros(content.size // bits, "<u8")
        codes.view(_low_bytes(bits))["low"] = content.reshape(-1).view(f"V{bits}")
        other = np.empty_like(codes)
        for distance, first, _, second in reversed(_steps(bits)):
            np.left_shift(codes, distance, out=other)
            np.bitwise_and(other, second, out=other)
            np.bitwise_and(codes, first, out=codes)
            np.bitwise_or(codes, other, out=codes)
    return codes.view(np.uint8).reshape(*packed.shape[:-1], content.shape[-1] * 8 // bits)[..., :count]
