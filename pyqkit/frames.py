"""Frames as files: an array in npy format goes in, one array or an archive of several comes out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pyqkit import npy
from pyqkit.errors import UserError, plain


def read(path: Path) -> np.ndarray:
    """Frames of a file; their shape is checked against a network by `pyqkit.formats.port.encode_input`.

    Raises
    ------
    UserError
        If the file is not one array of plain numbers in npy format.
    """
    try:
        return npy.read(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"an array in npy format was expected, but {path} cannot be read ({error}); write it "
            "with numpy.save"
        ) from error
    except MemoryError:
        raise UserError(
            f"frames that fit into memory were expected, but those of {path} do not; take fewer at a time"
        ) from None


def write(path: Path, outputs: dict[str, np.ndarray]) -> None:
    """Write an array in npy format, or an archive of several by their names.

    For a path that `pyqkit.files.replacing` gives.
    """
    with open(path, "wb") as file:
        if len(outputs) == 1:
            np.save(file, next(iter(outputs.values())))
            return
        # numpy.savez takes names as keywords, and not every name can be one.
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in outputs.items():
                with archive.open(zipfile.ZipInfo(f"{_key(name)}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _key(name: str) -> str:
    """An output's name in an archive.

    As it is, or escaped where a zip file would cut it at NUL or cannot write it.
    """
    return plain(name) if "\0" in name or name != name.encode("utf-8", "replace").decode() else name
