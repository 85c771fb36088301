"""A header as clang reads it, with the pragmas that clang leaves out of its tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clang import cindex
from clang.cindex import Cursor, CursorKind

STUBS = Path(__file__).parent / "stubs"
FUNCTIONS = (
    CursorKind.FUNCTION_TEMPLATE,
    CursorKind.FUNCTION_DECL,
    CursorKind.CXX_METHOD,
    CursorKind.CONSTRUCTOR,
)
LOOPS = (CursorKind.FOR_STMT, CursorKind.WHILE_STMT, CursorKind.DO_STMT, CursorKind.CXX_FOR_RANGE_STMT)
_PRAGMA = re.compile(r"^#pragma HLS (.*)$", re.MULTILINE)


class UnreadableError(Exception):
    """clang does not understand the header."""


@dataclass(frozen=True)
class Pragma:
    """``#pragma HLS``: its first word, and what stands behind as names, of which some have values."""

    offset: int
    line: int
    directive: str
    values: dict[str, str]

    @classmethod
    def of(cls, match: re.Match[str], text: str) -> Pragma:
        directive, *words = re.sub(r"\s*=\s*", "=", match[1].split("//")[0]).split()
        values = dict(word.partition("=")[::2] for word in words)
        return cls(match.start(), text.count("\n", 0, match.start()) + 1, directive, values)


@dataclass(frozen=True, eq=False)
class Header:
    """A header.

    Parameters
    ----------
    path : Path
    library : Path
        Folder of the headers that it includes.
    """

    path: Path
    library: Path

    @cached_property
    def text(self) -> str:
        """What stands in it."""
        return self.path.read_text()

    @cached_property
    def pragmas(self) -> list[Pragma]:
        """All of them, in order."""
        return [Pragma.of(match, self.text) for match in _PRAGMA.finditer(self.text)]

    @cached_property
    def unit(self) -> cindex.TranslationUnit:
        """clang's tree of the text that synthesis sees."""
        folders = [f"-I{folder}" for folder in (STUBS, self.path.parent, self.library)]
        options = ["-x", "c++", "-std=c++14", "-nostdinc", "-D__SYNTHESIS__", *folders]
        unit = cindex.Index.create().parse(str(self.path), args=options)
        wrong = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
        if wrong:
            raise UnreadableError(str(wrong[0]))
        return unit

    def functions(self) -> Iterator[tuple[Cursor, Cursor]]:
        """Functions that are written here, and their bodies."""
        for cursor in walk(self.unit.cursor):
            inside = cursor.location.file is not None and cursor.location.file.name == str(self.path)
            block = body(cursor) if inside and cursor.kind in FUNCTIONS else None
            if block is not None:
                yield cursor, block

    def tokens(self, cursor: Cursor) -> str:
        """Text of a cursor."""
        return self.text[cursor.extent.start.offset : cursor.extent.end.offset]

    def pragmas_of(self, block: Cursor) -> list[Pragma]:
        """Pragmas that stand in a block itself, not in a block inside it."""
        inner = [child for child in walk(block) if child.kind == CursorKind.COMPOUND_STMT and child != block]
        return [
            p for p in self.pragmas if holds(block, p.offset) and not any(holds(c, p.offset) for c in inner)
        ]


def holds(cursor: Cursor, offset: int) -> bool:
    """Whether a place lies inside a cursor."""
    return bool(cursor.extent.start.offset <= offset < cursor.extent.end.offset)


def walk(cursor: Cursor) -> Iterator[Cursor]:
    """A cursor and all below it."""
    yield cursor
    for child in cursor.get_children():
        yield from walk(child)


def body(function: Cursor) -> Cursor | None:
    """Block of a function that is defined; of a loop alike."""
    blocks = [child for child in function.get_children() if child.kind == CursorKind.COMPOUND_STMT]
    return blocks[-1] if blocks else None


def is_process(function: Cursor) -> bool:
    """Whether a function works trip by trip: it says so, or moves words of streams itself.

    One that has no loop and hands its streams to others is none.
    """
    block = body(function)
    words = {token.spelling for token in block.get_tokens()} if block is not None else set()
    if "PYQKIT_TRIPS" in words:
        return True
    takes = any(is_stream(c) for c in function.get_children() if c.kind == CursorKind.PARM_DECL)
    return takes and bool(words & {"for", "while", "do", "read", "write"})


def is_stream(parameter: Cursor) -> bool:
    """Whether a parameter is a stream."""
    return any(
        child.kind == CursorKind.TEMPLATE_REF and child.spelling == "stream" for child in walk(parameter)
    )
