"""LPQ against random search, greedy searches and uniform formats, and against itself without its parts.

    python benchmarks/lpq.py --data ../shared/data -o build/lpq --resume
    python benchmarks/lpq.py --data ../shared/data -o build/lpq-ablations --resume --ablations 540

Studies: what is done is kept, and a second call goes on.
"""

from __future__ import annotations

import click

from pyqkit.studies.lpq.comparison import Entry, ablations, comparison
from pyqkit.studies.lpq.source import Cifar10Source
from pyqkit.studies.options import StudyOptions, run_study, study_options

EVALUATIONS = {"resnet20": 1800, "resnet44": 600, "vit": 600}


@click.command()
@click.option("--data", required=True, type=click.Path(), help="Folder of weights and images.")
@click.option("--networks", default=",".join(EVALUATIONS), show_default=True, help="Of those.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Of what draws.")
@click.option("--ablations", "ablated", type=click.IntRange(20), help="Evaluations of LPQ without its parts.")
@study_options
def main(data: str, networks: str, seeds: int, ablated: int | None, run: StudyOptions) -> None:
    """LPQ and what it is compared with; with --ablations, LPQ without its parts on the first network."""
    names = networks.split(",")
    sources = [Cifar10Source(name, data) for name in names]
    if ablated is not None:
        run_study(ablations(Entry(names[0], sources[0], ablated), seeds), run)
    else:
        entries = [Entry(name, source, EVALUATIONS[name]) for name, source in zip(names, sources)]
        run_study(comparison(entries, seeds), run)


if __name__ == "__main__":
    main()
