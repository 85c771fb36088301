"""Fits the model of longest paths (`pyqkit/hardware/timing_model.json`) to `measured_blocks.json`.

Ridge regression, a line for each module; what it takes each block to be with that block left out says how far
it is off. `benchmarks/resources.py measure` gives the measurements.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
from resources import MEASURED, save

from pyqkit.hardware import clock
from pyqkit.hardware.clock import features
from pyqkit.rtl.parts import Part
from pyqkit.rtl.static_timing import LABEL

MODEL = clock._MODEL
DRAWS = (0.1, 0.3, 1.0, 3.0, 10.0)  # how strongly slopes are drawn to nothing; the best for blocks left out


def rows() -> dict[str, list[tuple[dict[str, float], float]]]:
    """Features and longest path in ns of every block that was timed, by its first module."""
    found: dict[str, list[tuple[dict[str, float], float]]] = defaultdict(list)
    for row in json.loads(MEASURED.read_text())["blocks"]:
        if "ns" in row:
            parts = [Part(*part) for part in row["parts"]]
            found[parts[0].module].append((features(parts), row["ns"]))
    return found


def line(data: list[tuple[dict[str, float], float]], draw: float) -> tuple[clock.Line, np.ndarray]:
    """The line of a module, and what it takes each block to be that it was not fitted to, in ns."""
    names = sorted({name for found, _ in data for name in found})
    matrix = np.array([[found.get(name, 0.0) for name in names] for found, _ in data])
    wanted = np.array([ns for _, ns in data])
    middle, mean = matrix.mean(0), wanted.mean()
    spread = np.where(np.ptp(matrix, 0) > 0, np.ptp(matrix, 0), 1.0)
    scaled = (matrix - middle) / spread
    inverse = np.linalg.inv(scaled.T @ scaled + draw * np.eye(len(names)))
    slopes = inverse @ scaled.T @ (wanted - mean)
    leverage = np.einsum("ij,jk,ik->i", scaled, inverse, scaled) + 1 / len(data)
    error = (wanted - mean - scaled @ slopes) / np.maximum(1 - leverage, 0.1)
    kept = {n: round(float(s), 4) for n, s in zip(names, slopes / spread) if abs(s) > 5e-4}
    base = float(mean - middle @ (slopes / spread))
    return clock.Line(round(base, 4), kept, float(wanted.min()), float(wanted.max())), wanted - error


def fit() -> dict[str, Any]:
    """The model: lines, and how far blocks are off that were left out."""
    data, best = rows(), None
    for draw in DRAWS:
        lines, off = {}, {}
        for module, blocks in sorted(data.items()):
            lines[module], taken = line(blocks, draw)
            wanted = np.array([ns for _, ns in blocks])
            off[module] = np.abs(taken - wanted) / wanted if len(blocks) > 1 else np.zeros(0)
        every = np.concatenate(list(off.values()))
        if best is None or np.median(every) < np.median(best[2]):
            best = lines, off, every
    assert best is not None
    lines, off, every = best
    return {
        "label": LABEL,
        "circuits": sum(map(len, data.values())),
        "left_out": {
            "median": round(float(np.median(every)), 4),
            "nine_in_ten": round(float(np.quantile(every, 0.9)), 4),
            "modules": {m: round(float(np.median(e)), 4) for m, e in off.items() if len(e)},
        },
        "modules": {module: vars(found) for module, found in lines.items()},
    }


def sentence(model: dict[str, Any]) -> str:
    """What docs/timing.md says of the model."""
    off = model["left_out"]
    half, most = (f"{100 * off[name]:.0f} %" for name in ("median", "nine_in_ten"))
    made = f"fitted to {model['circuits']} blocks of {len(model['modules'])} modules"
    return f"It is {made}. Lines fitted without a block meet half within {half}, nine in ten within {most}."


if __name__ == "__main__":
    model = fit()
    save(MODEL, model)
    print(sentence(model))
