"""LPQ against random search, greedy searches and uniform formats, and against itself without its parts.

    python benchmarks/lpq.py --data ../shared/data -o build/lpq --resume
    python benchmarks/lpq.py --data ../shared/data -o build/lpq --resume --ablations 540

Each search is a study of its own: what is done is kept, and with --resume a second call goes on. What has
finished goes to results/lpq/, and is not searched again, on no machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import click
from lpq_records import RESULTS, is_kept, keep

from pyqkit.studies.lpq.command import crewed
from pyqkit.studies.lpq.comparison import Entry, ablations, comparison
from pyqkit.studies.lpq.problem import Search
from pyqkit.studies.lpq.source import Cifar10Source
from pyqkit.studies.lpq.study import LpqStudy
from pyqkit.studies.options import StudyOptions, run_study, study_options
from pyqkit.studies.study import Task

EVALUATIONS = {"resnet20": 1800, "resnet44": 600, "vit": 600}


@click.command()
@click.option("--data", required=True, type=click.Path(), help="Folder of weights and images.")
@click.option("--networks", default=",".join(EVALUATIONS), show_default=True, help="Of those.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Of what draws.")
@click.option("--ablations", "ablated", type=click.IntRange(20), help="Evaluations of LPQ without its parts.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Of what has finished.")
@click.option("--only", multiple=True, help="Searches of such names, such as 'vit.lpq.*'; in this order.")
@study_options
def main(
    data: str,
    networks: str,
    seeds: int,
    ablated: int | None,
    results: Path,
    only: tuple[str, ...],
    run: StudyOptions,
) -> None:
    """LPQ and what it is compared with; with --ablations, LPQ without its parts on the first network."""
    names = networks.split(",")
    sources = [Cifar10Source(name, data) for name in names]
    if ablated is not None:
        study = ablations(Entry(names[0], sources[0], ablated), seeds)
    else:
        entries = [Entry(name, source, EVALUATIONS[name]) for name, source in zip(names, sources)]
        study = comparison(entries, seeds)
    chosen = named(study, only or ("*",))
    with crewed(study, run.workers, run.dask) as together:
        _run(together, chosen, results, run)


def named(study: LpqStudy, only: Sequence[str]) -> list[Task[Search]]:
    """Searches whose names match, in the order of the patterns; one that matches none is refused."""
    found = {name: [task for task in study.tasks() if fnmatch(task.name, name)] for name in only}
    for name, tasks in found.items():
        if not tasks:
            known = ", ".join(task.name for task in study.tasks())
            raise click.BadParameter(
                f"names of searches were expected, but none matches {name!r}; there are {known}",
                param_hint="--only",
            )
    return [task for tasks in found.values() for task in tasks]


def _run(study: LpqStudy, tasks: Sequence[Task[Search]], results: Path, run: StudyOptions) -> None:
    """Search for what is not there yet; workers share the children of a cycle."""
    for task in tasks:
        if not (run.resume and is_kept(results, task)):
            options = replace(run, out=run.out / task.name, workers=1, dask=None)
            keep(results, run_study(study.alone(task), options))


if __name__ == "__main__":
    main()
