"""Headers of .bit files.

Which design, which part. The content of an emulated one is a few words that no FPGA takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyqkit import untrusted
from pyqkit.errors import UserError

MAX_FILE = 256 * 2**20  # bytes; the largest devices of these families take 50 MB
_PREAMBLE = bytes.fromhex("0009 0ff00ff00ff00ff000 0001")
_MARK = "emulated bitstream of pyqkit"


@dataclass(frozen=True)
class Bitfile:
    """A .bit file.

    Attributes
    ----------
    design : str
    part : str
        As the header spells it, without xc: 7z020clg400.
    content : bytes
    emulated : dict or None
        What `write_emulated` put into the content; None for a real bitstream.
    """

    design: str
    part: str
    content: bytes
    emulated: dict[str, Any] | None = None


def header_part(part: str) -> str:
    """A part as the header of a .bit file spells it.

    Xc7z020clg400-1 is 7z020clg400, xczu7ev-ffvc1156-2-e is xczu7ev-ffvc1156-2-e.
    """
    return part.removeprefix("xc").partition("-")[0] if part.startswith("xc7") else part


def write_emulated(design: str, part: str, facts: dict[str, Any]) -> bytes:
    """A .bit file for the emulated board; without the synchronisation word, an FPGA refuses it.

    `facts` must differ between overlays: PYNQ keeps what it knows of an overlay under the hash of its .bit
    file.
    """
    content = _MARK.encode() + json.dumps(facts, sort_keys=True).encode()
    content += b" " * (-len(content) % 4)
    fields = b""
    for key, value in (
        ("a", f"{design};UserID=0XFFFFFFFF;Version=none"),
        ("b", header_part(part)),
        ("c", "0000/00/00"),
        ("d", "00:00:00"),
    ):
        text = value.encode("ascii", "replace") + b"\0"
        fields += key.encode() + len(text).to_bytes(2, "big") + text
    return _PREAMBLE + fields + b"e" + len(content).to_bytes(4, "big") + content


def read(path: Path) -> Bitfile:
    """Read a .bit file.

    Raises
    ------
    UserError
        If it is none, or cut short.
    """
    try:
        raw = untrusted.content(path, MAX_FILE)
    except (OSError, ValueError) as error:
        raise UserError(
            f"a bitstream was expected at {path}, but it cannot be read ({error}); check the path"
        ) from error
    fields: dict[bytes, bytes] = {}
    at = int.from_bytes(raw[:2], "big") + 4
    while 0 < at < len(raw) and raw[at : at + 1] in (b"a", b"b", b"c", b"d"):
        size = int.from_bytes(raw[at + 1 : at + 3], "big")
        fields[raw[at : at + 1]] = raw[at + 3 : at + 3 + size].rstrip(b"\0")
        at += 3 + size
    size = int.from_bytes(raw[at + 1 : at + 5], "big")
    content = raw[at + 5 :]
    if raw[at : at + 1] != b"e" or not fields.get(b"b"):
        raise UserError(
            f"a bitstream with a header was expected, but {path} is none; copy it again from where "
            "it was built"
        )
    if len(content) != size:
        raise UserError(
            f"a bitstream of {size} bytes was expected behind the header of {path}, but "
            f"{len(content)} came; copy it again from where it was built"
        )
    design, part = (fields.get(key, b"").decode("ascii", "replace") for key in (b"a", b"b"))
    return Bitfile(design.partition(";")[0], part, content, _facts(content, path))


def _facts(content: bytes, path: Path) -> dict[str, Any] | None:
    if not content.startswith(_MARK.encode()):
        return None
    try:
        found = untrusted.json_data(content[len(_MARK) :])
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
        return found
    except ValueError as error:
        raise UserError(
            f"a bitstream as pyqkit writes it for the emulated board was expected, but {path} is "
            f"damaged ({error}); make the overlay again"
        ) from error
