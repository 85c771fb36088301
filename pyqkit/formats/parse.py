"""Names of formats: one registry, filled by decorator; a format that prints as NAME parses from NAME."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Protocol, TypeVar

from pyqkit.discovery import import_modules
from pyqkit.errors import brief
from pyqkit.formats.base import FormatError, NumberFormat

MAX_NAME = 64  # characters of a format's name; the longest that means something have about 40


class _Family(Protocol):
    aliases: Mapping[str, str]  # what other tools call formats of this family: our name
    elsewhere: Mapping[str, str]  # what others have that is none of ours: what it is, and what to take

    @classmethod
    def parse(cls, name: str) -> NumberFormat | None: ...

    @classmethod
    def examples(cls) -> Iterator[NumberFormat]: ...


_families: list[_Family] = []
_Class = TypeVar("_Class")


def register(family: _Class) -> _Class:
    """Class decorator that announces a family of formats.

    The class brings ``parse(name)`` (a format, or None if the name is not of this family; `FormatError` for
    an illegal parameter) and ``examples()`` (formats to list in tables and to test); if others know its
    formats by other names, `aliases` and `elsewhere` too.
    """
    _families.append(family)  # type: ignore[arg-type]
    parse.cache_clear()
    return family


def _load() -> list[_Family]:
    import_modules("pyqkit.formats")
    return _families


@cache
def parse(name: str) -> NumberFormat:
    """Format of this name.

    Parameters
    ----------
    name : str
        For example ``int4``, ``uint2``, ``e2m1``, ``ue3m2``, ``e4m3fn``, ``lp8_1_3@-0.25``, ``odd2``,
        ``mx32_e2m1``; or as ml_dtypes, PyTorch and OCP call the same format, such as ``float8_e4m3fn`` or
        ``mxfp4``.

    Raises
    ------
    FormatError
        If the name is unknown (the nearest known name is suggested) or its parameters are illegal.

    Examples
    --------
    >>> fmt = parse("e2m1")
    >>> fmt.bits, fmt.maximum
    (4, 6.0)
    >>> parse("e2m9")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    pyqkit.formats.base.FormatError: ...
    """
    if not isinstance(name, str):
        raise FormatError(
            f"the name of a format was expected, such as 'e2m1', but a {type(name).__name__} came"
        )
    if len(name) > MAX_NAME or not name.isascii():
        raise FormatError(
            f"a format name of up to {MAX_NAME} ASCII characters was expected, but {brief(name)} "
            "came; see 'pyqkit formats' for the names"
        )
    for family in _load():
        found = family.parse(name)
        if found is not None:
            return found
    alias = _alias(name)
    if alias:
        return parse(alias)
    known = [fmt.name for fmt in examples()]
    close = difflib.get_close_matches(name.lower().replace(" ", ""), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else "see 'pyqkit formats' for the names"
    raise FormatError(f"a format name was expected, but {name!r} is none; {hint}")


def _alias(name: str) -> str:
    """Our name for the format of another tool; empty if nobody has it."""
    word = name.lower().removeprefix("torch.").removeprefix("ml_dtypes.")
    for family in _load():
        if word in getattr(family, "aliases", ()):
            return family.aliases[word]
        if word in getattr(family, "elsewhere", ()):
            raise FormatError(f"a format name was expected, but {name!r} {family.elsewhere[word]}")
    return ""


def examples() -> list[NumberFormat]:
    """A representative list of the formats of every family, in the order of registration."""
    return [fmt for family in _load() for fmt in family.examples()]
