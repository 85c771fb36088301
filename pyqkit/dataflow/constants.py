"""Constants as text: decimal initialisers for C++, hexadecimal words for ``$readmemh``.

A large layer has tens of millions of numbers, so no Python object is made for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pyqkit.formats.packing import pack

PER_ROW = 32  # numbers in a row of C++
_TABLE = 1 << 16  # values of an array whose texts are looked up
_CHUNK = 1 << 18  # numbers that become text at a time
_FEW = 32  # numbers for which numpy's calls would take longer than they


def packed(values: Iterable[int], bits: int) -> int:
    """One word of many values, each in two's complement of `bits` bits, the first in the lowest."""
    mask = (1 << bits) - 1
    return sum((int(value) & mask) << (lane * bits) for lane, value in enumerate(values))


def hex_words(values: np.ndarray, bits: int) -> str:
    """Words of several values, one a line, each as `packed` makes it.

    Parameters
    ----------
    values : numpy.ndarray of int or of Python integers, shape (words, lanes)
    bits : int
        Of a value; higher ones are dropped.
    """
    words, lanes = values.shape
    if bits > 64 or values.dtype == object or values.size <= _FEW:
        digits = -(-lanes * bits // 4)
        return "".join(f"{packed(row, bits):0{digits}x}\n" for row in values.tolist())
    stride = max(1, _CHUNK // lanes)
    return "".join(_hex_lines(values[first : first + stride], bits) for first in range(0, words, stride))


def _hex_lines(values: np.ndarray, bits: int) -> str:
    values = np.ascontiguousarray(values)
    if values.dtype.kind != "u" or int(values.max()) >> bits:
        values = values.astype(np.uint64) & np.uint64((1 << bits) - 1)
    octets = pack(values, bits)[:, ::-1]
    words, width = octets.shape
    text = octets.tobytes().hex("\n", width) + "\n"
    if -(-values.shape[1] * bits // 4) == 2 * width:
        return text
    characters = np.frombuffer(text.encode(), np.uint8).reshape(words, 2 * width + 1)
    return characters[:, 1:].tobytes().decode()  # the first digit of a byte that is filled by half


def initialiser(values: np.ndarray, suffix: str = "") -> str:
    """Whole numbers as the inside of a C++ initialiser list, each with `suffix` behind."""
    flat = np.asarray(values).ravel()
    low, high = int(flat.min(initial=0)), int(flat.max(initial=0))
    if high - low >= min(_TABLE, flat.size) or high >= 2**63 or flat.size <= PER_ROW:
        rows = (flat[first : first + PER_ROW].tolist() for first in range(0, flat.size, PER_ROW))
        return ",\n".join(", ".join(f"{value}{suffix}" for value in row) for row in rows)
    texts = np.array([f"{value}{suffix}, " for value in range(low, high + 1)], "S")
    table = texts.view(np.uint8).reshape(len(texts), texts.itemsize)
    pieces = []
    for first in range(0, flat.size, _CHUNK):
        part = flat[first : first + _CHUNK]
        letters = table[part.astype(np.int64) - low]
        ends = letters[PER_ROW - 1 :: PER_ROW]  # a row ends in a line feed instead of a space
        ends[ends == ord(" ")] = ord("\n")
        pieces.append(letters[letters != 0].tobytes().decode())
    return "".join(pieces)[:-2]
