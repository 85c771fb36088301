"""Codes in bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pyqkit.formats import pack, packed_bytes, packing, unpack


def by_hand(codes: list[int], bits: int) -> bytes:
    """Element 0 in the lowest bits of one long little-endian number."""
    number = sum(code << (i * bits) for i, code in enumerate(codes))
    return number.to_bytes(-(-len(codes) * bits // 8), "little")


@given(
    st.integers(1, 64).flatmap(
        lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1), max_size=40))
    )
)
def test_bytes_are_one_little_endian_number(case: tuple[int, list[int]]) -> None:
    bits, codes = case
    array = np.array(codes, dtype=np.uint64)
    packed = pack(array, bits)
    assert packed.dtype == np.uint8 and len(packed) == packed_bytes(len(codes), bits)
    assert packed.tobytes() == by_hand(codes, bits)
    back = unpack(packed, bits, len(codes))
    assert back.dtype.itemsize == next(size for size in (1, 2, 4, 8) if 8 * size >= bits)
    assert_array_equal(back, array)


@pytest.mark.parametrize("bits", range(1, 17))
def test_leading_axes_are_kept(bits: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, (3, 2, 11), dtype=np.uint16)
    packed = pack(codes, bits)
    assert packed.shape == (3, 2, packed_bytes(11, bits))
    assert_array_equal(packed[1, 0], pack(codes[1, 0], bits))
    assert_array_equal(unpack(packed, bits, 11), codes)


@pytest.mark.parametrize("bits", [3, 4, 8, 12])
def test_arrays_that_are_not_contiguous(bits: int) -> None:
    codes = np.random.default_rng(0).integers(0, 2**bits, (6, 10), dtype=np.uint16)
    assert_array_equal(pack(codes[::2, ::-1], bits), pack(codes[::2, ::-1].copy(), bits))
    padded = np.zeros((6, packed_bytes(10, bits) + 3), np.uint8)
    padded[:, : packed_bytes(10, bits)] = pack(codes, bits)
    assert_array_equal(unpack(padded[:, : packed_bytes(10, bits)], bits, 10), codes)


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 7, 8, 10, 12, 20, 24, 28, 40])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_codes_of_several_blocks(bits: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BLOCK", 64)
    codes = np.random.default_rng(count).integers(0, 2**bits, (2, count), dtype=np.uint64)
    packed = pack(codes, bits)
    assert [row.tobytes() for row in packed] == [by_hand(row.tolist(), bits) for row in codes]
    assert_array_equal(unpack(packed, bits, count), codes)


# Codes of whole bytes have no neighbour to share one with.
@pytest.mark.parametrize("run", [run for run in range(1, 32) if run % 8])
def test_one_multiplication_joins_two_runs_as_shifts_do(run: int) -> None:
    step = packing._step(run)
    ends = np.array([0, 1, 2, 2**step.run // 3, 2**step.run - 2, 2**step.run - 1], object) % 2**step.run
    low, high = (side.ravel().astype(step.word) for side in np.meshgrid(ends, ends))
    pairs = low | high << step.word.type(step.run)
    words = low | high << step.word.type(step.half)
    if step.room:
        joined = words * step.joins >> step.word.type(step.half)
    else:
        joined = words + (words >> step.word.type(step.half)) * step.joins
    assert_array_equal(joined, pairs)
    assert_array_equal(pairs + (pairs >> step.word.type(step.run)) * step.splits, words)


def test_golden_bytes() -> None:
    assert pack(np.array([1, 2, 3], np.uint8), 4).tobytes() == b"\x21\x03"
    assert pack(np.array([1, 0, 1, 1], np.uint8), 1).tobytes() == b"\x0d"
    assert pack(np.array([0x1234], np.uint16), 16).tobytes() == b"\x34\x12"
    assert pack(np.array([0b101, 0b011, 0b111], np.uint8), 3).tobytes() == b"\xdd\x01"
