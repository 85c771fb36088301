"""What `pyqkit search lpq` does: one search, the network that it found, and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from pyqkit.errors import UserError, listed
from pyqkit.files import check_file, replacing
from pyqkit.studies.genetic import Evolution
from pyqkit.studies.lpq.methods import values_of
from pyqkit.studies.lpq.plots import ENDINGS, write
from pyqkit.studies.lpq.problem import Search, Source, array_digest, network_digest, problem
from pyqkit.studies.lpq.result import CodedLayer
from pyqkit.studies.lpq.space import Domain
from pyqkit.studies.lpq.study import LpqStudy
from pyqkit.studies.runner import Outcome
from pyqkit.studies.study import State, Task
from pyqkit.studies.workers import workers


def study(source: Source, seed: int, evaluations: int, compression: float, domain: Domain) -> LpqStudy:
    """One search; what it cannot do is refused before a folder is made.

    Raises
    ------
    UserError
        If the network cannot be searched, the images do not fit it, or no genome fits the accumulators.
    """
    search = Search(
        network_digest(source.network()),
        array_digest(source.images()),
        evolution=Evolution(evaluations),
        domain=domain,
        compression=compression,
    )
    found = problem(source, search)
    widest = found.space.uniform(max(domain.widths))
    wrong = [layer.name for i, layer in enumerate(found.network.layers) if not found.space.fits(widest, i)]
    if wrong:
        raise UserError(
            f"formats whose exact sums fit the accumulators were expected, but for {listed(wrong, 3)} there "
            "are none; allow wider ones with --max-accumulator-bits"
        )
    return LpqStudy((source,), (Task("lpq", search, seed),), (len(found.network.layers),))


@contextmanager
def crewed(study: LpqStudy, count: int, dask: str | None) -> Iterator[LpqStudy]:
    """The study with workers that share the children of a cycle."""
    if count == 1 and dask is None:
        yield study
        return
    with workers(count, dask, study.threads) as crew:
        yield replace(study, crew=crew)


def layers_of(outcome: Outcome[Search]) -> list[CodedLayer]:
    """What a search has found."""
    found = values_of(State(outcome.values))["layers"]
    assert isinstance(found, list)  # written by `LpqStudy.result`
    return [CodedLayer.from_json(entry) for entry in found]


def check_outputs(onnx: Path | None, plot: Path | None, force: bool) -> None:
    """Refuse files that cannot be written before anything is searched."""
    if plot is not None and plot.suffix not in ENDINGS:
        raise UserError(
            f"a file that ends in {', '.join(ENDINGS)} was expected with --plot, but {plot} came; rename it"
        )
    for path in (onnx, plot):
        if path is not None:
            check_file(path, force)


def write_outputs(
    source: Source, outcome: Outcome[Search], layers: list[CodedLayer], onnx: Path | None, plot: Path | None
) -> None:
    """The network as QONNX and the picture, where they were asked for; both are made anew."""
    if plot is not None:
        with replacing(plot, True) as beside:
            write(beside, plot.suffix[1:], outcome.curve, layers)
    if onnx is not None:
        from pyqkit.quant import export_qonnx
        from pyqkit.studies.lpq.export import quantised

        images = torch.from_numpy(source.images())
        export_qonnx(quantised(source.network(), images, layers), images[:2], onnx, force=True)
