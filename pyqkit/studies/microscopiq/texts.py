"""Language models with their texts: those of a data folder, and what a window of text costs them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pyqkit import untrusted
from pyqkit.digest import digest
from pyqkit.errors import UserError, brief
from pyqkit.studies.datasets import arrays
from pyqkit.studies.microscopiq.models import CharGpt, DocstringLlama, LanguageModel, Llama
from pyqkit.studies.networks.pretrained import MAX_BYTES, put_weights, weights

DOCSTRINGS = "docstrings"
WINDOW = 128  # positions of the model that `training` trains
_BATCH = 16


class Source(ABC):
    """Where a model and its text come from."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of all that is read."""

    @abstractmethod
    def model(self) -> LanguageModel:
        """The float model, in eval mode."""

    @abstractmethod
    def calibration(self, tokens: int) -> Tensor:
        """The first windows of so many tokens that nothing is measured on: (windows, positions)."""

    @abstractmethod
    def test(self, tokens: int) -> Tensor:
        """Windows of so many tokens to measure, each with one token before those that are predicted."""


@dataclass(frozen=True)
class Archive:
    """Files of a pretrained model.

    Attributes
    ----------
    weights, text : str
    build : callable
    windows : callable
        An array of tokens as windows.
    """

    weights: str
    text: str
    build: Callable[[], LanguageModel]
    windows: Callable[[np.ndarray], np.ndarray]


def cut(tokens: np.ndarray, length: int = 64) -> np.ndarray:
    """Windows of one text that overlap by the token that is predicted last."""
    count = (len(tokens) - 1) // length
    return tokens[: count * length + 1][np.arange(count)[:, None] * length + np.arange(length + 1)]


ARCHIVES: Mapping[str, Archive] = {
    "stories260k": Archive("stories260k_llama.npz", "tinystories_tok512.npz", Llama, lambda tokens: tokens),
    "chargpt": Archive("chargpt_shakespeare.npz", "shakespeare_char_ids.npz", CharGpt, cut),
    DOCSTRINGS: Archive(
        "docstrings_llama.npz", "docstrings_ids.npz", DocstringLlama, partial(cut, length=WINDOW)
    ),
}


@dataclass(frozen=True)
class Pretrained(Source):
    """A model of a data folder."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        if self.name not in ARCHIVES:
            raise UserError(
                f"a language model out of {', '.join(ARCHIVES)} was expected, but {brief(self.name)} came; "
                "choose one of them"
            )

    @property
    def _archive(self) -> Archive:
        return ARCHIVES[self.name]

    @property
    def digest(self) -> str:
        files = (self._archive.weights, self._archive.text)
        return digest("".join(digest(_content(self.folder / file)) for file in files).encode())

    def model(self) -> LanguageModel:
        model = self._archive.build()
        put_weights(model, weights(self.folder / self._archive.weights))
        return model.eval()

    def calibration(self, tokens: int) -> Tensor:
        return self._windows("calib", tokens)[:, :-1]

    def test(self, tokens: int) -> Tensor:
        return self._windows("eval", tokens)

    def _windows(self, part: str, tokens: int) -> Tensor:
        path = self.folder / self._archive.text
        try:
            (found,) = arrays(path, part)
            found = self._archive.windows(found.astype(np.int64))
        except ValueError as error:
            raise UserError(f"tokens were expected in {path}, but {error}; check the data folder") from None
        count = tokens // (found.shape[-1] - 1) if found.ndim == 2 and found.shape[-1] > 1 else 0
        if not 0 < count <= len(found):
            raise UserError(
                f"windows of {tokens} tokens together were expected in {path}, but an array {found.shape} "
                "came; take other numbers with --tokens and --calibration"
            )
        return torch.from_numpy(found[:count])


def _content(path: Path) -> bytes:
    try:
        return untrusted.content(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(f"the file {path} was expected, but {error}; check the data folder") from None


def losses(model: torch.nn.Module, windows: Tensor) -> np.ndarray:
    """Mean cross-entropy of each window in nats: float64, (windows,)."""
    found = []
    with torch.inference_mode():
        for batch in windows.split(_BATCH):
            logits = model(batch[:, :-1])
            each = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
            found.append(each.reshape(len(batch), -1).double().mean(1))
    return torch.cat(found).numpy()
