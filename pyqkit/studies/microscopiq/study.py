"""The study: each row rounds a language model's linear layers by one method, and measures its perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from torch import nn

from pyqkit.errors import UserError, brief
from pyqkit.quant.microscopiq import report
from pyqkit.studies.microscopiq.conditions import inject, rates
from pyqkit.studies.microscopiq.methods import FLOAT, METHODS, layers, rounded
from pyqkit.studies.microscopiq.texts import Pretrained, losses
from pyqkit.studies.study import State, Study, Task, stream

CONDITIONS: Mapping[str, float] = {"natural": 1.0, "inject4": 4.0, "inject8": 8.0}


@dataclass(frozen=True)
class Row:
    """What a task measures.

    Attributes
    ----------
    model, condition, method : str
        See `pyqkit.studies.microscopiq.texts.ARCHIVES`, `CONDITIONS`, `METHODS`.
    calibration, tokens : int
        Tokens of text that methods see, and that are measured.
    data : str
        SHA-256 of model and text.
    """

    model: str
    condition: str
    method: str
    calibration: int
    tokens: int
    data: str

    @property
    def name(self) -> str:
        """Of the task."""
        return f"{self.model}.{self.condition}.{self.method}"


@dataclass(frozen=True)
class MicroscopiqStudy(Study[Row]):
    """Rows, and the folder of their data; the float model of every model and condition is measured first."""

    name: ClassVar[str] = "microscopiq"
    version: ClassVar[int] = 1
    rows: tuple[Row, ...] = ()
    data: str = ""
    seed: int = 0

    def tasks(self) -> Sequence[Task[Row]]:
        return [Task(row.name, row, self.seed) for row in self.rows]

    def step(self, task: Task[Row], index: int, state: State) -> State:
        row = task.parameters
        source = Pretrained(row.model, Path(self.data))
        model, tokens = source.model(), source.calibration(row.calibration)
        if row.condition != "natural":
            inject(model, CONDITIONS[row.condition], stream(task))
        made, bits = rounded(model, tokens, row.method)
        found = losses(made, source.test(row.tokens))
        values: dict[str, float] = {
            "perplexity": math.exp(float(found.mean())),
            "bits": bits / sum(layer.weight.numel() for layer in layers(model)),
        }
        if row.method == FLOAT:
            linear = [layer for layer in layers(model) if isinstance(layer, nn.Linear)]
            for along in ("outputs", "inputs"):
                of = rates(linear, along == "outputs")
                values |= {f"outliers_{along}": of.outliers, f"adjacent_{along}": of.adjacent}
        each = [asdict(layer) for layer in report(made)]
        return State({**values, "layers": each}, {"losses": found})


def rows_of(
    models: Iterable[str],
    conditions: Iterable[str],
    methods: Iterable[str],
    data: Path,
    calibration: int,
    tokens: int,
) -> tuple[Row, ...]:
    """Rows of all models, conditions and methods, method after method, float first.

    Raises
    ------
    UserError
        If a name is unknown, or the data folder does not hold what is needed.
    """
    digests: dict[str, str] = {}
    wanted = tuple(dict.fromkeys((FLOAT, *methods)))
    for condition in conditions:
        _known(condition, tuple(CONDITIONS), "condition")
    for method in wanted:
        _known(method, METHODS, "method")
    for model in models:
        source = Pretrained(model, data)
        source.calibration(calibration), source.test(tokens)  # are there so many?
        digests[model] = source.digest
    places = [(condition, model) for condition in conditions for model in digests]
    found = [Row(m, c, method, calibration, tokens, digests[m]) for method in wanted for c, m in places]
    return tuple(dict.fromkeys(found))


def _known(name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        raise UserError(
            f"a {what} out of {', '.join(names)} was expected, but {brief(name)} came; choose one of them"
        )
