"""The third language model: trained on docstrings of the Python library, which every installation has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pyqkit.digest import digest
from pyqkit.files import check_folder, replacing_folder
from pyqkit.studies.microscopiq.docstrings import docstrings
from pyqkit.studies.microscopiq.models import DocstringLlama
from pyqkit.studies.microscopiq.texts import ARCHIVES, DOCSTRINGS, WINDOW, cut, losses
from pyqkit.studies.study import State, Task, stream
from pyqkit.studies.torch_state import tensors_of
from pyqkit.studies.trainer import Loss, Recipe
from pyqkit.studies.training import Training

EPOCHS = 9  # in 20 minutes of one core
_TEST = 10  # every tenth docstring
_DECAY = 0.1
_MEASURED = 64  # windows, after each epoch
_WHAT = "a folder of an earlier training"


@dataclass(frozen=True)
class Parameters:
    """Of a training.

    Attributes
    ----------
    epochs : int
    text : str
        SHA-256 of the docstrings: those of another Python are another study.
    """

    epochs: int
    text: str


@dataclass(frozen=True)
class DocstringTraining(Training[Parameters]):
    """One model of the Llama family on ASCII characters."""

    name: ClassVar[str] = "docstrings"
    epochs: int = EPOCHS
    seed_of_all: int = 0
    folders: tuple[str, ...] = ()

    def tasks(self) -> Sequence[Task[Parameters]]:
        parts = texts(self.folders)
        parameters = Parameters(self.epochs, digest(parts[0].tobytes() + parts[1].tobytes()))
        return [Task(DOCSTRINGS, parameters, self.seed_of_all)]

    def network(self, task: Task[Parameters], phase: int) -> nn.Module:
        made = DocstringLlama()
        nn.init.normal_(
            made.tok_embeddings.weight, std=made.norm.weight.numel() ** -0.5
        )  # it is the head too
        return made

    def recipes(self, task: Task[Parameters]) -> Sequence[Recipe]:
        return [Recipe(task.parameters.epochs, 16, 2e-3, _DECAY, "one_cycle", 1.0, whole_batches=True)]

    def optimiser(self, network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
        return torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=recipe.decay)

    def samples(self, task: Task[Parameters]) -> int:
        return len(texts(self.folders)[0]) // WINDOW - 1

    def loss(self, task: Task[Parameters], index: int, network: nn.Module) -> Loss:
        first = int(stream(task, index).integers(WINDOW))  # windows begin elsewhere in each epoch
        windows = torch.from_numpy(cut(texts(self.folders)[0][first:].astype(np.int64), WINDOW))

        def loss(rows: torch.Tensor) -> torch.Tensor:
            batch = windows[rows]
            return functional.cross_entropy(network(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())

        return loss

    def measure(self, task: Task[Parameters], network: nn.Module) -> dict[str, float]:
        windows = cut(texts(self.folders)[1].astype(np.int64), WINDOW)[:_MEASURED]
        return {"perplexity": float(np.exp(losses(network, torch.from_numpy(windows)).mean()))}

    def result(self, task: Task[Parameters], state: State) -> State:
        kept = super().result(task, state)
        learnt, test = texts(self.folders)
        parts = {"text/calib": learnt, "text/eval": test}
        return State(kept.values, {**parts, **{f"network/{n}": array for n, array in kept.arrays.items()}})


@lru_cache(maxsize=2)
def texts(folders: tuple[str, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """What is learnt and what is measured: codes of characters, uint8, a zero behind every docstring.

    Parameters
    ----------
    folders : tuple of str
        See `docstrings`.
    """
    found = docstrings(folders)
    parts = [t for i, t in enumerate(found) if i % _TEST], list(found[::_TEST])
    learnt, test = (np.frombuffer("".join(f"{t}\0" for t in p).encode("ascii"), np.uint8) for p in parts)
    return learnt, test


def check(folder: Path, force: bool) -> None:
    """Refuse a folder that `write_archives` would refuse, before hours are spent."""
    check_folder(folder, force, _WHAT, _listing)


def write_archives(arrays: Mapping[str, np.ndarray], folder: Path, force: bool) -> None:
    """A folder with weights and text of a training as the files that `texts.Pretrained` reads."""
    archive = ARCHIVES[DOCSTRINGS]
    with replacing_folder(folder, force, _WHAT, _listing) as made:
        np.savez(made / archive.weights, **tensors_of("network", arrays))  # type: ignore[arg-type]
        np.savez(made / archive.text, **tensors_of("text", arrays))  # type: ignore[arg-type]


def _listing(folder: Path) -> set[str] | None:
    names = {ARCHIVES[DOCSTRINGS].weights, ARCHIVES[DOCSTRINGS].text}
    return names if all((folder / name).is_file() for name in names) else None
