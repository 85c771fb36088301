"""Whether equal layers share hardware, and how it is folded.

A frame passes shared hardware several times, one pass behind the other: the next one begins when the first
words of the last one come back, which is later than the slowest operator says. So the search asks for fewer
cycles of an operator until the schedule of the whole has as few as are wanted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from pyqkit.boards import Board
from pyqkit.errors import UserError, brief, shortened
from pyqkit.graph.graph import Graph
from pyqkit.graph.reuse import Reuse, find, looped
from pyqkit.hardware import folding, latency
from pyqkit.hardware.estimator import Foldings
from pyqkit.hardware.fit import overflows
from pyqkit.hardware.search import Search
from pyqkit.rtl import outline

WISHES = ("auto", "on", "off")
_ATTEMPTS = 12  # searches for a schedule that is short enough
_SHORTER = 0.98  # of the cycles that the last one should have had


@dataclass(frozen=True)
class Design:
    """What a search has chosen.

    Attributes
    ----------
    reuse : Reuse or None
        Layers that share hardware.
    search : Search
        Of the operators that are built.
    foldings : dict of str to Folding
    """

    reuse: Reuse | None
    search: Search
    foldings: Foldings


def parts(graph: Graph, wish: str) -> Reuse | None:
    """Layers that can share hardware, unless they shall not; raises UserError if they shall and cannot."""
    if wish not in WISHES:
        raise UserError(f"{', '.join(WISHES)} was expected for reuse, but {brief(wish)} came; leave it out")
    found = None if wish == "off" else find(graph)
    if wish == "on" and found is None:
        raise UserError(
            "equal layers in a row, each with one tensor in and one out, were expected, but "
            f"{graph.name} has none whose formats and shapes are equal; leave --reuse out"
        )
    return found


def given(graph: Graph, board: Board, clock_mhz: float, fold: Foldings | str | Path, wish: str) -> Design:
    """The design of foldings that somebody has chosen, or of a file of such.

    Layers share hardware if that is the wish, and with the wish ``auto`` if the file says that they do.

    Raises
    ------
    UserError
        For foldings of other operators, or of another sharing.
    """
    data = {} if isinstance(fold, dict) else folding.load(fold)
    shared = folding.SHARED in data
    if shared and wish == "off":
        raise UserError(
            f"foldings of layers with hardware of their own were expected with --reuse off, but {fold} has "
            "those of layers that share theirs; leave --reuse out, or write a file without sharing"
        )
    reuse = find(graph) if shared else parts(graph, "off" if wish == "auto" else wish)
    if shared:
        _check_said(data.pop(folding.SHARED), reuse, str(fold))
    built = graph if reuse is None else looped(graph, reuse)
    if isinstance(fold, dict):
        found = folding.check(fold, built, "fold")
    else:
        found = folding.from_json(data, built, str(fold))
    return Design(reuse, folding.search_for(built, board, clock_mhz), found)


def _check_said(said: object, reuse: Reuse | None, where: str) -> None:
    """Refuse what a folding file says of layers that share hardware, unless they do so here."""
    if reuse is None or said != {"passes": reuse.passes}:
        here = "none that share hardware" if reuse is None else f"those that frames pass {reuse.passes} times"
        raise UserError(
            f"layers of this network, {here}, were expected in {where}, but "
            f"{shortened(json.dumps(said))} came; write a folding file of this network"
        )


def choose(
    graph: Graph,
    board: Board,
    clock_mhz: float,
    target_fps: float | None,
    lut_share: float | None = None,
    allow_overflow: bool = False,
    wish: str = "auto",
) -> Design:
    """The design of a network, as `folding.choose` finds it for hardware of its own for every layer.

    With the wish ``auto`` equal layers share hardware where nothing else fits the board or has the rate.

    Raises
    ------
    UserError
        If the rate cannot be met.
    """
    if wish == "auto":
        return _either(graph, board, clock_mhz, target_fps, lut_share, allow_overflow)
    reuse = parts(graph, wish)
    if reuse is None:
        search = folding.search_for(graph, board, clock_mhz)
        found = folding.choose(search, board, clock_mhz, target_fps, lut_share, allow_overflow)
        return Design(None, search, found)
    search = folding.search_for(looped(graph, reuse), board, clock_mhz)
    return Design(
        reuse, search, _short_enough(search, board, clock_mhz, target_fps, lut_share, allow_overflow)
    )


def _either(
    graph: Graph,
    board: Board,
    clock_mhz: float,
    target_fps: float | None,
    lut_share: float | None,
    allow_overflow: bool,
) -> Design:
    """Hardware of its own for every layer, or shared hardware where that does not fit or is too slow."""
    wishes = board, clock_mhz, target_fps, lut_share
    refused: UserError | None = None
    try:
        alone = choose(graph, *wishes, wish="off")
        if not overflows(alone.search.estimator.total(alone.foldings), board):
            return alone
    except UserError as error:
        refused = error
    try:
        return choose(graph, *wishes, wish="on")
    except UserError:
        if refused is not None and not allow_overflow:
            raise refused from None  # the same search would end the same way
        return choose(graph, *wishes, allow_overflow, "off")


def next_step(search: Search, foldings: Foldings, interval: int) -> folding.NextStep | None:
    """As `folding.next_step` of hardware that frames pass several times: a schedule with a shorter interval.

    Fewer cycles of an operator need not shorten it, so it is bisected how many have to be saved.

    Parameters
    ----------
    search : Search
    foldings : dict of str to Folding
        Those of now.
    interval : int
        Cycles between frames that the schedule has with them.
    """
    estimator, found = search.estimator, None
    least, now = (estimator.interval(each) for each in (search.fastest(), foldings))
    candidates = [cycles for cycles in search.intervals() if least <= cycles < now]
    low, high = 0, len(candidates) - 1
    while low <= high:
        middle = (low + high) // 2
        faster = search.fold_for(candidates[middle])
        assert faster is not None
        cycles = outline.interval(estimator.graph, faster, estimator.clock_mhz)
        if cycles < interval:
            low, found = middle + 1, folding.NextStep(cycles, faster, estimator.total(faster))
        else:
            high = middle - 1
    return found


def shorter(made: Design, board: Board, target_fps: float | None, lut_share: float | None) -> Design:
    """The same operators with a shorter latency, where `latency.shorter` finds one."""
    found = latency.shorter(made.search, board, target_fps, lut_share, made.foldings)
    return replace(made, foldings=found)


def _short_enough(
    search: Search,
    board: Board,
    clock_mhz: float,
    target_fps: float | None,
    lut_share: float | None,
    allow_overflow: bool,
) -> Foldings:
    """Foldings whose schedule has the rate."""
    found = folding.choose(search, board, clock_mhz, target_fps, lut_share, allow_overflow)
    if target_fps is None:
        return found
    wanted, asked, refused = int(clock_mhz * 1e6 / target_fps), target_fps, inf
    cycles = fewest = folding.scheduled(search.estimator, found)
    for _ in range(_ATTEMPTS):
        if cycles <= wanted:
            return found
        further = min(asked * cycles / wanted / _SHORTER, (asked + refused) / 2)
        try:
            found = folding.choose(search, board, clock_mhz, further, lut_share, allow_overflow)
        except UserError:  # of a rate that nobody but this search has asked for
            refused = further
            continue
        asked, cycles = further, folding.scheduled(search.estimator, found)
        fewest = min(fewest, cycles)
    rate = clock_mhz * 1e6 / fewest
    raise UserError(
        f"a rate that layers reach which share hardware was expected, but {target_fps:g} frames/s came, and "
        f"{rate:.2f} were found; ask for less, or take --reuse off"
    )
