"""Formats for each layer of ResNet-20 on a PYNQ-Z2, beside uniform networks of four bits.

    OMP_NUM_THREADS=1 python benchmarks/formats_search.py --data FOLDER --resume [--synthesise NAME]
    python benchmarks/formats_search.py --page-only

Searches the front, and counts its networks on test images; with --synthesise it maps the blocks of some of
them with Yosys. The studies are kept in results/formats_search/, and go on from there on any machine. Writes
results/formats_search.json, and from it the last section of docs/formats_search.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import formats_search_page as page
import headline
import torch
from records import Run, write

from pyqkit.studies.formats_search import command
from pyqkit.studies.formats_search.command import Networks, Wanted
from pyqkit.studies.formats_search.result import LABEL, Built
from pyqkit.studies.formats_search.space import Domain
from pyqkit.studies.formats_search.study import Goal, Point, build, compiled, correct_of, subject
from pyqkit.studies.genetic import Evolution
from pyqkit.studies.lpq.source import Cifar10Source
from pyqkit.studies.options import StudyOptions

RESULTS = Path(__file__).parent / "results" / "formats_search.json"
FOLDER = RESULTS.with_suffix("")
NETWORK, CALIBRATION, IMAGES = "resnet20", 128, 5000
BOARD, RATE, SIZES, RECIPE, SEED = "PYNQ-Z2", 1000.0, 5, "gptq+bias", 0
EVOLUTION = Evolution(200, 8, cycles=2, children=4)
UNIFORM = ("int4", "e2m1", "lp4_0_3")
# Of every family, but fewer than by default: the time that a search takes goes with their number.
DOMAIN = Domain(
    ("int3", "int4", "int5", "int6", "int8", "odd3", "odd4", "e2m1", "e2m2", "lp4_0_3"),
    ("int3", "int4", "int5", "int6", "int8", "e2m1", "e2m2", "lp4_0_3"),
)


def main() -> None:
    """Search, synthesise what is asked for, and write the page."""
    options = _options()
    run = Run(options, [SEED])
    if not options.page_only:
        torch.set_num_threads(1)
        found = wanted(options.data)
        named = command.networks(found, _run(options))
        networks = built(found, named, options)
        before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        known = {each["name"]: each for each in before.get("networks", [])}
        for each in networks:
            same = known.get(each["name"], {})
            if same.get("genome") == list(each["genome"]) and "synthesised" in same:
                each["synthesised"] = same["synthesised"]
        keep(run, found, named, networks)
        for each in networks:
            if each["name"] in options.synthesise and "synthesised" not in each:
                each["synthesised"] = synthesised(found, each)
                keep(run, found, named, networks)
    write(page.PAGE, page.page(page.PAGE.read_text(), json.loads(RESULTS.read_text())))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of weights and images")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, help="folder of the search")
    parser.add_argument("--resume", action="store_true", help="go on with what is there")
    parser.add_argument("--unfinished", action="store_true", help="build nothing more, take what is there")
    parser.add_argument("--synthesise", nargs="+", default=[], metavar="NETWORK", help="with Yosys")
    parser.add_argument("--page-only", action="store_true", help="from the results that are there")
    options = parser.parse_args()
    if not options.page_only and options.data is None:
        parser.error("--data was expected; pass it, or --page-only")
    return options


def wanted(data: Path) -> Wanted:
    """The search of the committed results."""
    source = Cifar10Source(NETWORK, str(data), CALIBRATION, IMAGES)
    goal = Goal.of(source, BOARD, RATE, domain=DOMAIN, recipe=RECIPE)
    return Wanted(source, goal, SIZES, EVOLUTION, UNIFORM, SEED)


def built(what: Wanted, named: Networks, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Networks with what is estimated of them, and which images they name rightly; the float one first."""
    run = _run(options)
    if options.unfinished and not (options.output / "points").exists():
        return []
    if options.unfinished:
        results = command.built_until_now(what, named, run)
    else:
        results = command.points(what, named, run)
    places = subject(what.source, what.goal).places
    labelled = what.source.labelled()
    assert labelled is not None
    right = correct_of(what.source.network(), *labelled)
    found: list[dict[str, Any]] = [{"name": page.FLOAT, "genome": [], "correct": page.packed(right)}]
    for outcome in results.outcomes:
        figures = asdict(Built.of(outcome, places))
        found.append(figures | {"correct": page.packed(outcome.arrays["correct"])})
    return found


def _run(options: argparse.Namespace) -> StudyOptions:
    return StudyOptions(options.output, 1, None, options.resume, False, 0.0, False)


def synthesised(what: Wanted, network: Mapping[str, Any]) -> dict[str, Any]:
    """The model's figures of a network, and those of Yosys, block by block."""
    point = Point(what.goal, tuple(network["genome"]))
    accelerator = compiled(build(what.source, point, what.seed), what.goal)
    estimated = vars(accelerator.report().resources)
    return {"estimated": estimated} | {"found": headline.synthesised(accelerator)["synthesised"]}


def keep(run: Run, what: Wanted, named: Networks, networks: list[dict[str, Any]]) -> None:
    """Write all that is known."""
    goal = what.goal
    settings = {
        "network": NETWORK,
        "board": goal.board,
        "clock_mhz": goal.clock_mhz,
        "target_fps": goal.fps,
        "calibration": CALIBRATION,
        "images": IMAGES,
        "recipe": goal.recipe,
        "seen": "those that the recipe's GPTQ gives each layer alone",
        "sizes": what.sizes,
        "evolution": asdict(what.evolution),
        "domain": asdict(goal.domain),
        "label": LABEL,
        "found": [{"name": name} | asdict(each) for name, each in named.items()],
    }
    run.write_json(RESULTS, settings | {"networks": networks}, merged=True)


if __name__ == "__main__":
    main()
