"""Fields of operators: what each may hold, and how it lies in JSON and in the archive of arrays.

An operator is a dataclass whose fields are made by the functions here, so that whoever writes, reads or looks
at an operator asks its fields and knows no operator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import MISSING, Field, field, fields
from math import isfinite
from typing import Any

import numpy as np

from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.reading import check, text, whole

Arrays = dict[str, np.ndarray]
_CODEC, _SIZED = "codec", "only its size matters"


class Codec(ABC):
    """How the values of a field are written and read."""

    @abstractmethod
    def write(self, value: Any, place: str, arrays: Arrays) -> object:
        """JSON data of a value; arrays go into `arrays` under `place`."""

    @abstractmethod
    def read(self, data: Any, name: str, arrays: Arrays) -> Any:
        """What `write` wrote for field `name`; raises one of `formats.reading.DAMAGE` for anything else."""


class Text(Codec):
    """A string."""

    def write(self, value: str, place: str, arrays: Arrays) -> str:
        return value

    def read(self, data: Any, name: str, arrays: Arrays) -> str:
        return text(data)


class Texts(Codec):
    """A list of strings."""

    def write(self, value: list[str], place: str, arrays: Arrays) -> list[str]:
        return list(value)

    def read(self, data: Any, name: str, arrays: Arrays) -> list[str]:
        check(isinstance(data, list), f"{name} is no list")
        return [text(entry) for entry in data]


class Whole(Codec):
    """A whole number from `least`."""

    def __init__(self, least: int) -> None:
        self.least = least

    def write(self, value: int, place: str, arrays: Arrays) -> int:
        return int(value)

    def read(self, data: Any, name: str, arrays: Arrays) -> int:
        return whole(data, self.least)


class Wholes(Codec):
    """Whole numbers from `least`: a tuple of `count`, or a list of any length."""

    def __init__(self, least: int, count: int | None) -> None:
        self.least, self.count = least, count

    def write(self, value: list[int] | tuple[int, ...], place: str, arrays: Arrays) -> list[int]:
        return [int(number) for number in value]

    def read(self, data: Any, name: str, arrays: Arrays) -> list[int] | tuple[int, ...]:
        check(isinstance(data, list), f"{name} is no list")
        check(self.count in (None, len(data)), f"{name} has {len(data)} entries")
        numbers = [whole(entry, self.least) for entry in data]
        return numbers if self.count is None else tuple(numbers)


class Flag(Codec):
    """A truth value."""

    def write(self, value: bool, place: str, arrays: Arrays) -> bool:
        return bool(value)

    def read(self, data: Any, name: str, arrays: Arrays) -> bool:
        return bool(whole(int(data), 0))


class Number(Codec):
    """A finite real number, or None where that is allowed."""

    def __init__(self, optional: bool) -> None:
        self.optional = optional

    def write(self, value: float | None, place: str, arrays: Arrays) -> float | None:
        return None if value is None else float(value)

    def read(self, data: Any, name: str, arrays: Arrays) -> float | None:
        if data is None:
            check(self.optional, f"{name} is missing")
            return None
        check(type(data) in (int, float) and isfinite(data), f"{name} is no finite number")
        return float(data)


class Format(Codec):
    """A format of single codes, by its name."""

    def write(self, value: NumberFormat, place: str, arrays: Arrays) -> dict[str, str]:
        return {"format": value.name}

    def read(self, data: Any, name: str, arrays: Arrays) -> NumberFormat:
        return format_named(data["format"])


class Array(Codec):
    """An array of whole numbers or truth values, or None where that is allowed."""

    def __init__(self, optional: bool) -> None:
        self.optional = optional

    def write(self, value: np.ndarray | None, place: str, arrays: Arrays) -> dict[str, str] | None:
        if value is None:
            return None
        arrays[place] = value
        return {"array": place}

    def read(self, data: Any, name: str, arrays: Arrays) -> np.ndarray | None:
        if data is None:
            check(self.optional, f"{name} is missing")
            return None
        found = arrays[text(data["array"])]
        check(found.dtype.kind in "iub", f"{name} has the type {found.dtype}")
        return found


def format_named(name: Any) -> NumberFormat:
    """A format of single codes by its name, which others may have touched."""
    found = parse(text(name))
    check(isinstance(found, NumberFormat), f"{name} is no format of single codes")
    return found  # type: ignore[return-value]


# ---- what operators declare their fields by ---------------------------------------------------------------


def text_field() -> Any:
    """A string."""
    return _field(Text())


def names_field() -> Any:
    """A list of names."""
    return _field(Texts())


def whole_field(least: int = 0, default: Any = MISSING) -> Any:
    """A whole number from `least`."""
    return _field(Whole(least), default)


def wholes_field(count: int | None, least: int = 0, default: Any = MISSING, repr: bool = True) -> Any:
    """A tuple of `count` whole numbers from `least`; with None a list of any length."""
    return _field(Wholes(least, count), default, repr)


def flag_field(default: Any = MISSING) -> Any:
    """A truth value."""
    return _field(Flag(), default)


def number_field(optional: bool = False) -> Any:
    """A finite real number; None too where it is `optional`."""
    return _field(Number(optional))


def format_field() -> Any:
    """A format of single codes."""
    return _field(Format())


def array_field(sized: bool = False, optional: bool = False) -> Any:
    """An array of whole numbers or truth values; None by default where it is `optional`.

    Of a `sized` one the hardware grows with the size alone, whatever it holds: contents of a memory.
    """
    return field(
        default=None if optional else MISSING,
        repr=False,
        metadata={_CODEC: Array(optional), _SIZED: sized},
    )


def _field(codec: Codec, default: Any = MISSING, repr: bool = True) -> Any:
    return field(default=default, repr=repr, metadata={_CODEC: codec})


# ---- what others ask --------------------------------------------------------------------------------------


def codecs(kind: type) -> Iterator[tuple[str, Codec]]:
    """Name and codec of every field of an operator's class.

    Raises
    ------
    TypeError
        For a field that was not made by a function of this module.
    """
    for item in fields(kind):
        if _CODEC not in item.metadata:
            raise TypeError(
                f"field {item.name} of {kind.__name__} says not how it is stored; use graph.fields"
            )
        yield item.name, item.metadata[_CODEC]


def is_sized(item: Field) -> bool:
    """Whether hardware grows with the size of a field alone."""
    return bool(item.metadata.get(_SIZED))


def array_names(kind: type) -> list[str]:
    """Names of an operator's arrays."""
    return [name for name, codec in codecs(kind) if isinstance(codec, Array)]
