"""Overlays by name alone: the folder of the package in which PYNQ looks, and how files get there.

On a board: ``python3 -m pyqkit.overlay.install NAME.bit``, and then ``Overlay("NAME.bit")`` or
``Accelerator.load("NAME")``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pyqkit.errors import UserError, brief
from pyqkit.files import packaged, replacing_all
from pyqkit.names import is_label
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.overlay.seal import ENDINGS


def folder() -> Path:
    """Where installed overlays are.

    The package ``pyqkit.overlays``, which is the folder overlays/ of a source tree.
    """
    return packaged("overlays", "overlays")


def locate(name: str, board: str | None) -> Path:
    """The .bit file of an installed overlay.

    Parameters
    ----------
    name : str
        With or without .bit.
    board : str or None
        Whose variant to take where there are several.

    Raises
    ------
    OverlayError
        If there is none, or if there are several and `board` does not choose.
    """
    name = name.removesuffix(".bit")
    if not is_label(name):
        raise OverlayError(
            f"an overlay was expected, but {brief(name)} can be none; give the path of its .bit file"
        )
    plain = folder() / name / f"{name}.bit"
    if plain.is_file():
        return plain
    variants = {
        p.stem.removeprefix(f"{name}."): p
        for p in sorted(plain.with_name(f"{name}.bit.d").glob(f"{name}.*.bit"))
    }
    chosen = {key: path for key, path in variants.items() if board is None or key.lower() == board.lower()}
    if len(chosen) == 1:
        return next(iter(chosen.values()))
    if variants:
        raise OverlayError(
            f"one of the boards {', '.join(variants)} was expected for overlay {name}, but {board} "
            "came; pass board="
        )
    known = sorted({p.parent.name.removesuffix(".bit.d") for p in folder().glob("*/**/*.bit")})
    raise OverlayError(
        f"an overlay was expected, but {name!r} is neither a path nor one of those installed "
        f"({', '.join(known) or 'none'}); give the path"
    )


def is_installed(name: str) -> bool:
    """Whether an overlay of this name is there, for any board."""
    return is_label(name) and any((folder() / name.removesuffix(".bit")).glob("**/*.bit"))


def install(bit: Path) -> Path:
    """Copy the four files of an overlay to where its name alone finds it; returns the new .bit file.

    Raises
    ------
    OutputError
        If they cannot be written there.
    """
    manifest = read(bit)
    target = folder() / manifest.name
    # What makes it complete comes last.
    names = [f"{manifest.name}{ending}" for ending in (".json", *reversed(ENDINGS))]
    with replacing_all(
        [target / name for name in names], force=True, make_folder=True, remedy="run as root on a board"
    ) as beside:
        for name in names:
            shutil.copyfile(manifest.folder / name, beside / name)
    return target / names[-1]


def main() -> int:
    """Install the overlay that the command line names."""
    try:
        if len(sys.argv) != 2:
            raise UserError(f"the path of one .bit file was expected, but {len(sys.argv) - 1} arguments came")
        print(install(Path(sys.argv[1])))
    except UserError as error:
        print(f"pyqkit: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
