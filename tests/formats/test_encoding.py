"""How tensors lie in memory: bits counted by hand, records bit by bit, round trips, a new encoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pyqkit.formats import FormatError, NumberFormat, parse
from pyqkit.formats import encoding as encodings
from pyqkit.formats.encoding import (
    Encoding,
    Plain,
    SharedExponents,
    SideField,
    encoding_named,
    register_encoding,
)

SHAPES = {
    "whole": (2, 3, 8),
    "partial": (2, 3, 10),
    "short": (5, 3),
    "row": (16,),
    "one": (1, 1),
}
ENCODINGS = {
    "plain": Plain(parse("e2m1")),
    "wide": Plain(parse("int16")),
    "narrow": Plain(parse("int1")),
    "blocks": SharedExponents(parse("int2"), 4, 3),
    "e8m0": SharedExponents(parse("e4m3"), 4, 8),
    "posit": SharedExponents(parse("lp4_0_3"), 3, 1),
    "each": SharedExponents(parse("e3m2"), 1, 5),
}


@dataclass(frozen=True)
class Outliers(Encoding):
    """Two side fields of different widths: a place in every four elements, and a flag in every two."""

    element: NumberFormat

    @property
    def name(self) -> str:
        return f"outliers_{self.element.name}"

    @property
    def side_fields(self) -> tuple[SideField, ...]:
        return SideField("places", 2, 4), SideField("flags", 1, 2)

    @classmethod
    def parse(cls, name: str) -> Outliers | None:
        return cls(parse(name[len("outliers_") :])) if name.startswith("outliers_") else None


def content(encoding: Encoding, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = np.random.default_rng(len(shape))
    codes = random.choice(encoding.element.codes, shape)
    return codes, {
        field.name: random.integers(0, 2**field.bits, (*shape[:-1], field.count(shape[-1])))
        for field in encoding.side_fields
    }


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("kind", [*ENCODINGS, "outliers"])
def test_what_is_packed_is_unpacked(kind: str, shape: tuple[int, ...]) -> None:
    encoding = Outliers(parse("int3")) if kind == "outliers" else ENCODINGS[kind]
    codes, side = content(encoding, shape)
    stream = encoding.pack(codes, side)
    assert stream.size == -(-encoding.stored_bits(shape) // 8)
    found, found_side = encoding.unpack(stream, shape)
    np.testing.assert_array_equal(found, codes)
    assert found_side.keys() == side.keys()
    for name, values in side.items():
        np.testing.assert_array_equal(found_side[name], values)


def test_stored_bits() -> None:
    assert Plain(parse("e2m1")).stored_bits((3, 1, 1, 20)) == 240
    blocks = SharedExponents(parse("e2m1"), 16, 3)
    assert blocks.stored_bits((3, 1, 1, 20)) == 3 * (20 * 4 + 2 * 3)  # the second block is partial
    assert blocks.stored_bits((1, 32)) / 32 == blocks.bits == 4 + 3 / 16
    for name, bits in {"mx32_e2m1": 4.25, "mx16_int2": 2.5, "mx32_int8": 8.25}.items():
        assert parse(name).bits == bits
        assert parse(name).encoding.stored_bits((4, 64)) == 4 * 64 * bits  # type: ignore[attr-defined]


def test_side_fields_stand_before_the_elements_of_their_record() -> None:
    codes = np.array([1, 2, 3, 4, 5, 6])
    stream = Outliers(parse("uint3")).pack(codes, {"places": np.array([2, 1]), "flags": np.array([0, 1, 1])})
    records = ["1001", "001", "010", "011", "100"], ["011", "101", "110"]
    # As they are read: the lowest bit last. `places`, then both flags, then elements.
    low_first = [
        *(part[::-1] for part in ("10", "0", "1", *records[0][1:])),
        *(part[::-1] for part in ("01", "1", *records[1][1:])),
    ]
    bits = "".join(low_first)
    wanted = [int(bits[i : i + 8].ljust(8, "0")[::-1], 2) for i in range(0, len(bits), 8)]
    np.testing.assert_array_equal(stream, wanted)


def test_names() -> None:
    for encoding in ENCODINGS.values():
        assert encoding_named(encoding.name) == encoding
    for wrong in ("nothing", "se0x3_e2m1", "se32x3_mx32_e2m1_x", "mx32_e2m1"):
        with pytest.raises(FormatError):
            encoding_named(wrong)


def test_an_encoding_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "_kinds", list(encodings._kinds))
    register_encoding(Outliers)
    assert encoding_named("outliers_int3") == Outliers(parse("int3"))


def test_what_does_not_fit_is_refused() -> None:
    blocks = SharedExponents(parse("e2m1"), 4, 2)
    with pytest.raises(FormatError, match="exponents of shape"):
        blocks.pack(np.zeros((2, 8), int), {"exponents": np.zeros((2, 1), int)})
    with pytest.raises(FormatError, match="2 bits"):
        blocks.pack(np.zeros(4, int), {"exponents": np.array([4])})
    with pytest.raises(FormatError, match="3 bytes"):
        blocks.unpack(np.zeros(2, np.uint8), (4,))
