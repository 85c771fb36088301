"""The roofline of a program: what each layer makes of an array, beside what its products and bytes allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyqkit.array.machine import Machine
from pyqkit.array.report import ArrayReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roofline(axes: Axes, report: ArrayReport, machine: Machine) -> None:
    """Draw products a cycle over products a byte, a point for each layer (modelled).

    The horizontal roofs are what the array makes in the modes of the program's layers. The slope is a word of
    the stream a cycle: a layer on it would wait for loads if nothing stayed on the array.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    report : ArrayReport
    machine : Machine
        Of the program.
    """
    layers = [layer for layer in report.layers if layer.macs]
    peaks = sorted({layer.peak for layer in layers})
    slope = machine.stream_bits / 8
    low, high = 0.5 * min(one.intensity for one in layers), 2 * max(one.intensity for one in layers)
    x = np.geomspace(min(low, 0.5 * peaks[0] / slope), high, 200)
    for peak in peaks:
        axes.plot(x, np.minimum(slope * x, peak), color="grey", linewidth=1)
        axes.annotate(f"{peak} a cycle", (x[-1], peak), ha="right", va="bottom", color="grey", fontsize=8)
    for bound in sorted({layer.bound for layer in layers}):
        mine = [layer for layer in layers if layer.bound == bound]
        made = [layer.macs / layer.cycles for layer in mine]
        axes.scatter([layer.intensity for layer in mine], made, label=f"bound by {bound}", zorder=3)
        for layer, height in zip(mine, made):
            number = str(report.layers.index(layer))
            axes.annotate(
                number, (layer.intensity, height), fontsize=8, xytext=(4, 3), textcoords="offset points"
            )
    axes.set(xscale="log", yscale="log", xlabel="products of a byte", ylabel="products a cycle (modelled)")
    axes.legend(loc="lower right")
