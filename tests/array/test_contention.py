"""Rows that share networks: cases that can be counted by hand, and a walk step by step."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.array.contention import Contention, of_matrix, shared


def walked(flags: np.ndarray, vectors: int, networks: int) -> Contention:
    """The same, row by row and step by step."""
    count, rows, columns = flags.shape
    span = max(vectors, rows)
    steps = (count - 1) * span + vectors + rows - 1
    cycles = requests = conflicts = 0
    for step in range(steps):
        turns = 1
        for column in range(columns):
            asking = 0
            for row in range(rows):
                tile, vector = divmod(step - row, span)
                asking += 0 <= tile < count and vector < vectors and bool(flags[tile, row, column])
            requests += asking
            conflicts += max(0, asking - networks)
            turns = max(turns, -(-asking // networks))
        cycles += turns
    return Contention(cycles, steps, requests, conflicts)


@pytest.mark.parametrize(
    ("flags", "vectors", "networks", "expected"),
    [
        ("1111", 1, 1, Contention(4, 4, 4, 0)),  # a vector by itself is in one row at a time
        ("0000", 5, 1, Contention(8, 8, 0, 0)),
        ("1000", 5, 1, Contention(8, 8, 5, 0)),
        # vector 1 enters row 0 as vector 0 enters row 1: one of them waits
        ("1100", 2, 1, Contention(6, 5, 4, 1)),
        ("1010", 2, 1, Contention(5, 5, 4, 0)),  # never in both rows
        ("1111", 5, 4, Contention(8, 8, 20, 0)),
        ("1110", 4, 2, Contention(9, 7, 12, 2)),  # three rows at a time in two steps
    ],
)
def test_one_micro_block(flags: str, vectors: int, networks: int, expected: Contention) -> None:
    rows = np.array([[[flag == "1"] for flag in flags]])
    assert shared(rows, vectors, networks) == expected == walked(rows, vectors, networks)


def test_each_micro_block_has_its_columns_of_a_network() -> None:
    """Rows with outliers in different columns do not meet; the busiest column sets the rate."""
    assert shared(np.eye(4, dtype=bool)[None], 9, 1).conflicts == 0
    flags = np.zeros((1, 6, 2), bool)
    flags[..., 1] = True
    found = shared(flags, 100, 2)
    assert 100 * 6 / 2 <= found.cycles <= 100 * 6 / 2 + 12 and found.requests == 600
    assert found.lost == 1 - 105 / found.cycles and 0 < found.rate < 1


@pytest.mark.parametrize("vectors", [1, 3, 8, 20])
@pytest.mark.parametrize("networks", [1, 2, 3])
def test_tiles_follow_each_other(vectors: int, networks: int) -> None:
    """Rows of two tiles ask at a time; of few vectors each tile takes as many steps as it has rows."""
    flags = np.random.default_rng(vectors).random((5, 8, 3)) < 0.4
    assert shared(flags, vectors, networks) == walked(flags, vectors, networks)


def test_a_matrix_is_cut_into_tiles() -> None:
    """The last ones are filled up with weights that are no outliers."""
    flags = np.random.default_rng(0).random((21, 5)) < 0.3
    full = np.zeros((24, 6), bool)
    full[:21, :5] = flags
    tiles = [full[row : row + 8, at : at + 2] for row in (0, 8, 16) for at in (0, 2, 4)]
    found = of_matrix(flags, 8, 2, 6, 1)
    assert found == walked(np.array(tiles), 6, 1)
    assert found.requests == 6 * flags.sum() and 0 < found.conflicts < found.requests
