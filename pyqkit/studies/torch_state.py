"""Networks, optimisers and schedules as plain arrays and JSON, and back: torch's own files are pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch

from pyqkit.errors import brief
from pyqkit.studies.json_value import Json

_GENERATOR = "generator"  # array of torch's generator


class Stateful(Protocol):
    """What has a state of tensors, numbers, lists and dictionaries."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


def packed(parts: Mapping[str, Stateful]) -> tuple[dict[str, Json], dict[str, np.ndarray]]:
    """States of parts, and of torch's generator: values and arrays of a `State`.

    The arrays of a part are named ``PART/PATH``.
    """
    arrays = {_GENERATOR: torch.get_rng_state().numpy()}
    values = {name: _encoded(part.state_dict(), f"{name}/", arrays) for name, part in parts.items()}
    return values, arrays


def unpack(values: Json, arrays: Mapping[str, np.ndarray], parts: Mapping[str, Stateful]) -> None:
    """Put states back into parts of the same make, and into torch's generator.

    Raises
    ------
    ValueError, KeyError, RuntimeError
        If the state is none of these parts.
    """
    if not isinstance(values, dict):
        raise ValueError(f"the states of {', '.join(parts)} were expected, but {brief(values)} came")
    for name, part in parts.items():
        part.load_state_dict(_decoded(values[name], arrays))
    torch.set_rng_state(torch.from_numpy(arrays[_GENERATOR].copy()))


def tensors_of(part: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of one part, by path."""
    return {n.removeprefix(f"{part}/"): a for n, a in arrays.items() if n.startswith(f"{part}/")}


def _encoded(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Json:
    """A tree whose tensors are names of arrays; dictionaries are lists of pairs, as keys may be numbers."""
    if isinstance(value, torch.Tensor):
        arrays[path] = value.detach().cpu().numpy()
        return {"tensor": path}
    if isinstance(value, dict):
        prefix = path if path.endswith("/") else f"{path}."
        return {"pairs": [[key, _encoded(inner, f"{prefix}{key}", arrays)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_encoded(inner, f"{path}.{i}", arrays) for i, inner in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a state of tensors and plain data was expected, but {path} is {brief(value)}")


def _decoded(value: Json, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    match value:
        case {"tensor": str(name)}:
            return torch.from_numpy(arrays[name].copy())
        case {"pairs": list(pairs)}:
            return {key: _decoded(inner, arrays) for key, inner in pairs}
        case {"list": list(inner)}:
            return [_decoded(part, arrays) for part in inner]
    raise ValueError(f"the state of a part was expected, but {brief(value)} came")
