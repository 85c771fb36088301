"""How inputs are spoiled.

Bytes, text by its tokens, JSON-like data by its structure, arrays. All draw from one `Random`.
"""

from __future__ import annotations

import copy
import re
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

# Numbers at the ends of types, and those that readers forget
INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    16,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**24,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**40,
)
WIDE = (2**53 + 1, 2**62, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400)
FLOATS = (
    0.0,
    -0.0,
    0.5,
    1.5,
    -1.0,
    1e-310,
    5e-324,
    1e-30,
    3e38,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
)
STRINGS = (
    "",
    " ",
    "x",
    "..",
    "../../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "\n",
    "a\nb",
    "\0",
    "[/x]",
    "[bold]x",
    "%s{0}",
    "'\"`$(id)",
    "*/ int x; /*",
    "\x1b[2J",
    "\u202egnp",
    "\ud800",
    "é",
    "🙂",
    "a" * 300,
    "a" * 70_000,
    "1" * 5000,
    "-1",
    "NaN",
    "None",
)
_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")
_PIECES = (
    '"',
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "\r\n",
    "\0",
    "\ufeff",
    "#",
    "<",
    ">",
    "&",
    "\\",
    "]]>",
    "<!DOCTYPE x>",
    "&x;",
)


def number(random: Random) -> Any:
    """A number that readers forget, or any other."""
    return random.choice((*INTEGERS, *INTEGERS, *WIDE, *FLOATS, random.randrange(-300, 300)))


def text(random: Random) -> str:
    """A string that readers forget."""
    return random.choice(STRINGS)


def spoil_bytes(content: bytes, random: Random) -> bytes:
    """One to four changes: bits, bytes, words, pieces moved, doubled, cut out or off."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        random.choice(_BYTE_CHANGES)(data, random)
    return bytes(data)


def _span(data: bytearray, random: Random) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, min(len(data), start + random.choice((1, 1, 2, 4, 8, 64, 1024))))


def _flip(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _replace(data: bytearray, random: Random) -> None:
    span = _span(data, random)
    data[span] = random.randbytes(span.stop - span.start)


def _word(data: bytearray, random: Random) -> None:
    order, code = random.choice("<>"), random.choice("bhiq")
    size = struct.calcsize(code)
    value = random.choice((*INTEGERS, *WIDE[:5])) & (2 ** (8 * size) - 1)
    start = random.randrange(len(data) + 1)
    data[start : start + size] = value.to_bytes(size, "little" if order == "<" else "big")


def _delete(data: bytearray, random: Random) -> None:
    del data[_span(data, random)]


def _double(data: bytearray, random: Random) -> None:
    piece = bytes(data[_span(data, random)])
    at = random.randrange(len(data) + 1)
    data[at:at] = piece * random.choice((1, 1, 2, 1000))


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


def _insert(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice(
        (random.randbytes(random.choice((1, 4, 100))), text(random).encode("utf-8", "surrogatepass"))
    )


def _digits(data: bytearray, random: Random) -> None:
    found = list(re.finditer(rb"\d+", data))
    if found:
        data[slice(*random.choice(found).span())] = str(number(random)).encode()


_BYTE_CHANGES: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip,
    _replace,
    _word,
    _delete,
    _double,
    _cut,
    _insert,
    _digits,
)


def spoil_text(content: str, random: Random) -> bytes:
    """One to four changes to the tokens of a text, now and then to its bytes."""
    tokens = _TOKENS.findall(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        at = random.randrange(len(tokens) + 1)
        change = random.randrange(8)
        if change == 0:
            tokens.insert(at, random.choice(_PIECES) * random.choice((1, 1, 2, 1000, 20_000)))
        elif change == 1:
            del tokens[at : at + random.choice((1, 1, 3, 20))]
        elif change == 2:
            tokens[at : at + 1] = [str(number(random))]
        elif change == 3:
            tokens[at : at + 1] = [text(random)]
        elif change == 4:
            piece = tokens[at : at + random.choice((1, 2, 8, 30))]
            tokens[at:at] = piece * random.choice((1, 1, 2, 1000))
        elif change == 5:
            piece = tokens[at : at + random.choice((1, 3, 10))]
            place = random.randrange(len(tokens) + 1)
            tokens[place:place] = piece
        else:
            numbers = [i for i, token in enumerate(tokens) if token.isdigit()]
            if numbers:
                tokens[random.choice(numbers)] = str(number(random))
    found = "".join(tokens)[: 1 << 22].encode("utf-8", "surrogatepass")
    return spoil_bytes(found, random) if random.random() < 0.2 else found


def spoil_data(data: Any, random: Random) -> Any:
    """A deep copy of JSON-like data with one to three changes to its structure or values."""
    root = [copy.deepcopy(data)]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(root))
        holder, key = random.choice(places)
        holder[key] = _another(holder[key], places, random)
        if isinstance(holder, dict):
            _rearrange(holder, key, random)
        elif holder is not root and random.random() < 0.2:
            del holder[key]
    return root[0]


def _places(value: Any) -> Any:
    """All (holder, key) below a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _another(value: Any, places: list[tuple[Any, Any]], random: Random) -> Any:
    """A value to put in the place of another one: often of its type."""
    change = random.randrange(10)
    if (change < 3 and isinstance(value, str)) or change == 3:
        return text(random)
    if (change < 4 and isinstance(value, (int, float))) or change == 4:
        return number(random)
    if change == 5 and isinstance(value, list) and value:
        return (
            value * random.choice((0, 2, 1000)) if random.random() < 0.5 else random.sample(value, len(value))
        )
    if change == 6:
        return random.choice((None, True, False, [], {}, [[]], [0] * 5, {"a": 1}))
    if change == 7:
        for _ in range(random.choice((1, 2, 100))):
            value = [value]
        return value
    if change == 8 and isinstance(value, int) and type(value) is not bool:
        return value + random.choice((-1, 1, -value * 2, value))
    holder, key = random.choice(places)
    return copy.deepcopy(holder[key])


def _rearrange(holder: dict[Any, Any], key: Any, random: Random) -> None:
    """Now and then rename or drop a key."""
    change = random.randrange(8)
    if change == 0:
        del holder[key]
    elif change == 1:
        holder[text(random)] = holder.pop(key)


_TYPES = (
    "u1",
    "i1",
    "<u2",
    ">i2",
    "<i4",
    "<i8",
    ">i8",
    "<u8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    "<c8",
    "?",
    "S3",
    "U2",
    "M8[s]",
    "V4",
)


def spoil_array(array: np.ndarray, random: Random) -> np.ndarray:
    """An array with another type, shape, order or other values."""
    change = random.randrange(7)
    if change == 0:
        with np.errstate(all="ignore"):
            try:
                return array.astype(random.choice(_TYPES))
            except (TypeError, ValueError):
                return np.zeros(array.shape, random.choice(_TYPES))
    if change == 1:
        shape = list(array.shape)
        if shape:
            shape[random.randrange(len(shape))] = random.choice((0, 1, 2, 3))
        return np.resize(array, shape)
    if change == 2:
        return random.choice(
            (
                array.ravel(),
                array[None],
                array[..., None],
                array.T,
                np.asfortranarray(array),
                array[::-1].copy(),
            )
        )
    spoiled = array.copy()
    if spoiled.size == 0:
        return spoiled
    at = random.randrange(spoiled.size)
    if spoiled.dtype.kind == "f":
        with np.errstate(over="ignore"):
            spoiled.flat[at] = random.choice(FLOATS)
    elif spoiled.dtype.kind in "iu":
        value = random.choice((*INTEGERS, *WIDE[:5]))
        spoiled.flat[at] = np.array(value & 0xFFFF_FFFF_FFFF_FFFF, np.uint64).astype(spoiled.dtype)
    else:
        spoiled.flat[at] = not spoiled.flat[at]
    return spoiled
