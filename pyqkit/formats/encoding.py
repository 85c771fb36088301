"""How tensors lie in memory: codes of an element format, and side fields that elements share.

A tensor is a row of elements along its last axis for every place on the others, in C order. A row lies as
*records*, one after the other and without a gap: first the values of every side field, in the order of the
fields, then the codes of the elements, each value with its lowest bit first. A record holds as many elements
as the widest side field shares one value among; the last of a row may be shorter, and then has only the
elements and the values that are there. Rows begin where the row before ends, and the whole fills bytes with
zeros.

An encoding prints its name, and `encoding_named` makes it of the name again:

    e2m1            `Plain`: codes alone
    se32x3_e2m1     `SharedExponents`: before every 32 codes an exponent of 3 bits

A new encoding is a class under `register_encoding` in a file of this package.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np

from pyqkit.discovery import import_modules
from pyqkit.errors import brief
from pyqkit.formats.base import FormatError, NumberFormat
from pyqkit.formats.parse import parse

Side = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SideField:
    """Values that elements share.

    Attributes
    ----------
    name : str
    bits : int
        Of a value, an unsigned whole number.
    elements : int
        Neighbours along the last axis that share one, beginning with the first element of a row.
    """

    name: str
    bits: int
    elements: int

    def count(self, length: int) -> int:
        """Values of a row of `length` elements."""
        return -(-length // self.elements)


class Encoding(ABC):
    """How a tensor is stored; subclasses are frozen dataclasses under `register_encoding`."""

    element: NumberFormat

    @property
    @abstractmethod
    def name(self) -> str:
        """``encoding_named(encoding.name) == encoding``."""

    @classmethod
    @abstractmethod
    def parse(cls, name: str) -> Encoding | None:
        """The encoding of a name; None if the name is not of this class."""

    @property
    def side_fields(self) -> tuple[SideField, ...]:
        """What lies in memory beside the codes; every `elements` divides the largest."""
        return ()

    @property
    def bits(self) -> float:
        """Bits an element takes in long rows, its shares of the side fields included."""
        return self.element.bits + sum(field.bits / field.elements for field in self.side_fields)

    def stored_bits(self, shape: tuple[int, ...]) -> int:
        """Bits of a tensor."""
        return prod(shape[:-1]) * self._layout(shape[-1]).row_bits

    def pack(self, codes: np.ndarray, side: Side | None = None) -> np.ndarray:
        """A tensor as it lies in memory.

        Parameters
        ----------
        codes : numpy.ndarray, shape (..., length)
            Codes of `element`.
        side : mapping of str to numpy.ndarray, shape (..., ceil(length / elements))
            Values of every side field by its name.

        Returns
        -------
        numpy.ndarray, uint8, shape (ceil(stored_bits / 8),)

        Examples
        --------
        >>> encoding = SharedExponents(parse("e2m1"), block=4, exponent_bits=8)
        >>> encoding.pack(np.array([1, 2, 3, 4, 5]), {"exponents": np.array([130, 7])})
        array([130,  33,  67,   7,   5], dtype=uint8)
        """
        layout, given = self._layout(codes.shape[-1]), dict(side or {})
        columns = []
        for field in self.side_fields:
            values = given[field.name]
            wanted = (*codes.shape[:-1], field.count(codes.shape[-1]))
            _check(values.shape == wanted, f"{field.name} of shape {wanted}", f"{values.shape}")
            columns.append(layout.spread(values, field.bits, layout.record // field.elements))
        columns.append(layout.spread(self.element.checked(codes), self.element.bits, layout.record))
        rows = np.concatenate(columns, axis=-1)[:, layout.present]
        return np.packbits(rows.ravel(), bitorder="little")

    def unpack(self, stream: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Codes and side fields of a tensor of `shape` that `pack` packed."""
        layout, rows, bits = self._layout(shape[-1]), prod(shape[:-1]), self.stored_bits(shape)
        _check(stream.size == -(-bits // 8), f"{-(-bits // 8)} bytes", f"{stream.size}")
        full = np.zeros((rows, *layout.present.shape), np.uint8)
        full[:, layout.present] = np.unpackbits(stream, count=bits, bitorder="little").reshape(rows, -1)
        side, start = {}, 0
        for field in self.side_fields:
            width = layout.record // field.elements * field.bits
            count = field.count(shape[-1])
            values = _joined(full[..., start : start + width], field.bits)[:, :count]
            side[field.name], start = values.reshape(*shape[:-1], count), start + width
        codes = _joined(full[..., start:], self.element.bits)[:, : shape[-1]]
        return codes.astype(self.element.code_dtype).reshape(shape), side

    def __str__(self) -> str:
        return self.name

    def _layout(self, length: int) -> _Layout:
        record = max((field.elements for field in self.side_fields), default=length)
        records = -(-length // record)
        parts = [(f.bits, record // f.elements, f.count(length)) for f in self.side_fields]
        parts.append((self.element.bits, record, length))
        there = [
            np.repeat(np.arange(records * each) < count, bits).reshape(records, -1)
            for bits, each, count in parts
        ]
        return _Layout(record, records, np.concatenate(there, axis=-1))


@dataclass(frozen=True, eq=False)
class _Layout:
    """Records of a row: elements of each, how many, and which bits of (records, bits) are there."""

    record: int
    records: int
    present: np.ndarray

    @property
    def row_bits(self) -> int:
        return int(self.present.sum())

    def spread(self, values: np.ndarray, bits: int, each: int) -> np.ndarray:
        """Bits of `values`, of which a record has `each`: (rows, records, each * bits)."""
        _check(not values.size or int(values.max()) < 2**bits, f"values of {bits} bits", f"{values.max()}")
        rows = values.reshape(-1, values.shape[-1])
        padded = np.zeros((len(rows), self.records * each), np.uint64)
        padded[:, : rows.shape[-1]] = rows
        found = padded[..., None] >> np.arange(bits, dtype=np.uint64) & np.uint64(1)
        return found.astype(np.uint8).reshape(len(rows), self.records, each * bits)


def _joined(columns: np.ndarray, bits: int) -> np.ndarray:
    """Values of columns of bits: (rows, records, count * bits) to (rows, records * count)."""
    split = columns.reshape(len(columns), -1, bits).astype(np.uint64)
    return split @ (np.uint64(1) << np.arange(bits, dtype=np.uint64))


def _check(holds: bool, wanted: str, came: str) -> None:
    if not holds:
        raise FormatError(f"{wanted} were expected, but {came} came; pack and unpack by one encoding")


_kinds: list[type[Encoding]] = []
_Class = TypeVar("_Class", bound=type[Encoding])


def register_encoding(kind: _Class) -> _Class:
    """Class decorator that announces an encoding."""
    _kinds.append(kind)
    return kind


def encoding_named(name: str) -> Encoding:
    """The encoding of this name; a `FormatError` if there is none."""
    import_modules("pyqkit.formats")
    for kind in _kinds:
        found = kind.parse(name)
        if found is not None:
            return found
    raise FormatError(f"the name of an encoding was expected, such as 'se32x3_e2m1', but {brief(name)} came")


@register_encoding
@dataclass(frozen=True)
class SharedExponents(Encoding):
    """Blocks of elements that share a power of two.

    Attributes
    ----------
    element : NumberFormat
    block : int
        Elements that share an exponent, along the last axis.
    exponent_bits : int
    """

    element: NumberFormat
    block: int
    exponent_bits: int

    @property
    def name(self) -> str:
        return f"se{self.block}x{self.exponent_bits}_{self.element.name}"

    @property
    def side_fields(self) -> tuple[SideField, ...]:
        return (SideField("exponents", self.exponent_bits, self.block),)

    @classmethod
    def parse(cls, name: str) -> SharedExponents | None:
        match = re.fullmatch(r"se([1-9]\d{0,5})x([1-9]\d?)_(.+)", name)
        return cls(parse(match[3]), int(match[1]), int(match[2])) if match else None


@register_encoding
@dataclass(frozen=True)
class Plain(Encoding):
    """Codes alone."""

    element: NumberFormat

    @property
    def name(self) -> str:
        return self.element.name

    @classmethod
    def parse(cls, name: str) -> Plain | None:
        try:
            found = parse(name)
        except FormatError:
            return None
        return cls(found) if isinstance(found, NumberFormat) else None
