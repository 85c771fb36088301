"""Constants as text beside the obvious way to write them, number by number."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.dataflow import constants
from pyqkit.dataflow.constants import PER_ROW, hex_words, initialiser


def obvious_words(codes: np.ndarray, bits: int) -> str:
    lines = []
    for row in codes.tolist():
        word = sum((int(code) % 2**bits) << (bits * lane) for lane, code in enumerate(row))
        lines.append(f"{word:0{-(-len(row) * bits // 4)}x}\n")
    return "".join(lines)


def obvious_initialiser(values: np.ndarray, suffix: str) -> str:
    texts = [f"{value}{suffix}" for value in values.ravel().tolist()]
    rows = [", ".join(texts[first : first + PER_ROW]) for first in range(0, len(texts), PER_ROW)]
    return ",\n".join(rows)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 23, 32, 33, 63, 64])
@pytest.mark.parametrize("lanes", [1, 2, 3, 8, 17])
def test_words_of_codes(lanes: int, bits: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, (50, lanes), np.uint64, endpoint=False)
    codes[0], codes[1] = 0, 2**bits - 1
    assert hex_words(codes, bits) == obvious_words(codes, bits)


@pytest.mark.parametrize("bits", [1, 3, 4, 11, 64])
def test_words_of_negative_numbers(bits: int) -> None:
    codes = np.random.default_rng(bits).integers(-(2**62), 2**62, (40, 3))
    assert hex_words(codes, bits) == obvious_words(codes, bits)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "i8", ">u2"])
def test_words_of_any_type_and_order(dtype: str) -> None:
    codes = np.arange(7 * 6).reshape(6, 7).T.astype(dtype)
    assert hex_words(codes, 6) == obvious_words(codes, 6)


def test_words_are_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "_CHUNK", 10)
    codes = np.arange(99).reshape(33, 3)
    assert hex_words(codes, 7) == obvious_words(codes, 7)
    assert hex_words(codes.reshape(1, 99), 7) == obvious_words(codes.reshape(1, 99), 7)


def test_wide_numbers() -> None:
    values = np.array([[0], [-1], [2**70 - 1], [1 << 70]], object)
    assert hex_words(values, 70) == f"{0:018x}\n3{'f' * 17}\n3{'f' * 17}\n{0:018x}\n"
    assert hex_words(np.array([[-1, 5]], object), 3) == "2f\n"
    assert hex_words(np.full((200, 1), -1), 66) == f"3{'f' * 16}\n" * 200


def test_few_numbers_and_many_are_written_alike() -> None:
    values = np.arange(-32, 32).reshape(16, 4)
    assert hex_words(np.tile(values, (2, 1)), 6) == hex_words(values, 6) * 2 == obvious_words(values, 6) * 2


@pytest.mark.parametrize("suffix", ["", "LL"])
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 1000])
@pytest.mark.parametrize("ends", [(0, 1), (-8, 8), (-128, 128), (0, 256), (0, 65536), (-(2**62), 2**62)])
def test_initialisers(ends: tuple[int, int], count: int, suffix: str) -> None:
    values = np.random.default_rng(count).integers(*ends, count)
    assert initialiser(values, suffix) == obvious_initialiser(values, suffix)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u8", "i8"])
def test_initialisers_of_the_whole_range(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, 0, limits.max] * 40, dtype)
    assert initialiser(values) == obvious_initialiser(values, "")
    assert initialiser(values[2::3]) == obvious_initialiser(values[2::3], "")


def test_initialisers_are_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "_CHUNK", 2 * PER_ROW)
    for count in (2 * PER_ROW, 5 * PER_ROW, 5 * PER_ROW + 1):
        values = np.arange(count).reshape(-1, 1) - 100
        assert initialiser(values) == obvious_initialiser(values, "")
