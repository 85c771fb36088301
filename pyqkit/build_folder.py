"""Build folders: everything about one accelerator in files, self-contained, checked when read, written all or nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.digest import digest, own_digest
from pyqkit.errors import UserError

SCHEMA = 1
MANIFEST, ARRAYS, GOLDEN, MODEL = "manifest.json", "arrays.npz", "golden.npz", "model.onnx"


class BuildFolderError(UserError):
    """A build folder that cannot be written or is not as pyqkit wrote it."""


def check_target(target: Path, force: bool) -> None:
    """Refuse a target that exists, unless `force` is given and it is a build folder or empty.

    Raises
    ------
    BuildFolderError
    """
    if target.exists() and not force:
        raise BuildFolderError(f"a new folder was expected, but {target} exists; choose another name or pass --force")
    if target.exists() and not (target / MANIFEST).exists() and (target.is_file() or any(target.iterdir())):
        raise BuildFolderError(f"a build folder to replace was expected, but {target} is something else; choose another name")


def write(
    target: Path,
    manifest: dict[str, Any],
    arrays: dict[str, np.ndarray],
    golden: dict[str, np.ndarray],
    sources: dict[str, bytes],
    force: bool,
) -> None:
    """Write a folder beside `target`, then rename it.

    Parameters
    ----------
    sources : dict of str to bytes
        Further files by relative path.
    """
    check_target(target, force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise BuildFolderError(f"a folder that can be written was expected, but {target} cannot ({error}); choose another place") from error
    try:
        np.savez_compressed(beside / ARRAYS, **arrays)  # type: ignore[arg-type]
        np.savez_compressed(beside / GOLDEN, **golden)  # type: ignore[arg-type]
        for name, content in sources.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        files = {str(p.relative_to(beside)): digest(p.read_bytes()) for p in sorted(beside.rglob("*")) if p.is_file()}
        complete = {"schema": SCHEMA, **manifest, "files": files}
        complete["sha256"] = own_digest(complete)
        (beside / MANIFEST).write_text(json.dumps(complete, indent=1, allow_nan=False))
        os.chmod(beside, 0o755)
        _replace(target, beside)
    except OSError as error:
        raise BuildFolderError(f"a folder that can be written was expected, but {target} cannot ({error}); choose another place") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace(target: Path, beside: Path) -> None:
    """Put a complete folder in the place of an earlier one, which is removed only when the new one is there."""
    earlier = beside.with_name(f"{beside.name}-earlier")
    if target.exists():
        os.replace(target, earlier)
    try:
        os.replace(beside, target)
    except BaseException:
        if earlier.exists():
            os.replace(earlier, target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def pack(folder: Path, target: Path) -> None:
    """Put every file that the manifest of a folder lists into one zip file, from which `read` can read it too."""
    manifest, _ = read(folder)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (MANIFEST, *sorted(manifest["files"])):
            archive.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)  # no dates: same in, same out


Source = Path | zipfile.Path


def opened(folder: Path) -> Source:
    """`folder` itself, or the inside of a zip file that `pack` wrote."""
    try:
        return zipfile.Path(folder) if folder.is_file() else folder  # type: ignore[arg-type]
    except (OSError, zipfile.BadZipFile) as error:
        raise BuildFolderError(f"a build folder was expected at {folder}, but it cannot be read ({error}); copy it again") from error


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Manifest and arrays of a folder, or of a folder that was packed, after checking every file.

    Raises
    ------
    BuildFolderError
    """
    folder = opened(path)
    where = folder / MANIFEST
    if not where.is_file():
        raise BuildFolderError(f"a build folder with {MANIFEST} was expected at {path}, but there is none; make one with 'pyqkit compile'")
    try:
        manifest = json.loads(where.read_text())
        files, schema, own = manifest["files"], manifest["schema"], manifest["sha256"]
        entries = [(str(name), str(expected)) for name, expected in files.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BuildFolderError(
            f"a manifest as pyqkit writes it was expected, but {where} cannot be read; compile the network again"
        ) from error
    if schema != SCHEMA:
        raise BuildFolderError(f"a build folder of schema {SCHEMA} was expected, but {path} has {schema}; compile the network again")
    if own != own_digest(manifest):
        raise BuildFolderError(f"an unchanged manifest was expected, but {where} has been edited; compile the network again")
    for name in {ARRAYS, GOLDEN} - set(files):
        raise BuildFolderError(f"a manifest that lists {name} was expected, but {where} does not; compile the network again")
    for name, expected in entries:
        file = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not file.is_file() or digest(file.read_bytes()) != expected:
            raise BuildFolderError(f"an unchanged file was expected, but {file} is missing or has been edited; compile the network again")
    return manifest, load_arrays(folder / ARRAYS)


def load_arrays(path: Source) -> dict[str, np.ndarray]:
    """Arrays of an npz file, never pickled objects."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BuildFolderError(f"arrays were expected in {path}, but it cannot be read; compile the network again") from error
