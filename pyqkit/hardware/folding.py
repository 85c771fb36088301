"""Folding: how parallel each convolution is, so that a rate is met with the least parallelism, or a device is filled."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path

from pyqkit.boards import Board
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.estimate import Resources, all_cycles, resources
from pyqkit.hardware.folding_types import Folding
from pyqkit.hls.operators.convolution import check_folding

SHARE = 0.7  # part of the board's LUTs that a design without a target rate may take


def choices(op: Convolution) -> list[Folding]:
    """All foldings of a layer, the least parallel first; of equal parallelism the most square."""
    outputs, inputs = op.weights.shape[0] // op.groups, op.weights.shape[3]
    divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in (outputs, inputs)]
    found = [Folding(pe, simd) for pe in divisors[0] for simd in divisors[1]]
    return sorted(found, key=lambda f: (f.pe * f.simd, max(f.pe, f.simd)))


def fold_for(graph: Graph, cycles: int) -> dict[str, Folding]:
    """Least parallel folding of every layer with at most `cycles` products in sequence."""
    foldings = {}
    for op in graph.operators:
        if isinstance(op, Convolution):
            total = op.macs(graph.input_tensors(op))
            options = choices(op)
            foldings[op.name] = next((f for f in options if total // (f.pe * f.simd) <= cycles), options[-1])
    return foldings


def interval(graph: Graph, foldings: dict[str, Folding]) -> int:
    """Cycles between frames: the slowest operator."""
    return max(all_cycles(graph, foldings).values())


def total(graph: Graph, foldings: dict[str, Folding]) -> Resources:
    """Estimated resources of the network."""
    return reduce(Resources.__add__, (resources(op, graph, foldings) for op in graph.operators), Resources())


def fits(found: Resources, board: Board, share: float) -> str:
    """Name of the first resource that exceeds its share of the board; empty if none does."""
    limits = board.resources
    pairs = (("LUT", found.lut_high, limits["lut"]), ("FF", found.ff, limits["ff"]), ("BRAM", found.bram36, limits["bram36"]))
    return next((name for name, used, limit in pairs if used > share * limit), "")


def find(graph: Graph, board: Board, clock_mhz: float, target_fps: float | None) -> dict[str, Folding]:
    """Folding that meets a rate, or the fastest that fits 70 % of the board.

    Raises
    ------
    UserError
        If the rate cannot be met; says the fastest and what ends first.
    """
    if target_fps is None:
        return _fastest(graph, board, SHARE)[0]
    if target_fps <= 0:
        raise UserError(f"a positive rate was expected, but {target_fps:g} frames/s came; ask for at least 1")
    wanted = int(clock_mhz * 1e6 / target_fps)
    foldings = fold_for(graph, max(1, wanted))
    ends = fits(total(graph, foldings), board, 1.0)
    if interval(graph, foldings) > wanted or ends:
        best, limit = _fastest(graph, board, 1.0)
        rate = clock_mhz * 1e6 / interval(graph, best)
        raise UserError(
            f"a rate that {board.name} reaches was expected, but {target_fps:g} frames/s came; at {clock_mhz:g} MHz the fastest is {rate:.0f} "
            f"frames/s (estimated), where {limit} ends first; ask for less or take a larger board"
        )
    return foldings


def _fastest(graph: Graph, board: Board, share: float) -> tuple[dict[str, Folding], str]:
    """Bisection on the cycles of a frame; also says what keeps it from going faster."""
    low, high = 1, max(op.macs(graph.input_tensors(op)) for op in graph.operators) or 1
    limit = "the parallelism of the layers"
    while low < high:
        middle = (low + high) // 2
        ends = fits(total(graph, fold_for(graph, middle)), board, share)
        if ends:
            low, limit = middle + 1, ends
        else:
            high = middle
    return fold_for(graph, high), limit


def read(path: str | Path, graph: Graph) -> dict[str, Folding]:
    """Folding file: JSON ``{"layer": {"pe": 4, "simd": 8}, ...}``; layers that are missing stay unfolded in time."""
    try:
        data = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"a folding file in JSON was expected, but {path} cannot be read ({error}); 'pyqkit report --json' lists the layers"
        ) from error
    layers = {op.name: op for op in graph.operators if isinstance(op, Convolution)}
    foldings = {}
    for name, entry in data.items() if isinstance(data, dict) else [("", None)]:
        numbers = isinstance(entry, dict) and set(entry) == {"pe", "simd"} and all(isinstance(v, int) for v in entry.values())
        if name not in layers or not numbers:
            raise UserError(
                f"layers with pe and simd were expected in {path}, but {name!r} is no layer or lacks one; layers are {', '.join(layers)}"
            )
        foldings[name] = Folding(int(entry["pe"]), int(entry["simd"]))  # type: ignore[index]
        check_folding(layers[name], foldings[name])
    return foldings
