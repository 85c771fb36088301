"""The rules, each a function that yields what it finds wrong in a header."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clang.cindex import Cursor, CursorKind

from tools.hls_style.source import LOOPS, Header, Pragma, body, is_process, is_stream, walk

Found = Iterator[tuple[int, str]]  # line and sentence
Rule = Callable[[Header], Found]
RULES: dict[str, Rule] = {}
_HEAD = re.compile(r"for \(int trip = 0; trip < TRIPS; \+\+trip\)")
# A constant, or what an instruction of an array says: rows, columns and counts are fields of it.
_BOUND = re.compile(r"static constexpr int TRIPS = |const int TRIPS = [\w:.]+trips\(")
_ALLOCATES = (CursorKind.CXX_NEW_EXPR, CursorKind.CXX_DELETE_EXPR)
_NAMES = (CursorKind.DECL_REF_EXPR, CursorKind.NAMESPACE_REF)
_HEAP = ("malloc", "calloc", "free", "std")


def rule(function: Rule) -> Rule:
    """Register a rule under its function's name."""
    RULES[function.__name__] = function
    return function


@dataclass(frozen=True)
class Array:
    """A local array of a process.

    Attributes
    ----------
    name : str
    line : int
    dimensions : int
    complete : set of int
        Dimensions, from 1, of which every place is a register or a memory of its own.
    bound : bool
        Whether BIND_STORAGE says what memory it is.
    independent : bool
        Whether DEPENDENCE says that trips do not wait for one another.
    """

    name: str
    line: int
    dimensions: int
    complete: set[int]
    bound: bool
    independent: bool


def processes(header: Header) -> Iterator[tuple[Cursor, Cursor]]:
    """Processes and their bodies."""
    return ((function, block) for function, block in header.functions() if is_process(function))


def main_loop(block: Cursor) -> Cursor | None:
    """The first loop of a process."""
    return next((child for child in block.get_children() if child.kind in LOOPS), None)


@rule
def one_loop(header: Header) -> Found:
    """Declarations, then one loop, then nothing."""
    for function, block in processes(header):
        *before, last = block.get_children()
        allowed = (
            CursorKind.DECL_STMT,
            CursorKind.NULL_STMT,
            CursorKind.BINARY_OPERATOR,
            CursorKind.CALL_EXPR,
        )
        for child in before:
            if child.kind not in allowed:
                yield (
                    child.extent.start.line,
                    f"only declarations were expected before the loop of {function.spelling}",
                )
        if last.kind != CursorKind.FOR_STMT:
            yield last.extent.start.line, f"one loop was expected at the end of {function.spelling}"


@rule
def pipelined(header: Header) -> Found:
    """The loop starts a trip in every cycle and drains while it waits; nothing else is pipelined."""
    expected: set[Pragma] = set()
    for function, block in processes(header):
        loop = main_loop(block)
        inside = body(loop) if loop is not None else None
        found = [p for p in header.pragmas_of(inside) if p.directive == "PIPELINE"] if inside else []
        if [p.values for p in found] != [{"II": "1", "style": "flp"}]:
            yield (
                block.extent.start.line,
                f"PIPELINE II = 1 style = flp was expected in the loop of {function.spelling}",
            )
        expected.update(id(p) for p in found)
    for pragma in header.pragmas:
        if pragma.directive == "PIPELINE" and id(pragma) not in expected:
            yield pragma.line, "a PIPELINE was expected in the loop of a process alone"


@rule
def bound(header: Header) -> Found:
    """A process names its trips once, and its loop runs to them."""
    for function, block in processes(header):
        text = header.tokens(block)
        if (
            len(_BOUND.findall(text)) != 1
            or len(_HEAD.findall(text)) != 1
            or "PYQKIT_TRIPS(TRIPS);" not in text
        ):
            yield (
                block.extent.start.line,
                f"one static constexpr int TRIPS and one loop to it were expected in {function.spelling}",
            )


@rule
def unrolled(header: Header) -> Found:
    """Loops inside, and those of helpers, are unrolled whole."""
    for function, block in header.functions():
        outer = main_loop(block) if is_process(function) else None
        for loop in walk(block):
            if (
                loop.kind in LOOPS
                and not (outer is not None and loop == outer)
                and not _is_unrolled(header, loop)
            ):
                yield loop.extent.start.line, f"UNROLL was expected in a loop of {function.spelling}"


def _is_unrolled(header: Header, loop: Cursor) -> bool:
    inside = body(loop)
    pragmas = header.pragmas_of(inside) if inside is not None and loop.kind == CursorKind.FOR_STMT else []
    return any(p.directive == "UNROLL" and not p.values for p in pragmas)


def _unrolled_variables(header: Header, block: Cursor) -> set[str]:
    loops = [loop for loop in walk(block) if loop.kind == CursorKind.FOR_STMT and _is_unrolled(header, loop)]
    return {
        child.spelling
        for loop in loops
        for child in walk(next(loop.get_children()))
        if child.kind == CursorKind.VAR_DECL
    }


@rule
def division(header: Header) -> Found:
    """No divider: what is divided is a constant of the template, or of an unrolled loop."""
    for function, block in header.functions():
        if _is_constexpr(header, function, block):
            continue
        constant = _unrolled_variables(header, block)
        for cursor in walk(block):
            if cursor.kind in (CursorKind.BINARY_OPERATOR, CursorKind.COMPOUND_ASSIGNMENT_OPERATOR):
                operands = list(cursor.get_children())
                sign = header.text[operands[0].extent.end.offset : operands[1].extent.start.offset]
                if re.search(r"[/%]", sign) and _varies(cursor, constant):
                    yield (
                        cursor.extent.start.line,
                        f"no division was expected in {function.spelling}: count instead",
                    )


def _is_constexpr(header: Header, function: Cursor, block: Cursor) -> bool:
    return "constexpr" in header.text[function.extent.start.offset : block.extent.start.offset]


def _varies(cursor: Cursor, constant: set[str]) -> bool:
    """Whether a value is known at run time alone: it names a variable that is no constant."""
    for child in walk(cursor):
        target = child.referenced
        if child.kind == CursorKind.MEMBER_REF_EXPR and child.spelling == "at":
            return True
        if (
            child.kind == CursorKind.DECL_REF_EXPR
            and target is not None
            and target.kind in (CursorKind.VAR_DECL, CursorKind.PARM_DECL)
        ):
            tokens = {token.spelling for token in target.get_tokens()}
            if child.spelling not in constant and not tokens & {"constexpr"}:
                return True
    return False


@rule
def recursion(header: Header) -> Found:
    """No function calls itself, unless a template counts down as it does."""
    for function, block in header.functions():
        if _is_constexpr(header, function, block):
            continue
        text = header.tokens(block)
        for call in re.finditer(rf"(?<![\w:.]){re.escape(function.spelling)}\s*(<[^;]*?>)?\([^;]*;", text):
            if not re.search(r"<[A-Z_]+ - 1>", call[0]):
                line = block.extent.start.line + text.count("\n", 0, call.start())
                yield line, f"no recursion was expected in {function.spelling}"


@rule
def dynamic_memory(header: Header) -> Found:
    """Nothing is allocated, and nothing of the standard library is used."""
    for function, block in header.functions():
        for child in walk(block):
            if child.kind in _ALLOCATES or (child.kind in _NAMES and child.spelling in _HEAP):
                yield child.extent.start.line, f"no dynamic memory was expected in {function.spelling}"


def _arrays(header: Header, block: Cursor) -> dict[str, Array]:
    found = {}
    loop = main_loop(block)
    for statement in block.get_children():
        if loop is not None and statement == loop:
            break
        for child in statement.get_children() if statement.kind == CursorKind.DECL_STMT else ():
            dimensions = header.tokens(child).count("[")
            if child.kind == CursorKind.VAR_DECL and dimensions and "constexpr" not in header.tokens(child):
                found[child.spelling] = _array(header, block, child, dimensions)
    return found


def _array(header: Header, block: Cursor, variable: Cursor, dimensions: int) -> Array:
    complete: set[int] = set()
    directives = set()
    for pragma in header.pragmas_of(block):
        if pragma.values.get("variable") == variable.spelling:
            directives.add(pragma.directive)
            if pragma.directive in ("ARRAY_PARTITION", "ARRAY_RESHAPE") and "complete" in pragma.values:
                dimension = int(pragma.values.get("dim", 0 if dimensions > 1 else 1))
                complete |= {dimension} if dimension else set(range(1, dimensions + 1))
    bound_, independent = "BIND_STORAGE" in directives, "DEPENDENCE" in directives
    return Array(variable.spelling, variable.extent.start.line, dimensions, complete, bound_, independent)


def _subscripts(cursor: Cursor) -> tuple[Cursor, list[Cursor]] | None:
    """The array and the places of ``array[first][second]``."""
    places: list[Cursor] = []
    while cursor.kind == CursorKind.ARRAY_SUBSCRIPT_EXPR:
        cursor, place = cursor.get_children()
        places.insert(0, place)
        while cursor.kind == CursorKind.UNEXPOSED_EXPR:
            (cursor,) = cursor.get_children()
    return (cursor, places) if places and cursor.kind == CursorKind.DECL_REF_EXPR else None


@rule
def partition(header: Header) -> Found:
    """Whatever lanes touch at once lies apart."""
    for _, block in processes(header):
        arrays, lanes = _arrays(header, block), _unrolled_variables(header, block)
        for cursor in walk(block):
            found = _subscripts(cursor)
            array = arrays.get(found[0].spelling) if found else None
            if array is None or found is None:
                continue
            for dimension, place in enumerate(found[1], 1):
                named = {c.spelling for c in walk(place) if c.kind == CursorKind.DECL_REF_EXPR}
                if named & lanes and dimension not in array.complete:
                    yield (
                        cursor.extent.start.line,
                        f"dimension {dimension} of {array.name} was expected to be partitioned",
                    )


@rule
def binding(header: Header) -> Found:
    """An array is registers, or says what memory it is."""
    for _, block in processes(header):
        for array in _arrays(header, block).values():
            if len(array.complete) < array.dimensions and not array.bound:
                yield (
                    array.line,
                    f"BIND_STORAGE or a complete ARRAY_PARTITION was expected for {array.name}",
                )


@rule
def streams_once(header: Header) -> Found:
    """A stream is read or written at one place, in the loop: once a trip."""
    for function, block in processes(header):
        loop = main_loop(block)
        streams = [
            p.spelling for p in function.get_children() if p.kind == CursorKind.PARM_DECL and is_stream(p)
        ]
        inside = header.tokens(loop) if loop is not None else ""
        for name in streams:
            calls = re.compile(rf"\b{name}\.(read|write)\(")
            if len(calls.findall(inside)) != 1 or len(calls.findall(header.tokens(block))) != 1:
                yield (
                    block.extent.start.line,
                    f"one read or write of {name} was expected in the loop of {function.spelling}",
                )


@rule
def carried(header: Header) -> Found:
    """What goes into a memory does not come out of it: a trip would wait for the one before."""
    for _, block in processes(header):
        memories = {
            a.name
            for a in _arrays(header, block).values()
            if len(a.complete) < a.dimensions and not a.independent
        }
        fed = {name: {name} for name in memories}  # variables that hold what came out of a memory
        for cursor in walk(block):
            if cursor.kind == CursorKind.VAR_DECL and cursor.spelling not in memories:
                for variables in fed.values():
                    if _names(list(cursor.get_children())) & variables:
                        variables.add(cursor.spelling)
            if cursor.kind == CursorKind.BINARY_OPERATOR or cursor.kind == CursorKind.CALL_EXPR:
                yield from _kept(cursor, fed)


def _kept(cursor: Cursor, fed: dict[str, set[str]]) -> Found:
    """An assignment to a memory of what has come out of it."""
    parts = list(cursor.get_children())
    target = _subscripts(parts[0]) if len(parts) >= 2 else None
    if target is not None and target[0].spelling in fed and _names(parts[1:]) & fed[target[0].spelling]:
        yield (
            cursor.extent.start.line,
            f"nothing that comes out of {target[0].spelling} was expected to go into it",
        )


def _names(cursors: list[Cursor]) -> set[str]:
    return {c.spelling for cursor in cursors for c in walk(cursor) if c.kind == CursorKind.DECL_REF_EXPR}
