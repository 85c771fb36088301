"""Accuracy against LUTs per MAC and against stored bits, and which formats nobody beats in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pyqkit.files import replacing
from pyqkit.studies.minifloat.rows import FLOAT
from pyqkit.studies.minifloat.table import Line, is_integer

Cost = Callable[[Line], float | None]
COSTS: dict[str, tuple[str, Cost]] = {
    "luts": ("LUTs per MAC (synthesised, before place and route)", lambda line: line.mac_luts),
    "bits": ("stored weights, Mbit", lambda line: line.stored_mbit),
}


def front(found: Sequence[Line], cost: Cost) -> list[Line]:
    """Lines that no other beats: none is as cheap and more accurate, or as accurate and cheaper."""
    best: list[Line] = []
    priced = [(price, line) for line in found if (price := cost(line)) is not None]
    for _, line in sorted(priced, key=lambda item: (item[0], -item[1].top1)):
        if not best or line.top1 > best[-1].top1:
            best.append(line)
    return best


def draw(found: Sequence[Line], network: str, path: Path) -> None:
    """One picture of a network, a panel a cost; each format with the best of its recipes."""
    from matplotlib.figure import Figure

    own = [line for line in found if line.network == network]
    plain = [line for line in own if line.weights == FLOAT]
    best = best_recipes(own)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, (title, cost) in zip(figure.subplots(1, 2, sharey=True), COSTS.values()):
        for integer, marker, label in ((True, "s", "integers"), (False, "o", "minifloats")):
            some = [line for line in best if is_integer(line.weights) == integer and cost(line) is not None]
            axes.plot([cost(x) for x in some], [x.top1 for x in some], marker, label=label, alpha=0.7)
        ahead = front(best, cost)
        axes.step([cost(x) for x in ahead], [x.top1 for x in ahead], "k-", where="post", lw=0.8)
        for line in ahead:
            name = line.weights if line.weights == line.acts else f"{line.weights}/{line.acts}"
            axes.annotate(
                name, (cost(line), line.top1), fontsize=7, xytext=(3, -8), textcoords="offset points"
            )
        for line in plain:
            axes.axhline(line.top1, color="gray", lw=0.8, ls=":")
        axes.set_xlabel(title)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    figure.axes[0].set_ylabel("top-1, % (dotted: float)")
    figure.suptitle(network)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=110, metadata={"Software": None})


def best_recipes(found: Sequence[Line]) -> list[Line]:
    """For each pair of formats the line of the best recipe, as the authors' figures have it."""
    best: dict[tuple[str, str, str], Line] = {}
    for line in found:
        key = (line.network, line.weights, line.acts)
        if line.weights != FLOAT and (key not in best or line.top1 > best[key].top1):
            best[key] = line
    return list(best.values())
