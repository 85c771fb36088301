"""Folding: how parallel each convolution is, so that a rate is met with the least parallelism, or a device is filled."""

from __future__ import annotations

import json
from pathlib import Path

from pyqkit.boards import Board
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.folding_types import Folding
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.survey import Estimate, Foldings, Site, Survey
from pyqkit.hls.operators.convolution import check_folding

LUT_SHARE = 0.7  # part of the board's LUTs that a design without a target rate may take; fuller ones are hard to place and route

_RESOURCES = frozenset({"LUT", "FF", "BRAM", "DSP"})
_FOREVER = 2**62


def choices(op: Convolution) -> list[Folding]:
    """All foldings of a layer, the least parallel first; of equal parallelism the most square."""
    outputs, inputs = op.weights.shape[0] // op.groups, op.weights.shape[3]
    divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in (outputs, inputs)]
    found = [Folding(pe, simd) for pe in divisors[0] for simd in divisors[1]]
    return sorted(found, key=lambda f: (f.pe * f.simd, max(f.pe, f.simd)))


class Search:
    """Foldings of one graph for a wanted number of cycles.

    Every layer starts with one product at a time. As long as an operator is too slow, a layer that is too slow itself takes
    its least parallel folding that is not, and any other operator gets wider words from the layers that feed it.

    Parameters
    ----------
    survey : Survey
    """

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self._choices = {op.name: choices(op) for op in survey.graph.operators if isinstance(op, Convolution)}
        self._feeders = self._find_feeders()

    def fold_for(self, cycles: int) -> Foldings:
        """Least parallel foldings with which every operator that can do so takes at most `cycles`."""
        foldings: Foldings = {name: Folding() for name in self._choices}
        while True:
            sites, found = self.survey.sites(foldings), self.survey.estimate(foldings)
            changes: Foldings = {}
            for name in (name for name, estimate in found.items() if estimate.cycles > cycles):
                changes |= self._faster(sites, found, name, cycles)
            if not changes:
                return foldings
            foldings |= changes

    def _faster(self, sites: dict[str, Site], found: dict[str, Estimate], name: str, cycles: int) -> Foldings:
        """One step that may make an operator faster: itself more parallel, or its feeders wider; nothing if it cannot be."""
        if name in self._choices:
            now = sites[name].folding
            better = [
                (self.survey.estimate_at(sites[name], f).cycles, f)
                for f in self._choices[name]
                if f.pe * f.simd > now.pe * now.simd and f.pe >= now.pe
            ]
            enough = [f for taken, f in better if taken <= cycles]
            if enough:
                return {name: enough[0]}
            if better and min(better, key=lambda pair: pair[0])[0] < found[name].cycles:
                return {name: min(better, key=lambda pair: pair[0])[1]}
        feeders = [n for n in self._feeders[name] if self._wider(sites[n].folding, n)]
        if not feeders:
            return {}
        narrowest = min(sites[n].folding.pe for n in feeders)
        return {n: self._wider(sites[n].folding, n)[0] for n in feeders if sites[n].folding.pe == narrowest}

    def _wider(self, now: Folding, name: str) -> list[Folding]:
        return sorted((f for f in self._choices[name] if f.pe > now.pe and f.simd == now.simd), key=lambda f: f.pe)

    def _find_feeders(self) -> dict[str, set[str]]:
        """For each operator the convolutions whose PE decides the width of the words that it reads."""
        behind: dict[str, set[str]] = {port.tensor: set() for port in self.survey.graph.inputs}
        feeders = {}
        for op in self.survey.graph.operators:
            feeders[op.name] = set().union(*(behind[name] for name in op.inputs))
            behind.update(dict.fromkeys(op.outputs, {op.name} if op.name in self._choices else feeders[op.name]))
        return feeders


def exceeded(found: Resources, board: Board, lut_share: float = 1.0, ignored: frozenset[str] = frozenset()) -> str:
    """Name of the resource that goes furthest beyond what the board has; empty if all fit."""
    has = {"LUT": lut_share * board.resources["lut"], "FF": board.resources["ff"], "BRAM": board.resources["bram36"]}
    has["DSP"] = board.resources["dsp"]
    takes = {"LUT": found.lut_high, "FF": found.ff, "BRAM": found.bram36, "DSP": found.dsp}
    over = {name: takes[name] / max(has[name], 1) for name in takes if takes[name] > has[name] and name not in ignored}
    return max(over, key=lambda name: over[name], default="")


def find(graph: Graph, board: Board, clock_mhz: float, target_fps: float | None) -> Foldings:
    """Folding that meets a rate, or the fastest that fits 70 % of the board's LUTs and all that it has otherwise.

    Without a rate, a network with too many LUTs even at one product at a time is folded so, and a memory or DSP that is exceeded
    even then does not decide; the report names what is exceeded.

    Raises
    ------
    UserError
        If the rate cannot be met; says the fastest and what ends first.
    """
    search = Search(Survey(graph))
    if target_fps is None:
        return _fastest(search, board, LUT_SHARE)[0]
    if not target_fps > 0:
        raise UserError(f"a positive rate was expected, but {target_fps:g} frames/s came; ask for at least 1")
    wanted = int(clock_mhz * 1e6 / target_fps)
    foldings = search.fold_for(wanted)
    if search.survey.interval(foldings) > wanted or exceeded(search.survey.total(foldings), board):
        raise UserError(_too_fast(search, board, clock_mhz, target_fps))
    return foldings


def _too_fast(search: Search, board: Board, clock_mhz: float, target_fps: float) -> str:
    asked = f"a rate that {board.name} reaches was expected, but {target_fps:g} frames/s came"
    always = exceeded(search.survey.total(search.fold_for(_FOREVER)), board)
    if always:
        return f"{asked}, and the network exceeds the board's {always} (estimated) at any rate; take a larger board"
    best, limit = _fastest(search, board, 1.0)
    rate = clock_mhz * 1e6 / search.survey.interval(best)
    return (
        f"{asked}; at {clock_mhz:g} MHz the fastest is {rate:.{0 if rate >= 10 else 2}f} frames/s (estimated), where {limit} ends first; ask for less or take a "
        "larger board"
    )


def _fastest(search: Search, board: Board, lut_share: float) -> tuple[Foldings, str]:
    """Bisection on the cycles of a frame; also says what keeps it from going faster."""
    survey = search.survey
    slowest, fastest = search.fold_for(_FOREVER), search.fold_for(1)
    always = frozenset(n for n in _RESOURCES if exceeded(survey.total(slowest), board, lut_share, _RESOURCES - {n}))
    if "LUT" in always:
        return slowest, "LUT"

    def ends(foldings: Foldings) -> str:
        return exceeded(survey.total(foldings), board, lut_share, always)

    low, high = survey.interval(fastest), survey.interval(slowest)
    limit = ends(fastest) or f"the parallelism of {_slowest(survey, fastest)}"
    while low < high:
        middle = (low + high) // 2
        found = ends(search.fold_for(middle))
        if found:
            low, limit = middle + 1, found
        else:
            high = middle
    return search.fold_for(high), limit


def _slowest(survey: Survey, foldings: Foldings) -> str:
    found = survey.estimate(foldings)
    return max(found, key=lambda name: found[name].cycles)


def check(foldings: Foldings, graph: Graph, where: str) -> Foldings:
    """Foldings that fit the graph, those of layers that are missing being 1 by 1.

    Raises
    ------
    UserError
        For a name that is no layer, or a PE or SIMD that does not divide it.
    """
    layers = {op.name: op for op in graph.operators if isinstance(op, Convolution)}
    for name, folding in foldings.items():
        if name not in layers:
            raise UserError(f"foldings of layers were expected in {where}, but {name!r} is no layer; layers are {', '.join(layers)}")
        check_folding(layers[name], folding)
    return {name: foldings.get(name, Folding()) for name in layers}


def read(path: str | Path, graph: Graph) -> Foldings:
    """Folding file: JSON ``{"layer": {"pe": 4, "simd": 8}, ...}``; a layer that is missing does one product at a time.

    Raises
    ------
    UserError
    """
    try:
        data = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"a folding file in JSON was expected, but {path} cannot be read ({error}); 'pyqkit report --json' lists the layers"
        ) from error
    return check(from_json(data, str(path)), graph, str(path))


def from_json(data: object, where: str) -> Foldings:
    """Foldings from JSON data, whose layers are not checked."""
    if not isinstance(data, dict):
        raise UserError(
            f"an object of layers was expected in {where}, but a {type(data).__name__} came; write {{'layer': {{'pe': 1, 'simd': 1}}}}"
        )
    foldings = {}
    for name, entry in data.items():
        if not (isinstance(entry, dict) and set(entry) == {"pe", "simd"} and all(type(v) is int for v in entry.values())):
            raise UserError(f"whole numbers pe and simd were expected for {name!r} in {where}, but {json.dumps(entry)} came; give both")
        foldings[name] = Folding(entry["pe"], entry["simd"])
    return foldings


def to_json(foldings: Foldings) -> dict[str, dict[str, int]]:
    """What `from_json` reads."""
    return {name: {"pe": f.pe, "simd": f.simd} for name, f in foldings.items()}
