"""Build folders: everything about one accelerator in files, checked when read, written all or nothing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit import npy, untrusted
from pyqkit.digest import digest, own_digest
from pyqkit.errors import UserError, brief
from pyqkit.files import check_folder, replacing_folder
from pyqkit.formats.port import Codes
from pyqkit.formats.reading import describe as described
from pyqkit.names import is_label
from pyqkit.untrusted import Archive

# What a folder needs of its reader: 2 where the host has a part, which older versions would leave out.
SCHEMAS = (1, 2)
MANIFEST, ARRAYS, GOLDEN, MODEL = "manifest.json", "arrays.npz", "golden.npz", "model.onnx"
KIND = "a build folder"
MAX_FILE = 2 * 2**30  # bytes of a file; an ONNX model can be no larger
MAX_PACKED = 2 * 2**30  # bytes of a folder that was packed


class BuildFolderError(UserError):
    """A build folder that is not as pyqkit wrote it."""


def listing(folder: Path) -> set[str] | None:
    """Files that a folder consists of, by its manifest, of whatever schema.

    None where there is none that pyqkit wrote.
    """
    try:
        manifest = untrusted.json_data(untrusted.content(folder / MANIFEST, MAX_FILE))
        files = manifest["files"]
        # Many a program has a manifest.json.
        ours = manifest["sha256"] == own_digest(manifest) and all(map(_is_inside, files))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return {MANIFEST, *files} if ours else None


def check_target(target: Path, force: bool) -> None:
    """Refuse a target that exists, unless with `force` nothing but a build folder is lost.

    Raises
    ------
    OutputError
    """
    check_folder(target, force, KIND, listing)


def sealed(manifest: dict[str, Any], files: dict[str, bytes]) -> dict[str, bytes]:
    """Every file of a folder by its relative path.

    The manifest, which lists the others with their digests, and these.
    """
    complete = {
        "schema": _schema(manifest),
        **manifest,
        "files": {name: digest(files[name]) for name in sorted(files)},
    }
    complete["sha256"] = own_digest(complete)
    return {MANIFEST: json.dumps(complete, indent=1, allow_nan=False).encode(), **files}


def _schema(manifest: dict[str, Any]) -> int:
    """The oldest schema that says all that a manifest says."""
    return 2 if "host" in manifest["graph"] else 1


def archive(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as an npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def write(target: Path, contents: Mapping[str, bytes], force: bool) -> None:
    """Write what `sealed` gives beside `target`, then rename it.

    Raises
    ------
    OutputError
        If the target may not be replaced (`check_target`), or cannot be written.
    """
    with replacing_folder(target, force, KIND, listing) as beside:
        for name, data in contents.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def that_run(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of what `sealed` gives all that runs an accelerator, sealed again: neither sources nor the model."""
    return sealed(json.loads(contents[MANIFEST]), {name: contents[name] for name in (ARRAYS, GOLDEN)})


def packed(contents: Mapping[str, bytes]) -> bytes:
    """What `sealed` gives as one zip file, from which `read` can read it too."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in (MANIFEST, *sorted(contents.keys() - {MANIFEST})):
            # No dates: same in, same out.
            made.writestr(zipfile.ZipInfo(name), contents[name], zipfile.ZIP_DEFLATED)
    return file.getvalue()


class _Packed:
    """The inside of a zip file that `packed` made; as much of a `Path` as is needed of a folder."""

    def __init__(self, path: Path) -> None:
        try:
            self.archive = Archive(untrusted.content(path, MAX_PACKED))
        except (OSError, ValueError) as error:
            raise BuildFolderError(
                f"a build folder was expected at {path}, but it cannot be read ({error}); copy it again"
            ) from error


def content(path: Path, name: str) -> bytes:
    """A file of a folder, or of a folder that was packed, of at most `MAX_FILE` bytes.

    Raises
    ------
    OSError, KeyError
        If there is none.
    ValueError
        If it is no regular file, too large or damaged.
    """
    return _content(_opened(path), name)


Source = Path | _Packed


def _opened(path: Path) -> Source:
    return path if path.is_dir() else _Packed(path)


def _content(source: Source, name: str) -> bytes:
    return (
        source.archive.content(name)
        if isinstance(source, _Packed)
        else untrusted.content(source / name, MAX_FILE)
    )


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Manifest and arrays of a folder, or of a folder that was packed, after checking every file.

    Raises
    ------
    BuildFolderError
    """
    path = Path(path)
    if not path.exists():
        raise BuildFolderError(
            f"a build folder with {MANIFEST} was expected at {path}, but there is none; make one "
            "with 'pyqkit compile'"
        )
    source, where = _opened(path), path / MANIFEST
    manifest = _manifest(source, where)
    for name, expected in manifest["files"].items():
        try:
            unchanged = digest(_content(source, name)) == expected
        except (OSError, KeyError, ValueError):
            unchanged = False
        if not unchanged:
            raise BuildFolderError(
                f"an unchanged file was expected, but {path / name} is missing or has been edited; "
                "compile the network again"
            )
    return manifest, load_arrays(path, ARRAYS)


def _manifest(source: Source, where: Path) -> dict[str, Any]:
    """The manifest, with names of files that lie in the folder and digests of text."""
    try:
        raw = _content(source, MANIFEST)
    except (FileNotFoundError, KeyError):
        raise BuildFolderError(
            f"a build folder with {MANIFEST} was expected at {where.parent}, but there is none; "
            "make one with 'pyqkit compile'"
        ) from None
    except (OSError, ValueError) as error:
        raise BuildFolderError(
            f"a manifest as pyqkit writes it was expected, but {where} cannot be read ({error}); "
            "compile the network again"
        ) from error
    try:
        manifest = untrusted.json_data(raw)
        files, schema, own = manifest["files"], manifest["schema"], manifest["sha256"]
        listed = all(isinstance(expected, str) and _is_inside(name) for name, expected in files.items())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildFolderError(
            f"a manifest as pyqkit writes it was expected, but {where} cannot be read "
            f"({described(error)}); compile the network again"
        ) from error
    if schema not in SCHEMAS:
        raise BuildFolderError(
            f"a build folder of schema {' or '.join(map(str, SCHEMAS))} was expected, but {where.parent} has "
            f"{brief(schema)}; compile the network again"
        )
    if own != own_digest(manifest):
        raise BuildFolderError(
            f"an unchanged manifest was expected, but {where} has been edited; compile the network again"
        )
    for name in {ARRAYS, GOLDEN} - set(files):
        raise BuildFolderError(
            f"a manifest that lists {name} was expected, but {where} does not; compile the network again"
        )
    if not listed:
        raise BuildFolderError(
            f"a manifest that lists files of its folder was expected, but {where} lists others; "
            "compile the network again"
        )
    return manifest


def _is_inside(name: str) -> bool:
    """Whether a name is the path of a file below a folder, made of labels, and not of the manifest."""
    return name != MANIFEST and all(is_label(part, longest=255) for part in name.split("/"))


def load_arrays(path: Path, name: str) -> dict[str, np.ndarray]:
    """Arrays of an npz file in a build folder, or in one that was packed; never pickled objects."""
    try:
        return npy.archive(content(path, name))
    except (OSError, KeyError, ValueError) as error:
        raise BuildFolderError(
            f"arrays were expected in {path / name}, but it cannot be read ({error}); compile the "
            "network again"
        ) from error


def load_golden(
    path: Path, inputs: Mapping[str, Codes], outputs: Mapping[str, Codes]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Golden vectors: codes of inputs and of outputs, each (frames, height, width, channels).

    Parameters
    ----------
    inputs, outputs : mapping of str to Codes
        What the accelerator takes and gives, by tensor.

    Raises
    ------
    BuildFolderError
        If they are not codes of these.
    """
    arrays = load_arrays(path, GOLDEN)
    expected = {f"input.{name}": codes for name, codes in inputs.items()} | {
        f"output.{name}": codes for name, codes in outputs.items()
    }
    frames = {len(array) for array in arrays.values() if array.ndim}
    if (
        arrays.keys() != expected.keys()
        or len(frames) != 1
        or not all(_are_codes(arrays[name], codes) for name, codes in expected.items())
    ):
        raise BuildFolderError(
            f"golden vectors of the network were expected in {path / GOLDEN}, but it holds others; "
            "compile the network again"
        )
    return {name: arrays[f"input.{name}"] for name in inputs}, {
        name: arrays[f"output.{name}"] for name in outputs
    }


def _are_codes(array: np.ndarray, codes: Codes) -> bool:
    right = (
        array.dtype.kind == "u"
        and array.ndim == 4
        and array.shape[1:] == tuple(codes.shape)
        and array.size > 0
    )
    return bool(right) and int(array.max()) >> codes.format.bits == 0
