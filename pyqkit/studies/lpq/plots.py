"""Pictures of a search: how the fitness fell, and the bits of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyqkit.studies.checkpoint import Point
from pyqkit.studies.lpq.result import CodedLayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")


def figure(curve: Sequence[Point], layers: Sequence[CodedLayer]) -> Figure:
    """Both, one above the other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(made)
    above, below = made.subplots(2, 1)
    trace(above, {"best": curve})
    bits(below, layers)
    return made


def trace(axes: Axes, curves: dict[str, Sequence[Point]]) -> None:
    """Fitness of the best genome over evaluations, a line for each search."""
    for label, curve in curves.items():
        axes.plot([p["evaluations"] for p in curve], [p["fitness"] for p in curve], label=label)  # type: ignore[arg-type, misc]
    axes.set_xlabel("evaluations")
    axes.set_ylabel("fitness")
    axes.legend()


def bits(axes: Axes, layers: Sequence[CodedLayer]) -> None:
    """Bits of the weights of each layer, and of what it reads, with the formats' names."""
    places = range(len(layers))
    axes.bar([i - 0.2 for i in places], [layer.weight_coding.bits for layer in layers], 0.4, label="weights")
    activations = [layer.activation_coding.bits for layer in layers]
    axes.bar([i + 0.2 for i in places], activations, 0.4, label="activations")
    axes.set_xticks(list(places), [f"{x.layer}\n{x.weights}" for x in layers], rotation=90, fontsize=7)
    axes.set_ylabel("bits")
    axes.legend(loc="lower right")


def write(path: Path, ending: str, curve: Sequence[Point], layers: Sequence[CodedLayer]) -> None:
    """A picture as a file of one of `ENDINGS`, without its point."""
    figure(curve, layers).savefig(path, format=ending, dpi=110)
