"""Arrays of plain numbers from files: whatever numpy writes of them comes back, and nothing else is taken."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyqkit import npy


def saved(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


KINDS = ("?", "i1", "u1", "<i2", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "<f4", ">f8")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [None, (1, 0), (2, 0), (3, 0)])
def test_plain_numbers_come_back(kind: str, version: tuple[int, int] | None, tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    for written in (array, np.asfortranarray(array), array[:, ::2], array[:0], array[0, 0, 0], array.ravel()):
        raw = saved(written, version=version)
        (tmp_path / "x.npy").write_bytes(raw)
        for found in (npy.from_bytes(raw), npy.read(tmp_path / "x.npy")):
            np.testing.assert_array_equal(found, written)
            assert (
                found.dtype == array.dtype.newbyteorder("=")
                and found.dtype.isnative
                and found.flags.writeable
            )


def header_of(text: str, data: bytes = b"", version: int = 1) -> bytes:
    raw = text.encode()
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + len(raw).to_bytes(2 if version == 1 else 4, "little")
        + raw
        + data
    )


SOUND = saved(np.zeros((2, 3), np.float32))
FOUR = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "it does not start as an npy file does"),
        (b"PK\x03\x04" + bytes(40), "it does not start as an npy file does"),
        (b"\x93NUMPY\x01\x00", "it does not start as an npy file does"),
        (b"\x93NUMPY\x09\x00" + SOUND[8:], "it does not start as an npy file does"),
        (saved(np.array([{}], object)), "its header does not describe an array of plain numbers"),
        (saved(np.zeros(3, "f4,i2")), "its header does not describe an array of plain numbers"),
        (saved(np.zeros(3, "c8")), "its header does not describe an array of plain numbers"),
        (saved(np.array(["text"])), "its header does not describe an array of plain numbers"),
        (saved(np.zeros(3, "M8[s]")), "its header does not describe an array of plain numbers"),
        (
            header_of("{'descr': '<f1', 'fortran_order': False, 'shape': (3,), }", b"abc"),
            "its header describes no array of up to 32 dimensions",
        ),
        (header_of(FOUR % ("1," * 33), b"abcd"), "its header describes no array of up to 32 dimensions"),
        (
            header_of("__import__('os').system('true')"),
            "its header does not describe an array of plain numbers",
        ),
        (header_of("(" * 9000), "its header does not describe an array of plain numbers"),
        (header_of(FOUR % "-1,"), "its header does not describe an array of plain numbers"),
        (
            header_of(FOUR % ("9" * 20 + ",")),
            "its header promises 4" + "0" * 17 + r"\d+ bytes, and it has \d+",
        ),
        (header_of(FOUR % "1099511627776, 0, 3"), "^$"),
        (header_of(FOUR % "1,", b"abcd" * 2), r"its header promises \d+ bytes, and it has \d+"),
        (
            header_of(FOUR % "1," + " " * 20_000, version=2),
            "its header has 200.. bytes, and at most 10000 can be read",
        ),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(20),
            "its header has 4294967295 bytes, and at most 10000 can be read",
        ),
        (SOUND[:-1], "its header promises 152 bytes, and it has 151"),
        (SOUND + b"\0", "its header promises 152 bytes, and it has 153"),
        (SOUND + SOUND, "its header promises 152 bytes, and it has 304"),
    ],
)
def test_anything_else_is_refused(raw: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(raw)
    if what == "^$":  # an empty array of any length is one
        assert npy.from_bytes(raw).shape == (2**40, 0, 3)
        return
    with pytest.raises(ValueError, match=f"^{what}$"):
        npy.from_bytes(raw)
    with pytest.raises(ValueError, match=f"^{what}$"):
        npy.read(tmp_path / "x.npy")


def test_archives_of_arrays() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.arange(5), **{"a/b": np.asfortranarray(np.ones((2, 3), np.uint8))})
    found = npy.archive(file.getvalue())
    assert list(found) == ["x", "a/b"]
    np.testing.assert_array_equal(found["x"], np.arange(5))
    np.testing.assert_array_equal(found["a/b"], np.ones((2, 3)))
    file = io.BytesIO()
    np.savez(file, x=np.array([{}], object))
    for raw in (file.getvalue(), b"", SOUND):
        with pytest.raises(ValueError):
            npy.archive(raw)
