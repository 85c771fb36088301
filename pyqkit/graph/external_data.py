"""Tensors that an ONNX model keeps in files of their own: read from beside the model and nowhere else.

A location is a relative path below the model's folder. Absolute paths, ``..``, links that lead out of the
folder, files with a second name (which may be a hard link to somebody else's file) and whatever is no regular
file are refused, and so is a length that the tensor's type and shape do not have. Where the model states a
checksum, it is the SHA-1 of the whole file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pyqkit import untrusted
from pyqkit.errors import UserError
from pyqkit.graph import limits


class ExternalDataError(UserError):
    """Data of a tensor that cannot be read from beside the model."""


def tensors(model: Any) -> Iterator[Any]:
    """All dense tensors of a model's graph: initialisers, and attributes of nodes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def is_external(tensor: Any) -> bool:
    """Whether the tensor's data lie in another file."""
    return tensor.data_location == tensor.EXTERNAL


def include(model: Any, folder: Path) -> bool:
    """Read all external data into the model; returns whether there were any.

    Parameters
    ----------
    model : onnx.ModelProto
    folder : Path
        Where the model's file lies.

    Raises
    ------
    ExternalDataError
    """
    outside = [tensor for tensor in tensors(model) if is_external(tensor)]
    total = sum(_size(tensor) for tensor in outside)
    if total > limits.CONSTANT_BYTES:
        raise ExternalDataError(
            f"at most {limits.CONSTANT_BYTES} bytes of external data were expected, but the tensors "
            f"ask for {total}; use a smaller network"
        )
    digests: dict[Path, str] = {}
    for tensor in outside:
        content = _read(tensor, folder, digests)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = content
    return bool(outside)


def _size(tensor: Any) -> int:
    from onnx import helper

    try:
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError as error:
        raise _refused(tensor, f"its data type is {tensor.data_type}") from error
    count = 1
    for dim in tensor.dims:
        if dim < 0:
            raise _refused(tensor, f"its shape is {list(tensor.dims)}")
        count *= dim
    return count * kind.itemsize


def _read(tensor: Any, folder: Path, digests: dict[Path, str]) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    size = _size(tensor)
    path = _file(tensor, entries.get("location", ""), folder)
    offset, length = _number(tensor, entries, "offset", 0), _number(tensor, entries, "length", size)
    if length != size:
        raise _refused(tensor, f"its length is {length} bytes, and its type and shape need {size}")
    try:
        with untrusted.opened(path, limits.EXTERNAL_BYTES) as (file, _):
            if os.fstat(file.fileno()).st_nlink > 1:
                raise _refused(tensor, f"{path} has a second name (a hard link), so copy it")
            if "checksum" in entries:
                _check_digest(tensor, file, path, entries["checksum"], digests)
            file.seek(offset)
            content = file.read(size)
    except ExternalDataError:
        raise
    except OSError as error:
        raise _refused(tensor, f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _refused(tensor, f"of {path} {error}") from error
    if len(content) != size:
        raise _refused(tensor, f"{path} ends {size - len(content)} bytes too early")
    return content


def _check_digest(tensor: Any, file: IO[bytes], path: Path, stated: str, digests: dict[Path, str]) -> None:
    """Compare the SHA-1 of a whole file, of which `digests` keeps what was computed."""
    if path not in digests:
        found = hashlib.sha1(usedforsecurity=False)
        while chunk := file.read(1 << 20):
            found.update(chunk)
        digests[path] = found.hexdigest()
    if stated.lower() != digests[path]:
        raise _refused(tensor, f"{path} has the SHA-1 {digests[path]}, and the model states {stated[:40]!r}")


def _file(tensor: Any, location: str, folder: Path) -> Path:
    relative = Path(location)
    if not location or "\0" in location or relative.is_absolute() or ".." in relative.parts:
        raise _refused(tensor, f"its location {location!r} is no path below the model's folder")
    try:
        file = (folder / relative).resolve()
        found = file.is_relative_to(folder.resolve()) and file.is_file()
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        raise _refused(tensor, f"its location {location[:80]!r} cannot be followed") from error
    if not found:
        raise _refused(tensor, f"{folder / relative} is no regular file below the model's folder")
    return file


def _number(tensor: Any, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _refused(tensor, f"its {key} {text[:40]!r} is no number of bytes")
    return int(text)


def _refused(tensor: Any, what: str) -> ExternalDataError:
    return ExternalDataError(
        f"external data beside the model were expected for tensor {tensor.name!r}, but {what}; "
        "export the model in one file, or keep its data files beside it"
    )
