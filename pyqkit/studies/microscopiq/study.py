"""The study: each row rounds a language model's linear layers by one method, and measures its perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pyqkit.errors import UserError, brief
from pyqkit.formats import Microscaled, parse
from pyqkit.quant.microscopiq import Options, quantised, report
from pyqkit.quant.microscopiq.walk import each_layer
from pyqkit.quant.ptq.moments import second_moments
from pyqkit.studies.microscopiq import rounding
from pyqkit.studies.microscopiq.conditions import inject, migrate, rates
from pyqkit.studies.microscopiq.models import LanguageModel
from pyqkit.studies.microscopiq.rounding import Method, grouped_bits
from pyqkit.studies.microscopiq.texts import Pretrained, losses
from pyqkit.studies.study import State, Study, Task, stream

FLOAT = "float"
HEAD = "lm_head"  # stays float, as embeddings do
CONDITIONS: Mapping[str, float] = {"natural": 1.0, "inject4": 4.0, "inject8": 8.0}
MIGRATION = 0.7  # strength, before activations are rounded
_SMOOTH = 0.5  # of SmoothQuant itself


def _mx(name: str) -> Method:
    fmt = parse(name)
    assert isinstance(fmt, Microscaled)
    return rounding.blocks(fmt)


# Name of a method: what it does to one layer at so many bits.
PLAIN: Mapping[str, Method] = {
    **{f"rtn{b}": rounding.rtn(b, 0) for b in (2, 4)},
    **{f"smoothquant{b}": rounding.rtn(b, 0) for b in (2, 4)},
    **{f"gptq{b}.g{g}": rounding.gptq(b, g) for b in (2, 4) for g in (0, 64, 32, 16)},
    **{f"olive{b}": rounding.olive(b) for b in (2, 4)},
    **{f"gobo{b}": rounding.gobo(b) for b in (2, 4)},
    **{f"mxint{b}": _mx(f"mx128_int{b}narrow_mse") for b in (2, 4)},
    "mxfp4": _mx("mx32_e2m1_mse"),
    **{f"aside{b}.{k}": rounding.outliers_aside(b, k) for b in (2, 4) for k in (128, 8)},
}
MICROSCOPIQ: Mapping[str, tuple[Options, str]] = {
    **{f"msq{b}": (Options(b), "") for b in (2, 4)},
    **{f"msq{b}.floor": (Options(b, rule="floor"), "") for b in (2, 4)},
    **{f"msq{b}.inputs": (Options(b, "inputs"), "") for b in (2, 4)},
    **{f"msq{b}.rtn": (Options(b, compensate=False), "") for b in (2, 4)},
    **{f"msq{b}.natural": (Options(b, ordered=False), "") for b in (2, 4)},
    **{f"msq{b}.shifted": (Options(b, shifted=True), "") for b in (2, 4)},
    **{f"msq{b}.a{a}": (Options(b), f"mx128_int{a}narrow") for b in (2, 4) for a in (8, 4)},
}
# GPTQ with as many stored bits as MicroScopiQ has in the same layer, by groups of a size found for it: bits,
# whether the largest inputs go first, and which MicroScopiQ.
MATCHED: Mapping[str, tuple[int, bool, str]] = {
    f"gptq{b}.matched{s}{'.ordered' if o else ''}": (b, o, f"msq{b}{s}")
    for b in (2, 4)
    for s in ("", ".shifted")
    for o in (False, True)
}
METHODS = (FLOAT, *PLAIN, *MICROSCOPIQ, *MATCHED)


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
            "bits": bits / sum(layer.weight.numel() for layer in _layers(model)),
        }
        if row.method == FLOAT:
            for along in ("outputs", "inputs"):
                of = rates(_layers(model), along == "outputs")
                values |= {f"outliers_{along}": of.outliers, f"adjacent_{along}": of.adjacent}
        layers = [asdict(layer) for layer in report(made)]
        return State({**values, "layers": layers}, {"losses": found})


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


def rounded(model: LanguageModel, tokens: Tensor, method: str) -> tuple[nn.Module, int]:
    """A model after a method, and the stored bits of its linear layers; `model` may be changed."""
    if method == FLOAT:
        return model, 32 * sum(layer.weight.numel() for layer in _layers(model))
    keep = [name for name, _ in model.named_modules() if name == HEAD]
    if method in MICROSCOPIQ:
        options, acts = MICROSCOPIQ[method]
        if acts:
            migrate(model, tokens, MIGRATION)
        made = quantised(model, tokens, options, acts, keep=keep)
        return made, sum(layer.stored_bits for layer in report(made))
    if method in MATCHED:
        return model, _matched(model, tokens, keep, *MATCHED[method])
    if method.startswith("smoothquant"):
        migrate(model, tokens, _SMOOTH)
    return model, _plain(model, tokens, keep, PLAIN[method])


@torch.no_grad()
def _plain(model: LanguageModel, tokens: Tensor, keep: list[str], method: Method) -> int:
    """Round all layers, and give the bits that they take."""
    total = 0
    for _, layer, inputs in each_layer(model, tokens.split(64), keep):
        stored = method(layer.weight[None], second_moments(layer, inputs))
        layer.weight.copy_(stored.values[0])
        total += stored.bits
    return total


@torch.no_grad()
def _matched(
    model: LanguageModel, tokens: Tensor, keep: list[str], bits: int, ordered: bool, like: str
) -> int:
    """GPTQ whose bits follow those of MicroScopiQ from layer to layer.

    Each layer gets the number of groups a row that brings the sum of all layers so far nearest to that of
    MicroScopiQ's.
    """
    budget = {
        r.name: r.stored_bits for r in report(quantised(model, tokens, MICROSCOPIQ[like][0], keep=keep))
    }
    wanted = total = 0
    for name, layer, inputs in each_layer(model, tokens.split(64), keep):
        wanted += budget[name]
        columns = layer.weight.shape[-1]
        sizes = sorted({math.ceil(columns / count) for count in range(1, columns // 4)})
        gap = [abs(total + grouped_bits(layer.weight, bits, size) - wanted) for size in sizes]
        stored = rounding.gptq(bits, sizes[int(np.argmin(gap))], ordered)(
            layer.weight[None], second_moments(layer, inputs)
        )
        layer.weight.copy_(stored.values[0])
        total += stored.bits
    return total


def _layers(model: nn.Module) -> list[nn.Linear]:
    """Those that are rounded."""
    named = model.named_modules()
    return [layer for name, layer in named if isinstance(layer, nn.Linear) and name != HEAD]
