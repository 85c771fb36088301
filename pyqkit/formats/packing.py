"""Codes in bytes, as streams and memories carry them.

Element 0 in the lowest bits, zero-padded, little endian.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

# The fewest codes that fill whole bytes are a group, and a group is one word if it fits 64 bits: then
# neighbours are joined to pairs, pairs to fours and fours to eights, each step on all words of a block.
# Unpacking takes them apart in the opposite order.
# Bytes of codes: their words stay in the second-level cache, and numpy's calls cost little beside the work.
BLOCK = 1 << 18


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits fill.

    Examples
    --------
    >>> packed_bytes(5, 3)
    2
    """
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

    Examples
    --------
    >>> pack(np.array([1, 2, 3], np.uint8), 4)
    array([33,  3], dtype=uint8)
    """
    count = codes.shape[-1]
    group = _group(bits, count)
    if bits == 1 and group > 1:
        return np.packbits(codes, axis=-1, bitorder="little")
    codes = np.ascontiguousarray(codes, _word(bits))
    if group * bits > 64:
        octets = codes[..., None].view(np.uint8)
        flat = np.unpackbits(octets, axis=-1, count=bits, bitorder="little")
        return np.packbits(flat.reshape(*codes.shape[:-1], count * bits), axis=-1, bitorder="little")
    codes = _padded(codes, group)
    size = packed_bytes(group, bits)
    packed = _join(codes.reshape(-1), bits, group).reshape(*codes.shape[:-1], codes.shape[-1] // group * size)
    return np.ascontiguousarray(packed[..., : packed_bytes(count, bits)])


def unpack(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Inverse of `pack`.

    Uint8 of shape (..., bytes) to codes of shape (..., count) in the smallest unsigned type.

    Examples
    --------
    >>> unpack(np.array([33, 3], np.uint8), 4, 3)
    array([1, 2, 3], dtype=uint8)
    """
    group = _group(bits, count)
    if bits == 1 and group > 1:
        return np.unpackbits(packed, axis=-1, count=count, bitorder="little")
    leading = packed.shape[:-1]
    if group * bits > 64:
        flat = np.unpackbits(packed, axis=-1, count=count * bits, bitorder="little").reshape(
            *leading, count, bits
        )
        octets = np.packbits(flat, axis=-1, bitorder="little")
        return _padded(octets, _word(bits).itemsize).view(_word(bits))[..., 0]
    size = packed_bytes(group, bits)
    content = _padded(np.ascontiguousarray(packed[..., : packed_bytes(count, bits)], np.uint8), size)
    codes = _split(content.reshape(-1), bits, group)
    return codes.reshape(*leading, content.shape[-1] // size * group)[..., :count]


def _group(bits: int, count: int) -> int:
    """The fewest codes that fill whole bytes; a code alone has no neighbour to share a byte with."""
    return 1 if count == 1 else 8 // math.gcd(bits, 8)


@functools.cache
def _word(bits: int) -> np.dtype:
    """The smallest unsigned type of at least so many bits."""
    return np.dtype(f"<u{next(size for size in (1, 2, 4, 8) if 8 * size >= bits)}")


def _padded(content: np.ndarray, to: int) -> np.ndarray:
    """`content` with zeros behind, so that its last axis is a multiple of `to`."""
    missing = -content.shape[-1] % to
    if not missing:
        return content
    return np.concatenate([content, np.zeros((*content.shape[:-1], missing), content.dtype)], axis=-1)


class _Step(NamedTuple):
    """How two neighbouring runs of codes become one.

    A word has two halves, each with a run at its bottom: ``a + b * 2**half``. What is wanted of it is the
    pair ``a + b * 2**run``. Instead of a mask, shifts and an OR, each a pass over the array, a multiplication
    that wraps as unsigned numbers do moves the upper run.

    Attributes
    ----------
    run, half : int
        Bits of a run, and of half a word.
    word : numpy.dtype
        Of both halves.
    room : bool
        Whether a pair fits half a word.
    joins : numpy.unsignedinteger
        With room, the word's factor: ``(a + b * 2**half) * (2**half + 2**run)`` has ``a + b * 2**run`` in its
        upper half, as ``a * 2**run`` stays below it and ``b * 2**(2 * half)`` wraps away. Without, the factor
        of ``b``, added to the word: ``2**run - 2**half`` takes it away where it is and puts it where it
        belongs.
    splits : numpy.unsignedinteger
        The way back: of the pair ``a + b * 2**run`` the upper run ``b`` times ``2**half - 2**run`` is added.
    narrow, single : numpy.dtype
        The smallest of a pair, and of one run.
    """

    run: int
    half: int
    word: np.dtype
    room: bool
    joins: np.unsignedinteger
    splits: np.unsignedinteger
    narrow: np.dtype
    single: np.dtype


@functools.cache
def _steps(bits: int, group: int) -> tuple[_Step, ...]:
    """Steps from single codes to a group of them; kept, as they take as long as the work on a small block."""
    return tuple(_step(bits << level) for level in range(group.bit_length() - 1))


def _step(run: int) -> _Step:
    half = 8 * _word(run).itemsize
    word, room = _word(2 * half), 2 * run <= half
    joins = (1 << half) + (1 << run) if room else (1 << 2 * half) - (1 << half) + (1 << run)
    splits = word.type((1 << half) - (1 << run))
    return _Step(run, half, word, room, word.type(joins), splits, _word(2 * run), _word(run))


def _shifted(words: np.ndarray, by: int, out: np.ndarray | None = None) -> np.ndarray:
    """``words >> by``."""
    if words.itemsize == 2:  # before numpy 2 such a shift takes twice as long as the division
        return np.floor_divide(words, 1 << by, out=out)
    return np.right_shift(words, words.dtype.type(by), out=out)


def _join(codes: np.ndarray, bits: int, group: int) -> np.ndarray:
    size, word = packed_bytes(group, bits), _word(group * bits)
    stride = BLOCK // (group * codes.itemsize)
    packed = np.empty(codes.size // group * size + 8, np.uint8)
    for start in range(0, codes.size // group, stride):
        block = codes[start * group : (start + stride) * group]
        words = _joined_fours(block) if (bits, group) == (2, 4) else _joined(block, bits, group)
        # In rising order, each word overwrites the zeros with which the one before it reaches beyond its
        # group.
        np.ndarray(words.shape, word, packed, start * size, (size,))[:] = words
    return packed[:-8]


def _joined(words: np.ndarray, bits: int, group: int) -> np.ndarray:
    for step in _steps(bits, group):
        words = words.view(step.word)
        if step.room:
            joined = words * step.joins
            joined = _shifted(joined, step.half, out=joined)
        else:
            joined = _shifted(words, step.half)
            joined *= step.joins
            joined += words
        words = joined.astype(step.narrow, copy=False)
    return words


def _joined_fours(codes: np.ndarray) -> np.ndarray:
    """Four codes of 2 bits at once.

    They meet in the highest byte of a product, whose other terms lie below or overflow.
    """
    return _shifted(codes.view("<u4") * np.uint32(0x01041040), 24)


def _split(packed: np.ndarray, bits: int, group: int) -> np.ndarray:
    size = packed_bytes(group, bits)
    stride = BLOCK // (group * _word(bits).itemsize)
    codes = np.empty(packed.size // size * group, _word(bits))
    for start in range(0, packed.size // size, stride):
        block = codes[start * group : (start + stride) * group]
        content = packed[start * size :]
        if (bits, group) == (2, 4):
            _split_fours(content, block)
        else:
            _split_groups(content, block, bits, group)
    return codes


def _split_groups(content: np.ndarray, block: np.ndarray, bits: int, group: int) -> None:
    size, word, count = packed_bytes(group, bits), _word(group * bits), block.size // group
    content = content[: count * size + 8]  # the last words reach beyond their groups
    if len(content) < count * size + 8:
        content = np.concatenate([content, np.zeros(8, np.uint8)])
    overlapping = np.ndarray(count, word, content, 0, (size,))
    words = np.bitwise_and(overlapping, word.type((1 << group * bits) - 1), out=block.view(word)[:count])
    for step in reversed(_steps(bits, group)):
        low = words.astype(step.word, copy=False)
        place = block.view(step.word)[: low.size]
        # No fresh memory where a cast has emptied the place.
        high = _shifted(low, step.run, out=None if low is words else place)
        high *= step.splits
        words, other = (low, high) if low is words else (high, low)
        words += other
        words = words.view(step.single)


def _split_fours(content: np.ndarray, block: np.ndarray) -> None:
    """Four codes of 2 bits from each byte.

    In a word of four bytes, what is multiplied and masked leaves halves, then quarters.
    """
    words = block.view("<u4")
    words[:] = content[: len(words)]
    for factor, kept in ((0x1001, 0x000F000F), (0x41, 0x03030303)):
        words *= np.uint32(factor)
        words &= np.uint32(kept)
