"""Rows that share networks: cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.array.contention import Contention, of_matrix, shared


@pytest.mark.parametrize(
    ("flags", "vectors", "networks", "expected"),
    [
        ("1111", 1, 1, Contention(4, 4, 4, 0)),  # a vector by itself is in one row at a time
        ("0000", 5, 1, Contention(8, 8, 0, 0)),
        ("1000", 5, 1, Contention(8, 8, 5, 0)),
        # rows 0 and 1: vector 0 at cycles 0 and 1, where vector 1 waits for row 0, and so on
        ("1100", 2, 1, Contention(6, 5, 4, 1)),
        ("1111", 5, 4, Contention(8, 8, 20, 0)),
    ],
)
def test_one_micro_block(flags: str, vectors: int, networks: int, expected: Contention) -> None:
    found = shared(np.array([[flag == "1"] for flag in flags]), vectors, networks)
    assert found == expected


def test_each_micro_block_has_its_columns_of_a_network() -> None:
    """Rows with outliers in different columns do not meet; a busy column sets the rate."""
    assert shared(np.eye(4, dtype=bool), 9, 1).conflicts == 0
    flags = np.zeros((6, 2), bool)
    flags[:, 1] = True
    found = shared(flags, 100, 2)
    assert 100 * 6 / 2 <= found.cycles <= 100 * 6 / 2 + 6 and found.requests == 600
    assert found.lost == 1 - 105 / found.cycles and 0 < found.rate < 1


def test_tiles_of_a_matrix_come_one_after_the_other() -> None:
    """The last ones are filled up with weights that are no outliers."""
    flags = np.random.default_rng(0).random((21, 5)) < 0.3
    found = of_matrix(flags, 8, 2, 6, 1)
    full = np.zeros((24, 6), bool)
    full[:21, :5] = flags
    tiles = [full[row : row + 8, at : at + 2] for row in (0, 8, 16) for at in (0, 2, 4)]
    assert found == sum((shared(tile, 6, 1) for tile in tiles), Contention())
    assert found.requests == 6 * flags.sum() and 0 < found.conflicts < found.requests
