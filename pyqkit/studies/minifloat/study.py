"""The study: each row one task that quantises a network, and measures it on test images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from torch import nn

from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.quant.ptq import Network, Recipe, parse_steps
from pyqkit.quant.ptq.layers import rounded_once
from pyqkit.quant.ptq.pipeline import finished, prepared
from pyqkit.quant.ptq.recipe import Search
from pyqkit.quant.ptq.step import Step
from pyqkit.studies.minifloat.rows import FLOAT, Pair, Row
from pyqkit.studies.minifloat.sources import Own, Source, source
from pyqkit.studies.study import State, Study, Task
from pyqkit.studies.trainer import logits

PERCENTILE = 99.999  # of activations, as in the authors' tool
_BATCH = 100


@dataclass(frozen=True)
class MinifloatStudy(Study[Row]):
    """Rows, and where their data are: a folder, and the files of the user's own network.

    The float network of each row's network is measured first: all others are compared with it, image by
    image.
    """

    name: ClassVar[str] = "minifloat"
    version: ClassVar[int] = 2  # scales of weights have one candidate more
    rows: tuple[Row, ...] = ()
    data: str | None = None
    own: Own | None = None

    def tasks(self) -> Sequence[Task[Row]]:
        plain = [
            replace(row, weights=FLOAT, acts=FLOAT, recipe="none", signed=True, act_scale="percentile")
            for row in self.rows
        ]
        return [Task(row.name, row, seed=0) for row in dict.fromkeys((*plain, *self.rows))]

    def step(self, task: Task[Row], index: int, state: State) -> State:
        row = task.parameters
        found = source(row.network, None if self.data is None else Path(self.data), self.own)
        images, labels = found.test(row.images)
        model: nn.Module
        if row.weights != FLOAT:
            recipe = recipe_of(row)
            before = tuple(step for step in recipe.steps if step.stage == "float")
            ready = _ready(found, row.data, row.calibration, before, task.seed)
            network = finished(ready.anew(), recipe, task.seed)
            model, stored = network.quantised, stored_bits(network)
        else:
            model = found.network()
            stored = 32 * sum(weights_of(model))
        with rounded_once(model):
            hits = logits(model, images.numpy(), _BATCH).argmax(1) == labels
        return State({"top1": round(100 * float(hits.mean()), 4), "stored_bits": stored}, {"hits": hits})


@lru_cache(maxsize=6)  # with and without equalisation
def _ready(found: Source, digest: str, calibration: int, steps: tuple[Step, ...], seed: int) -> Network:
    """A float network that is ready for all formats; `digest` is that of its data."""
    return prepared(found.network(), found.calibration(calibration), steps, seed)


def recipe_of(row: Row) -> Recipe:
    """As the authors' layer-wise tool has it, with their defaults.

    Real scales, those of weights by the smallest squared error of each output channel, those of activations
    by a percentile; 8-bit first and last layer.
    """
    weights, acts = Pair(row.weights, row.acts).ends
    return replace(
        Recipe.of(
            row.weights,
            row.acts,
            recipe=row.recipe,
            scaling="real",
            act_scale=row.act_scale,
            percentile=PERCENTILE,
            signed=row.signed,
            placement="layers",
        ),
        end_weights=parse(weights),
        end_acts=parse(acts),
    )


def rows_of(
    wanted: Iterable[tuple[str, Pair, str]],
    data: Path | None,
    calibration: int,
    images: int,
    signed: bool,
    act_scale: Search = "percentile",
    own: Own | None = None,
) -> tuple[Row, ...]:
    """Rows of networks, formats and recipes, with the hash of their data.

    Raises
    ------
    UserError
        If a network or recipe is unknown, or the data folder does not hold what is needed.
    """
    found, digests = [], {}
    for network, pair, recipe in wanted:
        parse_steps(recipe)
        if network not in digests:
            of_network = source(network, data, own)
            of_network.test(images), of_network.calibration(calibration)  # are there so many?
            digests[network] = of_network.digest
        row = Row(
            network, pair.weights, pair.acts, recipe, signed, act_scale, calibration, images, digests[network]
        )
        found.append(row)
    if not found:
        raise UserError(
            "one or more rows were expected, but none came; name a network, a format and a recipe"
        )
    return tuple(dict.fromkeys(found))


def stored_bits(network: Network) -> int:
    """Of all weights; biases and scales are not counted."""
    layers = (network.quant_layer(name) for name in network.layers)
    return sum(layer.weight.numel() * layer.weight_quant.format.bits for layer in layers)


def weights_of(model: nn.Module) -> list[int]:
    """How many weights each convolution and linear layer has."""
    return [layer.weight.numel() for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
