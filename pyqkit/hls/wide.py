"""Constants of more bits than a C++ number has, in pieces of 32 bits, the lowest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.dataflow.row_search import RowSearch
from pyqkit.errors import UserError
from pyqkit.graph.graph import Operator
from pyqkit.hls.emitter import Emitter, Function

_PIECE = 32
MOST = 500  # bits of what is compared: products of two such numbers are AMD's widest integers


def pieces_for(values: Sequence[int]) -> int:
    """Pieces of each of several numbers, of which the highest has a sign."""
    return max(abs(value) for value in values).bit_length() // _PIECE + 1


def pieces(values: Sequence[int], count: int) -> np.ndarray:
    """`count` pieces of each number, shape (numbers, count)."""
    mask = (1 << _PIECE) - 1
    parts = [
        [value >> _PIECE * place & (mask if place < count - 1 else -1) for place in range(count)]
        for value in values
    ]
    return np.array(parts, np.int64)


def search_functions(e: Emitter, name: str, search: RowSearch, count: int) -> dict[str, list[Function]]:
    """``limit`` and ``code`` of ``hls/row_search.hpp``."""
    limits = []
    for step, entries in enumerate(reversed(search.memories())):
        memory = e.everywhere(f"{name}_limits_{step}", pieces(entries, count).ravel())
        parameters = f"pyqkit::Step<{step}>, int place, int piece"
        limits.append((parameters, f"{memory}[place * {count} + piece]"))
    codes = e.everywhere(f"{name}_codes", search.codes)
    return {"limit": limits, "code": [("int place", f"{codes}[place]")]}


def check_width(op: Operator, bits: int) -> None:
    """Refuse comparisons that C++ has no numbers for."""
    if bits > MOST:
        raise UserError(
            f"comparisons of at most {MOST} bits were expected in {op.name}, but its C++ has {bits}; take "
            "powers of two as scales before and behind it, or a format with fewer binades"
        )
