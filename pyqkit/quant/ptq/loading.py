"""A float network from a user's own code, and its weights from a file.

The user's module is imported, and its factory called: that is the one thing that is executed. Weights are
arrays of numbers, from an npz archive or a safetensors file.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from pyqkit import npy, untrusted
from pyqkit.errors import UserError, brief, listed, shortened

MAX_BYTES = 4 * 2**30  # of a file of weights
_COUNTER = "num_batches_tracked"  # of a batch norm, which only training reads


def network(where: str, weights: Path | None = None) -> nn.Module:
    """The network that ``MODULE.py:factory`` makes, with the weights of a file, in eval mode.

    Parameters
    ----------
    where : str
        A Python file, or the name of an installed module, a colon, and what is called without arguments.
    weights : path, optional
        An npz or a safetensors file with the names of the module's ``state_dict``; without one the network
        keeps the weights that the factory gives it.

    Raises
    ------
    UserError
        If the code cannot be imported, gives no module, or the weights do not fit it; names are listed.
    """
    path, colon, name = where.rpartition(":")
    if not colon or not name.isidentifier() or not path:
        raise UserError(
            f"a module and a factory were expected, such as net.py:make, but {brief(where)} came; put a "
            "colon before the name of the function or class that makes the network"
        )
    factory = getattr(_imported(path), name, None)
    if not callable(factory):
        raise UserError(
            f"a function or class {name} was expected in {path}, but there is none; name what makes the "
            "network"
        )
    made = _called(factory, where)
    if not isinstance(made, nn.Module):
        raise UserError(
            f"a torch.nn.Module was expected from {where}, but {type(made).__name__} came; return the network"
        )
    if weights is not None:
        load(made, read(weights))
    return made.eval()


def _called(factory: Any, where: str) -> Any:
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise UserError(
            f"a factory that is called without arguments was expected, but {where} needs some ({error}); "
            "give its arguments defaults"
        ) from error
    except ValueError:  # code without a signature: the call says it
        pass
    try:
        return factory()
    except Exception as error:  # whatever the user's code raises
        path, _, name = where.rpartition(":")
        module = Path(path).stem if path.endswith(".py") else path
        raise UserError(
            f"a factory that makes a network was expected, but {where} raises {_said(error)}; "
            f"'python -c \"import {module}; {module}.{name}()\"' in its folder shows where"
        ) from error


def _imported(path: str) -> ModuleType:
    try:
        if not path.endswith(".py"):
            return importlib.import_module(path)
        file = Path(path).resolve()
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        described = importlib.util.spec_from_file_location(file.stem, file)
        assert described is not None and described.loader is not None
        module = importlib.util.module_from_spec(described)
        with _beside(file, module):
            described.loader.exec_module(module)
        return module
    except Exception as error:  # whatever the user's code raises
        raise UserError(
            f"Python code that can be imported was expected, but {path} cannot ({_said(error)}); try "
            f"'python -c \"import {Path(path).stem}\"' in its folder"
        ) from error


@contextmanager
def _beside(file: Path, module: ModuleType) -> Iterator[None]:
    """The file may import its neighbours, and its classes know their module, as if Python ran it."""
    sys.path.insert(0, str(file.parent))
    before = sys.modules.get(file.stem)
    if before is None:
        sys.modules[file.stem] = module
    try:
        yield
    except BaseException:
        if before is None:
            sys.modules.pop(file.stem, None)
        raise
    finally:
        sys.path.remove(str(file.parent))


def _said(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return shortened(f"{type(error).__name__}: {line}" if line else type(error).__name__)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz or a safetensors file, by name.

    Raises
    ------
    UserError
        If it is neither; files of ``torch.save`` are pickles, which execute what they hold, and are not read.
    """
    try:
        if path.suffix == ".safetensors":
            return _safetensors(untrusted.content(path, MAX_BYTES))
        return npy.archive(untrusted.content(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise UserError(
            f"weights as npz or safetensors were expected, but {path} cannot be read ({_said(error)}); write "
            "them with numpy.savez or safetensors.torch.save_file, one array for each name of state_dict()"
        ) from error


def _safetensors(raw: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors_of

    try:
        return {name: tensor.to(torch.float32).numpy() for name, tensor in tensors_of(raw).items()}
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def load(model: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Put weights into a module, all of them or none.

    Raises
    ------
    UserError
        If names or shapes differ, or a number is not finite.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in weights and not name.endswith(_COUNTER)]
    unknown = [name for name in weights if name not in own]
    misshapen = [
        f"{name} ({tuple(weights[name].shape)} for {tuple(tensor.shape)})"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tuple(tensor.shape)
    ]
    wrong = [
        f"{what} {listed(names, 5)}"
        for what, names in (("without", missing), ("with unknown", unknown), ("with misshapen", misshapen))
        if names
    ]
    if wrong:
        raise UserError(
            f"weights that fit {type(model).__name__} were expected, but they came {', '.join(wrong)}; "
            "compare their names with those of its state_dict()"
        )
    infinite = [name for name, array in weights.items() if not np.isfinite(array).all()]
    if infinite:
        raise UserError(
            f"finite weights were expected, but NaN or infinity is in {listed(infinite, 5)}; train again, or "
            "write them again"
        )
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=False)
