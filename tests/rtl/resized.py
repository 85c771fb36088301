"""Cases for blocks that repeat and drop rows and columns, or exchange them."""

from __future__ import annotations

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, Words, table


def resized() -> list[Case]:
    """Equal numbers of copies and a table of them, of rows and of columns; dropped ones at both ends."""
    made = {
        "twice": (2, [2, 2, 2], [2, 2, 2, 2]),
        "wider": (3, [1, 1, 1], [3, 3, 3, 3]),
        "higher": (1, [2, 2, 2], [1, 1, 1, 1]),
        "uneven": (2, [0, 3, 1], [2, 0, 1, 0]),
        "fewer": (1, [1, 0, 1], [0, 1, 0, 1]),
        "point": (1, [5], [1]),
    }
    cases = [_resize(f"resize_{name}", *arguments) for name, arguments in made.items()]
    return [
        *cases,
        _transpose("transpose", 2, 3, 4, 2),
        _transpose("transpose_line", 3, 1, 5, 1),
        _transpose("transpose_point", 4, 1, 1, 1),
    ]


def _codes(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random codes of five bits; the first frame holds zeros, the second all ones."""
    codes = np.random.default_rng(seed).integers(0, 32, (FRAMES, *shape))
    codes[0], codes[1] = 0, 31
    return codes


def _resize(name: str, words: int, rows: list[int], columns: list[int]) -> Case:
    x = _codes((len(rows), len(columns), words), 14)
    parameters: Parameters = {"BITS": 5, "HEIGHT": len(rows), "WIDTH": len(columns), "WORDS": words}
    parameters["LINE"] = int(max(rows) > 1)
    tables = {}
    for axis, times in (("ROW", rows), ("COLUMN", columns)):
        even = len(set(times)) == 1
        parameters |= {f"{axis}_TIMES": times[0] if even else 0, f"{axis}_BITS": max(times).bit_length()}
        if not even:
            file = f"{name}_{axis.lower()}s.hex"
            parameters[f"{axis}_FILE"] = f'"{file}"'
            tables[file] = table(times, 8)
    out = x.repeat(rows, axis=1).repeat(columns, axis=2)
    ends = {"in": Words(5, x.reshape(FRAMES, -1, 1))}, {"out": Words(5, out.reshape(FRAMES, -1, 1))}
    return Case(name, "resize", parameters, *ends, tables)


def _transpose(name: str, blocks: int, rows: int, columns: int, words: int) -> Case:
    x = _codes((blocks, rows, columns, words), 15)
    parameters: Parameters = {"BITS": 5, "ROWS": rows, "COLUMNS": columns, "WORDS": words}
    out = x.swapaxes(2, 3).reshape(FRAMES, -1, 1)
    return Case(
        name, "transpose", parameters, {"in": Words(5, x.reshape(FRAMES, -1, 1))}, {"out": Words(5, out)}
    )
