"""The rows of image classifiers: accuracy of rounded ResNets at measured bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from pyqkit import untrusted
from pyqkit.digest import digest
from pyqkit.errors import UserError, brief
from pyqkit.quant.microscopiq import Options
from pyqkit.studies import datasets
from pyqkit.studies.microscopiq.methods import FLOAT, PLAIN, by_microscopiq, layers, matched, plain, stored
from pyqkit.studies.networks.pretrained import MAX_BYTES, PRETRAINED
from pyqkit.studies.study import State, Study, Task
from pyqkit.studies.trainer import logits

NETWORKS = ("resnet20", "resnet44")
KEPT = ("conv1", "linear")  # first and last layer stay float
_ROUNDED = {
    **{name: name for b in (2, 4) for name in (f"rtn{b}", f"mxint{b}")},
    "mxfp4": "mxfp4",
    **{f"gptq{b}.matched": "" for b in (2, 4)},
    **{f"msq{b}": "" for b in (2, 4)},
}
METHODS = (FLOAT, *(f"{name}{acts}" for acts in ("", ".a8", ".a4") for name in _ROUNDED))


@dataclass(frozen=True)
class ImageRow:
    """What a task measures.

    Attributes
    ----------
    network, method : str
        See `NETWORKS`, `METHODS`.
    calibration, images : int
        Training images that methods see, and test images that are measured.
    data : str
        SHA-256 of weights and images.
    """

    network: str
    method: str
    calibration: int
    images: int
    data: str

    @property
    def name(self) -> str:
        """Of the task."""
        return f"{self.network}.{self.method}"


@dataclass(frozen=True)
class ImageStudy(Study[ImageRow]):
    """Rows, and the folder of their data."""

    name: ClassVar[str] = "microscopiq-images"
    rows: tuple[ImageRow, ...] = ()
    data: str = ""

    def tasks(self) -> Sequence[Task[ImageRow]]:
        return [Task(row.name, row, 0) for row in self.rows]

    def step(self, task: Task[ImageRow], index: int, state: State) -> State:
        row, folder = task.parameters, Path(self.data)
        pretrained = PRETRAINED[row.network]
        seen = _images(folder, datasets.TRAINING, row.calibration)
        frames = torch.from_numpy(pretrained.images(seen.pixels))
        made, bits = rounded(pretrained.load(folder), frames, row.method)
        test = _images(folder, datasets.TEST, row.images)
        hits = logits(made, pretrained.images(test.pixels)).argmax(1) == test.labels
        weights = sum(layer.weight.numel() for layer in layers(made, KEPT))
        return State({"top1": 100 * float(hits.mean()), "bits": bits / weights}, {"hits": hits})


@lru_cache(maxsize=2)
def _images(folder: Path, file: str, count: int) -> datasets.Images:
    """Unpacking them takes longer than many a row."""
    return datasets.cifar10(folder, file, count)


def rounded(network: nn.Module, frames: Tensor, method: str) -> tuple[nn.Module, int]:
    """A network after a method, and the stored bits of its layers; `network` may be changed."""
    if method == FLOAT:
        return network, 32 * sum(layer.weight.numel() for layer in layers(network, KEPT))
    name, dot, last = method.rpartition(".a")
    name, acts = (name, f"mx128_int{last}narrow") if dot else (method, "")
    if name.startswith("msq"):
        return by_microscopiq(network, frames, Options(int(name[3:])), acts, KEPT)
    batches = frames.split(64)
    if name in PLAIN:
        return network, plain(network, batches, PLAIN[name], KEPT, acts)
    bits = int(name.removeprefix("gptq")[0])
    budget = stored(network, frames, Options(bits), KEPT)
    return network, matched(network, batches, bits, False, budget, KEPT, acts)


def rows_of(
    networks: Iterable[str], methods: Iterable[str], data: Path, calibration: int, images: int
) -> tuple[ImageRow, ...]:
    """Rows of all networks and methods, float first.

    Raises
    ------
    UserError
        If a name is unknown, or the data folder does not hold what is needed.
    """
    wanted = tuple(dict.fromkeys((FLOAT, *methods)))
    for names, known, what in ((networks, NETWORKS, "a network"), (wanted, METHODS, "a method")):
        for name in names:
            if name not in known:
                known_names = ", ".join(known)
                raise UserError(
                    f"{what} out of {known_names} was expected, but {brief(name)} came; choose one of them"
                )
    seen = _images(data, datasets.TRAINING, calibration)
    test = _images(data, datasets.TEST, images)
    found = []
    for network in dict.fromkeys(networks):
        path = data / PRETRAINED[network].archive
        try:
            own = digest(untrusted.content(path, MAX_BYTES))
        except (OSError, ValueError) as error:
            raise UserError(f"the file {path} was expected, but {error}; check the data folder") from None
        whole = digest("".join((own, seen.digest, test.digest)).encode())
        found += [ImageRow(network, method, calibration, images, whole) for method in wanted]
    return tuple(found)
