"""Files that anybody may have written: regular files of a stated size and depth, or none.

Sizes are known before anything is read or unpacked. What is wrong is raised as a ValueError, or by the system
as an OSError, and becomes one sentence where the reader knows what was expected. Python's own library alone
is needed, so that this also runs where overlays are sealed. The constants are listed in docs/limits.md.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import IO, Any

MAX_JSON_DEPTH = 50  # levels; a manifest has about 8
MAX_MEMBERS = 100_000  # of an archive
MAX_UNPACKED = 4 * 2**30  # bytes of all members of an archive
MAX_RATIO = 200  # unpacked bytes for each byte of an archive, beyond FREE_UNPACKED
FREE_UNPACKED = 64 * 2**20  # bytes that any archive may unpack to: a few equal values fill them quickly

_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a character, which JSON can spell and no file can hold


@contextmanager
def opened(path: Path, most: int) -> Iterator[tuple[IO[bytes], int]]:
    """A regular file of at most `most` bytes, open for reading, and its size.

    A FIFO or a device is not waited for.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is something else, or larger.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > most:
            raise ValueError(f"it has {found.st_size} bytes, and at most {most} can be read")
        yield file, found.st_size


def content(path: Path, most: int) -> bytes:
    """All of a regular file of at most `most` bytes; raises as `opened` does."""
    with opened(path, most) as (file, size):
        found = file.read(size + 1)
        if len(found) != size:
            raise ValueError("it changes while it is read")
        return found


def text(path: Path, most: int) -> str:
    """A regular file as UTF-8, with or without a byte order mark; raises as `opened` does."""
    return content(path, most).decode("utf-8-sig")


def json_data(raw: bytes | str) -> Any:
    """JSON as everybody reads it.

    No key twice, no NaN, no number beyond 64 bits or float64, at most `MAX_JSON_DEPTH` levels.

    Raises
    ------
    ValueError
    """
    content = raw if isinstance(raw, str) else raw.decode("utf-8-sig")
    try:
        data = json.loads(
            content,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_JSON_DEPTH} levels deep") from None
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"it is nested more than {MAX_JSON_DEPTH} levels deep")
        inside = (
            value.values() if isinstance(value, dict) else value
            for value in level
            if isinstance(value, (dict, list))
        )
        level = [value for values in inside for value in values]
    if _HALF.search(content):
        json.dumps(data, ensure_ascii=False).encode()  # raises if the halves do not make whole characters
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r:.80} is there twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        raise ValueError(f"the number {digits:.30} needs more than 64 bits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"{digits:.30} is no finite number")
    return value


class Archive:
    """A zip file in memory whose members are stored or deflated.

    Parameters
    ----------
    raw : bytes

    Raises
    ------
    ValueError
        If it is none, or unpacks to more than it may.
    """

    def __init__(self, raw: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(raw))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
            raise ValueError(f"it is no zip file ({error})") from None
        members = self._archive.infolist()
        self.names = [member.filename for member in members]
        total, most = sum(member.file_size for member in members), max(FREE_UNPACKED, MAX_RATIO * len(raw))
        if len(members) > MAX_MEMBERS or len(set(self.names)) != len(members):
            raise ValueError(f"its {len(members)} members have equal names or are more than {MAX_MEMBERS}")
        if total > min(most, MAX_UNPACKED):
            raise ValueError(
                f"it unpacks to {total} bytes, and {min(most, MAX_UNPACKED)} are the most that can "
                "be taken from it"
            )

    def content(self, name: str) -> bytes:
        """A member, whose checksum is right.

        Raises ValueError if it cannot be unpacked, KeyError if there is none.
        """
        member = self._archive.getinfo(name)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name!r:.80} is packed by method {member.compress_type}")
        try:
            return self._archive.read(member)
        except (
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            NotImplementedError,
            OSError,
            EOFError,
            struct.error,
        ) as error:
            raise ValueError(f"{name!r:.80} cannot be unpacked ({error!s:.200})") from None
