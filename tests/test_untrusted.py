"""Files that anybody may have written: what they are is known before they are read."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqkit import untrusted
from pyqkit.untrusted import Archive, content, json_data


def test_regular_files_are_read_also_through_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\r\nb")
    (tmp_path / "link").symlink_to("file")
    assert content(tmp_path / "link", 7) == b"\xef\xbb\xbfa\r\nb"
    assert untrusted.text(tmp_path / "file", 7) == "a\r\nb"
    with pytest.raises(ValueError, match="^it has 7 bytes, and at most 6 can be read$"):
        content(tmp_path / "file", 6)


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p), lambda p: os.symlink("/dev/tty", p), sparse],
)
def test_nothing_else_is_waited_for_or_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises((OSError, ValueError)):
        content(tmp_path / "x", 2**30)


def test_links_that_end_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "none", "x" * 300):
        with pytest.raises(OSError):
            content(tmp_path / name, 100)
    with pytest.raises(ValueError):
        content(tmp_path / "a\0b", 100)


def test_json_as_everybody_reads_it() -> None:
    data = {"a": [1, -(2**63), 2**64 - 1, 1.5, "é", "\U0001f642"], "b": {"": None, "c": [[[True]]]}}
    assert (
        json_data(
            '{"a": [1, -9223372036854775808, 18446744073709551615, 1.5, "é", "\\ud83d\\ude42"], '
            '"b": {"": null, "c": [[[true]]]}}'
        )
        == data
    )
    assert json_data("[" * 50 + "]" * 50)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "Expecting value"),
        (b"\xff{}", "codec can't decode"),
        (b'{"a": 1, "b": 2, "a": 3}', "^'a' is there twice$"),
        (b"[NaN]", "^NaN is no finite number$"),
        (b"[-Infinity]", "^-Infinity is no finite number$"),
        (b"[1e999]", "^1e999 is no finite number$"),
        (b"[18446744073709551616]", "^the number 18446744073709551616 needs more than 64 bits$"),
        (b"[" + b"9" * 10_000 + b"]", "^the number 9{30} needs more than 64 bits$"),
        (b"[" * 51 + b"]" * 51, "^it is nested more than 50 levels deep$"),
        (b"[" * 100_000, "^it is nested more than 50 levels deep$"),
        (b'{"a":' * 100_000, "^it is nested more than 50 levels deep$"),
        (rb'["\ud800"]', "surrogates not allowed"),
        (rb'{"\uDC00x": 1}', "surrogates not allowed"),
    ],
)
def test_json_that_is_refused(raw: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        json_data(raw)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of equal names
        for name, raw in members.items():
            archive.writestr(name.rstrip("!"), raw)
    return file.getvalue()


def test_members_of_an_archive() -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = Archive(zipped({"a": b"x" * 1000, "b/c": b""}, method))
        assert (
            archive.names == ["a", "b/c"]
            and archive.content("a") == b"x" * 1000
            and archive.content("b/c") == b""
        )
    with pytest.raises(KeyError):
        archive.content("none")


def test_archives_that_unpack_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({"a": bytes(2**20), "b": bytes(2**20)})
    Archive(bomb)
    monkeypatch.setattr(untrusted, "FREE_UNPACKED", 2**20)
    most = 200 * len(bomb)
    with pytest.raises(
        ValueError,
        match=f"^it unpacks to 2097152 bytes, and {max(most, 2**20)} are the most that can be taken from it$",
    ):
        Archive(bomb)
    assert untrusted.MAX_UNPACKED == 4 * 2**30
    with pytest.raises(ValueError, match="^it unpacks to 4294967294 bytes, and 67108864 are"):
        monkeypatch.setattr(untrusted, "FREE_UNPACKED", 64 * 2**20)
        Archive(claiming(bomb, 2**31 - 1))


def claiming(raw: bytes, size: int) -> bytes:
    """The directory of an archive says that every member has this size."""
    start = raw.index(b"PK\x01\x02")
    changed, at = bytearray(raw), start
    while (at := changed.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<I", changed, at + 24, size)
        at += 4
    return bytes(changed)


def test_a_member_that_is_longer_than_the_directory_says() -> None:
    archive = Archive(claiming(zipped({"a": bytes(2**20)}), 10))
    with pytest.raises(ValueError, match="^'a' cannot be unpacked "):
        archive.content("a")


@pytest.mark.parametrize(
    "raw",
    [b"", b"PK\x05\x06", b"PK" + bytes(100), zipped({"a": b"x"})[:-10], zipped({"a": b"1", "a!": b"2"})],
    ids=["empty", "end alone", "zeros", "cut", "another count"],  # bytes of an archive hold the time
)
def test_archives_that_are_none(raw: bytes) -> None:
    with pytest.raises(ValueError):
        Archive(raw)


def test_members_that_cannot_be_unpacked() -> None:
    with pytest.raises(ValueError, match="^'a' is packed by method 14$"):
        Archive(zipped({"a": b"x" * 100}, zipfile.ZIP_LZMA)).content("a")
    raw = bytearray(zipped({"a": bytes(range(256))}))
    raw[40] ^= 0xFF
    with pytest.raises(ValueError, match="^'a' cannot be unpacked "):
        Archive(bytes(raw)).content("a")
    secret = bytearray(zipped({"a": b"x"}))
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    secret[6] |= 1
    with pytest.raises(ValueError, match="^'a' cannot be unpacked "):
        Archive(bytes(secret)).content("a")
