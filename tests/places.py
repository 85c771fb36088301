"""Folders that tests of how everything is written make."""

from __future__ import annotations

from pathlib import Path

from pyqkit.files import replacing_folder

LISTED = {"listing", "part/one"}


def ours(folder: Path) -> set[str] | None:
    """Files of a folder in these tests."""
    return {*LISTED, "work/"} if (folder / "listing").is_file() else None


def fill(folder: Path, content: str = "new") -> None:
    (folder / "part").mkdir()
    for name in LISTED:
        (folder / name).write_text(content)


def make_folder(target: Path, force: bool = False, content: str = "new") -> None:
    with replacing_folder(target, force, "a build", ours) as beside:
        fill(beside, content)


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())
