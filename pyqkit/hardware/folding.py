"""Folding.

The cheapest design that meets a rate, or the fastest that fits a share of a board; and folding files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from pathlib import Path

from pyqkit import untrusted
from pyqkit.boards import Board
from pyqkit.dataflow.streams import codes, end_spaces, largest_lanes, output_reader
from pyqkit.errors import UserError, brief, listed, shortened
from pyqkit.files import replacing
from pyqkit.graph.folding import EndFolding, Folding, FoldingSpace, settings
from pyqkit.graph.graph import Graph
from pyqkit.hardware.choices import within_dsps
from pyqkit.hardware.estimator import Estimator, Foldings
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.search import FOREVER, Search
from pyqkit.rtl import outline

SHARED = "shared layers"  # a line of a folding file that no layer is called
LEAST_FPS = 1e-3  # frames per second that can be asked for
MAX_FILE = 4 * 2**20  # bytes of a folding file; a layer takes about 70
# part of the board's LUTs that a design without a target rate may take; fuller ones are hard to place and
# route
LUT_SHARE = 0.7

# what the board has of each resource, and the figure of a design that counts against it
_FIGURES = {
    "LUT": ("lut", "lut_high"),
    "FF": ("ff", "ff"),
    "BRAM": ("bram36", "bram36"),
    "DSP": ("dsp", "dsp"),
}
_ATTEMPTS = 12  # searches with a higher price on what was exceeded
_ATTEMPTS_AT_ONE = 5  # if it is one resource throughout
_DEARER = 4.0  # by how much at first


def search_for(graph: Graph, board: Board, clock_mhz: float) -> Search:
    """A search whose price of a design is the sum of the shares that it takes of the board's resources."""
    return Search(
        Estimator(graph, clock_mhz), {figure: board.resources[name] for name, figure in _FIGURES.values()}
    )


def exceeded(
    found: Resources, board: Board, lut_share: float = 1.0, ignored: frozenset[str] = frozenset()
) -> str:
    """Name of the resource that goes furthest beyond what the board has; empty if all fit."""
    over = {}
    for resource, (name, figure) in _FIGURES.items():
        has, takes = board.resources[name] * (lut_share if resource == "LUT" else 1), getattr(found, figure)
        if takes > has and resource not in ignored:
            over[resource] = takes / max(has, 1)
    return max(over, key=lambda name: over[name], default="")


def find(
    graph: Graph,
    board: Board,
    clock_mhz: float,
    target_fps: float | None,
    lut_share: float | None = None,
    allow_overflow: bool = False,
) -> Foldings:
    """As `choose`, for a graph that is searched for the first time."""
    return choose(
        search_for(graph, board, clock_mhz), board, clock_mhz, target_fps, lut_share, allow_overflow
    )


def choose(
    search: Search,
    board: Board,
    clock_mhz: float,
    target_fps: float | None,
    lut_share: float | None = None,
    allow_overflow: bool = False,
) -> Foldings:
    """Folding that meets a rate with the least resources, or the fastest that fits a share of the board.

    Parameters
    ----------
    search : Search
        As `search_for` gives it for the board.
    board : Board
    clock_mhz : float
    target_fps : float or None
        Frames per second.
    lut_share : float, optional
        Part of the board's LUTs that the design may take; 0.7 without a rate, 1 with one.
    allow_overflow : bool
        Where nothing that fits meets the rate, take the cheapest design that does.

    Without a rate, a network with too many LUTs even when folded most is folded so, and a memory or DSP that
    is exceeded even then does not decide; the report names what is exceeded.

    Raises
    ------
    UserError
        If the rate cannot be met; says the fastest and what ends first.
    """
    if lut_share is not None and not 0 < lut_share <= 1:
        raise UserError(
            f"a share of the LUTs above 0 and up to 1 was expected, but {lut_share:g} came; 0.7 "
            "leaves room to place and route"
        )
    if target_fps is not None and not LEAST_FPS <= target_fps < inf:
        raise UserError(
            f"a rate of at least {LEAST_FPS:g} frames/s was expected, but {target_fps:g} came; "
            "leave it out for the fastest"
        )
    if target_fps is None:
        return _fastest(search, board, LUT_SHARE if lut_share is None else lut_share)[0]
    share, cycles = 1.0 if lut_share is None else lut_share, int(clock_mhz * 1e6 / target_fps)
    found, _ = within(search, board, cycles, share)
    if found is None and allow_overflow:
        found = search.fold_for(cycles)
    if found is None:
        raise UserError(_too_fast(search, board, clock_mhz, target_fps, share))
    return found


def within(
    search: Search,
    board: Board,
    cycles: int,
    lut_share: float,
    ignored: frozenset[str] = frozenset(),
    price_of_cycle: float = 0.0,
) -> tuple[Foldings | None, str]:
    """Cheapest foldings for a number of cycles that fit the board.

    Or None and the resource that is exceeded, if it is one.

    The price is one number, so a design may exceed one resource and leave another idle; then the price of the
    first rises. If that drives the design beyond another resource, as from LUTs into DSPs, steps become
    smaller. Each such design is also tried with as many of its layers in DSPs as the board has room for.
    """
    prices, dearer, last, first = dict(search.prices), _DEARER, "", ""
    for attempt in range(1, _ATTEMPTS + 1):
        found = search.fold_for(cycles, prices, price_of_cycle)
        if found is None:
            return None, ""
        over = exceeded(search.estimator.total(found), board, lut_share, ignored)
        if not over:
            return found, ""
        mixed = within_dsps(search.estimator, found, prices, int(board.resources["dsp"]))
        if mixed and not exceeded(search.estimator.total(mixed), board, lut_share, ignored):
            return mixed, ""
        if last not in ("", over):
            dearer **= 0.5
        if attempt == _ATTEMPTS_AT_ONE and dearer == _DEARER:
            break
        first, last = first or over, over
        prices[_FIGURES[over][1]] *= dearer
    return None, first


def _always(search: Search, board: Board, lut_share: float) -> frozenset[str]:
    """Resources that every folding exceeds."""
    found = set()
    for resource, (_, figure) in _FIGURES.items():
        least = search.fold_for(FOREVER, {figure: 1.0})
        if least is not None and exceeded(
            search.estimator.total(least), board, lut_share, frozenset(_FIGURES) - {resource}
        ):
            found.add(resource)
    return frozenset(found)


def _too_fast(search: Search, board: Board, clock_mhz: float, target_fps: float, lut_share: float) -> str:
    asked = f"a rate that {board.name} reaches was expected, but {target_fps:g} frames/s came"
    best, limit = _fastest(search, board, lut_share)
    least = search.estimator.total(best)
    over = exceeded(least, board, lut_share)
    if over:
        name, figure = _FIGURES[over]
        takes = (
            f"{getattr(least, figure):,.0f} {over} (estimated), of which the board has "
            f"{board.resources[name]:,}"
        )
        return f"{asked}, and the network takes {takes}, at any rate; take a larger board"
    rate = clock_mhz * 1e6 / search.estimator.interval(best)
    return (
        f"{asked}; at {clock_mhz:g} MHz the fastest is {rate:.{0 if rate >= 10 else 2}f} frames/s "
        f"(estimated), where {limit} ends first; ask for less or take a "
        "larger board"
    )


def _fastest(search: Search, board: Board, lut_share: float) -> tuple[Foldings, str]:
    """Bisection on the cycles of a frame; also says what keeps it from going faster."""
    always = _always(search, board, lut_share)
    # LUTs are what designs end in most; of the others, what the board has none of stays out of reach.
    best = search.fold_for(FOREVER, {**search.prices, "lut_high": 1e6 * search.prices["lut_high"]})
    assert best is not None
    if "LUT" in always:
        return best, "LUT"
    candidates, limit = search.intervals(), ""
    low, high = 0, len(candidates) - 1
    while low <= high:
        middle = (low + high) // 2
        found, over = within(search, board, candidates[middle], lut_share, always)
        if found is None:
            low, limit = middle + 1, over
        else:
            high, best = middle - 1, found
    return best, limit or f"the parallelism of {bottleneck(search.estimator, best)}"


def bottleneck(estimator: Estimator, foldings: Foldings) -> str:
    """The operator that takes the most cycles."""
    found = estimator.estimate(foldings)
    return max(found, key=lambda name: found[name].cycles)


@dataclass(frozen=True)
class NextStep:
    """The cheapest design that is faster than another one.

    Attributes
    ----------
    interval : int
        Cycles between frames.
    foldings : dict of str to Folding
        Of the layers.
    resources : Resources
        Of the whole design.
    """

    interval: int
    foldings: Foldings
    resources: Resources


def next_step(search: Search, interval: int) -> NextStep | None:
    """The cheapest design with a shorter interval; None if the parallelism of some operator ends."""
    found = search.fold_for(interval - 1)
    return (
        None
        if found is None
        else NextStep(search.estimator.interval(found), found, search.estimator.total(found))
    )


def wider_outputs(estimator: Estimator, foldings: Foldings) -> Foldings:
    """Outputs that keep a network waiting when they leave in beats of the usual width, in wider ones."""
    graph, interval, lanes = estimator.graph, estimator.interval(foldings), estimator.lanes(foldings)
    ends, found = end_spaces(graph), dict[str, Folding]()
    for index, port in enumerate(graph.outputs):
        tensor, name = graph.tensors[port.tensor], output_reader(index)
        usual = largest_lanes(tensor, lanes[tensor.name])
        wider = [n for n in ends[name].axes[0].divisors if n > usual]
        if name not in foldings and codes(tensor) > interval * usual and wider:
            found[name] = EndFolding(next((n for n in wider if codes(tensor) <= interval * n), wider[-1]))
    return found


def scheduled(estimator: Estimator, foldings: Foldings) -> int:
    """Cycles between frames as the schedule has them: more than `Estimator.interval` where passes limit."""
    made = foldings | wider_outputs(estimator, foldings)
    return outline.interval(estimator.graph, made, estimator.clock_mhz)


def spaces(graph: Graph) -> dict[str, FoldingSpace]:
    """What every layer offers, by name: the operators that can be folded."""
    found = {op.name: op.folding_space(graph.input_tensors(op)) for op in graph.operators}
    return {name: space for name, space in found.items() if space.axes or space.choices}


def check(foldings: Foldings, graph: Graph, where: str) -> Foldings:
    """Foldings that fit the graph, those of layers that are missing being the least parallel.

    Ends that are missing have the usual number of codes in a beat.

    Raises
    ------
    UserError
        For a name that is no layer, or a folding that does not suit it.
    """
    layers, ends = spaces(graph), end_spaces(graph)
    for name, folding in foldings.items():
        _space(layers, ends, name, where).check(folding, name)
    found = {name: foldings.get(name) or space.type() for name, space in layers.items()}
    return found | {name: foldings[name] for name in ends if name in foldings}


def _space(
    layers: dict[str, FoldingSpace], ends: dict[str, FoldingSpace], name: str, where: str
) -> FoldingSpace:
    if name not in layers and name not in ends:
        raise UserError(
            f"foldings of layers were expected in {where}, but {brief(name)} is no layer; layers are "
            f"{listed(layers)}"
        )
    return layers.get(name) or ends[name]


def read(path: str | Path, graph: Graph) -> Foldings:
    """Folding file: JSON ``{"layer": {"pe": 4, "simd": 8, "multiplier": "dsp", "memory": "block"}, ...}``.

    A layer names all its axes, and the choices that are not the default (multiplier "lut", memory "auto").
    One that is missing does one product at a time. An end is named by its port, ``"input port 0": {"lanes":
    8}``: codes that enter or leave in a cycle.

    Raises
    ------
    UserError
    """
    return from_json(load(path), graph, str(path))


def load(path: str | Path) -> dict[str, object]:
    """What a folding file says, not yet checked; raises UserError where it is no object in JSON."""
    try:
        data = untrusted.json_data(untrusted.text(Path(path), MAX_FILE))
    except (OSError, ValueError) as error:
        raise UserError(
            f"a folding file in JSON was expected, but {path} cannot be read ({error}); 'pyqkit report "
            "--json' lists the layers"
        ) from error
    return _object(data, str(path))


def _object(data: object, where: str) -> dict[str, object]:
    if not isinstance(data, dict):
        raise UserError(
            f"an object of layers was expected in {where}, but a {type(data).__name__} came; write "
            "{'layer': {'pe': 1, 'simd': 1}}"
        )
    return data


def from_json(data: object, graph: Graph, where: str) -> Foldings:
    """Foldings of a graph from JSON data, checked as by `check`."""
    data = _object(data, where)
    layers, ends = spaces(graph), end_spaces(graph)
    found = {
        name: _from_entry(_space(layers, ends, name, where), name, entry, where)
        for name, entry in data.items()
    }
    return check(found, graph, where)


def _from_entry(space: FoldingSpace, name: str, entry: object, where: str) -> Folding:
    axes, choices = [axis.name for axis in space.axes], [choice.name for choice in space.choices]
    needed = [axis.name for axis in space.axes if not axis.optional]
    came = f"for {brief(name)} in {where}, but {shortened(json.dumps(entry))} came"
    if not (isinstance(entry, dict) and set(needed) <= set(entry) and _whole(entry, axes)):
        raise UserError(f"whole numbers {' and '.join(needed)} were expected {came}; give all of them")
    words = all(isinstance(entry.get(choice, ""), str) for choice in choices)
    if not (words and set(entry) <= {*axes, *choices}):
        more = "".join(f"{axis} and " for axis in axes if axis not in needed)
        known = f"{' and '.join(needed)}, and perhaps {more}the words {' and '.join(choices) or 'none'},"
        raise UserError(f"{known} were expected {came}; leave out the rest")
    return space.type(**entry)


def _whole(entry: dict, axes: list[str]) -> bool:
    return all(type(entry.get(axis, 1)) is int for axis in axes)


def to_json(foldings: Foldings) -> dict[str, dict[str, int | str]]:
    """What `from_json` reads."""
    return {name: settings(folding) for name, folding in foldings.items()}


def text(foldings: Foldings, passes: int = 1) -> str:
    """A folding file, a layer a line, to be edited and read again.

    Where frames pass hardware several times, its first line says how often.
    """
    shared = {SHARED: {"passes": passes}} if passes > 1 else {}
    rows = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in (shared | to_json(foldings)).items()
    )
    return f"{{\n{rows}\n}}\n"


def write(foldings: Foldings, path: str | Path, force: bool = False, passes: int = 1) -> None:
    """Write a folding file; see `text`.

    Raises
    ------
    UserError
        If there is a file already and `force` is not given.
    """
    with replacing(Path(path), force) as beside:
        beside.write_text(text(foldings, passes))
