"""NumPy's npy and npz files that others wrote: arrays of plain numbers, read without executing anything.

The header is matched, not evaluated, and its shape must account for every byte that follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from pyqkit import untrusted

MAX_BYTES = 64 * 2**30  # of a file of frames
MAX_HEADER = 10_000  # bytes; numpy's own limit
MAX_DIMENSIONS = 32  # of arrays before numpy 2

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{'descr': '([<>|=][biuf][1248])', 'fortran_order': (True|False), 'shape': \(((?:\d{1,20}, "
    r"?)*(?:\d{1,20})?)\), *\}"
)


@dataclass(frozen=True)
class Header:
    """What stands before the numbers.

    Attributes
    ----------
    size : int
        Bytes up to the first number.
    dtype : numpy.dtype
    shape : tuple of int
    order : {"C", "F"}
    """

    size: int
    dtype: np.dtype
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    @property
    def total(self) -> int:
        """Bytes of the whole array, header included."""
        return self.size + prod(self.shape) * self.dtype.itemsize


def header(start: bytes, size: int) -> Header:
    """Read a header from the first bytes of a file of `size` bytes.

    Raises
    ------
    ValueError
        If it is none, does not describe plain numbers, or does not account for the size.
    """
    if start[: len(_MAGIC)] != _MAGIC or len(start) < 12 or start[6] not in (1, 2, 3):
        raise ValueError("it does not start as an npy file does")
    first = 10 if start[6] == 1 else 12
    length = int.from_bytes(start[8:first], "little")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, and at most {MAX_HEADER} can be read")
    match = _HEADER.fullmatch(start[first : first + length].decode("latin-1").rstrip())
    if match is None:
        raise ValueError("its header does not describe an array of plain numbers")
    kind, fortran, dimensions = match.groups()
    shape = tuple(int(n) for n in re.findall(r"\d+", dimensions))
    if kind[1:] in ("b2", "b4", "b8", "f1") or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"its header describes no array of up to {MAX_DIMENSIONS} dimensions")
    found = Header(first + length, np.dtype(kind), shape, "F" if fortran == "True" else "C")
    if found.total != size:
        raise ValueError(f"its header promises {found.total} bytes, and it has {size}")
    return found


def from_bytes(raw: bytes) -> np.ndarray:
    """The array of an npy file, in the byte order of the machine; raises ValueError for anything else."""
    found = header(raw[: MAX_HEADER + 12], len(raw))
    numbers = np.frombuffer(raw, found.dtype, offset=found.size).astype(found.dtype.newbyteorder("="))
    return numbers.reshape(found.shape, order=found.order)


def read(path: Path) -> np.ndarray:
    """The array of a file, in the byte order of the machine.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no regular file in npy format, or larger than `MAX_BYTES`.
    """
    with untrusted.opened(path, MAX_BYTES) as (file, size):
        found = header(file.read(MAX_HEADER + 12), size)
        file.seek(found.size)
        numbers = np.fromfile(file, found.dtype, prod(found.shape))
    if len(numbers) != prod(found.shape):
        raise ValueError("it changes while it is read")
    return numbers.astype(found.dtype.newbyteorder("="), copy=False).reshape(found.shape, order=found.order)


def archive(raw: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz file, by name; raises ValueError for anything else."""
    members = untrusted.Archive(raw)
    return {name.removesuffix(".npy"): from_bytes(members.content(name)) for name in members.names}
