"""What a format search has found: a front of networks beside uniform ones, as data, table and plot."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyqkit.files import replacing
from pyqkit.formats import parse
from pyqkit.studies.formats_search.study import Goal, Point
from pyqkit.studies.formats_search.subject import Genome, Place
from pyqkit.studies.json_value import Json
from pyqkit.studies.runner import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL = "estimated"  # of LUTs and frames per second
UNIFORM = "uniform-"  # begins the names of networks of one format


@dataclass(frozen=True)
class Built:
    """A network that was quantised and folded.

    Attributes
    ----------
    name : str
    sqnr_db : float
        Variance of the outputs over the squared error that formats alone make, on the calibration frames.
    accuracy : float or None
        Percent of the labelled images, after the recipe.
    summed_luts : float or None
        By the sum over operators that the search goes by.
    luts, bram36, dsp, fps : float or None
        Estimated for the folding that the search for foldings finds; None where there is none.
    refused : str
        Why there is none.
    formats : dict of str to str
        Of each place.
    genome : Genome
        The same, as the search has it.
    """

    name: str
    sqnr_db: float
    accuracy: float | None
    summed_luts: float | None
    luts: float | None
    bram36: float | None
    dsp: float | None
    fps: float | None
    refused: str
    formats: dict[str, str]
    genome: Genome

    @classmethod
    def of(cls, outcome: Outcome[Point], places: Sequence[Place]) -> Built:
        """Of a finished task of `pyqkit.studies.formats_search.study.Points`."""
        values = outcome.values
        assert isinstance(values, dict)

        def number(name: str) -> float | None:
            found = values.get(name)
            return float(found) if isinstance(found, (int, float)) else None

        error, refused = number("error"), values.get("refused", "")
        return cls(
            outcome.task.name,
            -10 * math.log10(max(error or 0.0, 1e-30)),
            number("accuracy"),
            number("summed_luts"),
            number("luts"),
            number("bram36"),
            number("dsp"),
            number("fps"),
            refused if isinstance(refused, str) else "",
            formats_of(outcome.task.parameters.genome, places),
            outcome.task.parameters.genome,
        )

    def row(self) -> dict[str, object]:
        """Of a table."""
        figures = {"LUT": self.luts, "BRAM36": self.bram36, "DSP": self.dsp, "frames/s": self.fps}
        return {
            "network": self.name,
            "SQNR dB": f"{self.sqnr_db:.1f}",
            "accuracy": "" if self.accuracy is None else f"{self.accuracy:.2f} %",
            **{
                name: "" if value is None else f"{value:,.1f}".removesuffix(".0")
                for name, value in figures.items()
            },
            "formats": _shortly(self.formats),
        }


def formats_of(genome: Genome, places: Sequence[Place]) -> dict[str, str]:
    """The format of each place, twins named."""
    return {
        f"{place.label} {'weights' if place.is_weights else 'activations'}": place.format(name).name
        for place, name in zip(places, genome)
    }


def _shortly(formats: dict[str, str]) -> str:
    """Formats of weights by how often they are there."""
    names = [parse(name).name for place, name in formats.items() if place.endswith(" weights")]
    counted = sorted({name: names.count(name) for name in names}.items(), key=lambda item: -item[1])
    return " ".join(f"{count}x{name}" for name, count in counted[:4]) + (" ..." if len(counted) > 4 else "")


def write(folder: Path, goal: Goal, built: Sequence[Built]) -> None:
    """``front.json``, and ``front.png`` where matplotlib is installed, in place of earlier ones."""
    data: dict[str, Json] = {
        "board": goal.board,
        "clock_mhz": goal.clock_mhz,
        "target_fps": goal.fps,
        "lut_share": goal.lut_share,
        "label": LABEL,
        "networks": [asdict(each) for each in built],
    }
    with replacing(folder / "front.json", True) as beside:
        beside.write_text(json.dumps(data, indent=1) + "\n")
    try:
        drawn = _figure(goal, [each for each in built if each.luts is not None])
    except ModuleNotFoundError:
        return
    with replacing(folder / "front.png", True) as beside:
        drawn.savefig(beside, format="png", dpi=150)


def _figure(goal: Goal, built: Sequence[Built]) -> Figure:
    """Accuracy, or where no labels are SQNR, against LUTs: points joined, uniform networks as squares."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots()
    counted = bool(built) and all(each.accuracy is not None for each in built)
    for marker, mixed in (("o-", True), ("s", False)):
        points = sorted(
            (each.luts or 0.0, (each.accuracy or 0.0) if counted else each.sqnr_db, each.name)
            for each in built
            if each.name.startswith(UNIFORM) is not mixed
        )
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], marker)
        for x, y, name in points:
            axes.annotate(name, (x, y), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.set_xlabel(f"LUTs ({LABEL})")
    axes.set_ylabel("accuracy, %" if counted else "SQNR of the outputs, dB")
    axes.set_title(f"{goal.board}, {goal.fps:g} frames/s", fontsize=10)
    axes.grid(alpha=0.3)
    return made
