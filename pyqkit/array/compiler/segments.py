"""Which passes make a segment: what the host does comes between them, and tensors of each fit at one time.

Segments are cut where the host has to do something, then where their tensors do not fit together; what is
needed later is spilled: it leaves with one segment and comes with another. A pass whose own tensors do not
fit is made in strips of rows, each a segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pyqkit.array.compiler.lower import Lowering
from pyqkit.array.compiler.memory import allocate
from pyqkit.array.compiler.passes import Hosted, Item, Part, Pass, Pixels
from pyqkit.array.compiler.plan import Plan, Planner
from pyqkit.array.host import HostStep
from pyqkit.array.machine import Machine
from pyqkit.array.tensors import Layout
from pyqkit.errors import UserError

GIVEN = -1  # level of the network's inputs; array and host take turns from 0 on


@dataclass(frozen=True)
class Box:
    """Rows and columns of a tensor that a segment holds: all of it, or those from `top` and `left` on."""

    tensor: str
    top: int = 0
    left: int = 0


@dataclass(frozen=True, eq=False)
class Work:
    """What a segment does.

    Attributes
    ----------
    plans : tuple of Plan
    layouts : dict of str to Layout
    addresses : dict of str to int
    loaded, kept : dict of str to Box
        What it needs of before, and what is needed of it.
    top : int
        Row of the pass at which its plan starts.
    part : float
        Of the products of its layers that it makes.
    """

    plans: tuple[Plan, ...]
    layouts: dict[str, Layout]
    addresses: dict[str, int]
    loaded: dict[str, Box]
    kept: dict[str, Box]
    top: int = 0
    part: float = 1.0


class Cutter:
    """Steps of a network.

    Parameters
    ----------
    machine : Machine
    lowered : Lowering
    planner : Planner
    """

    def __init__(self, machine: Machine, lowered: Lowering, planner: Planner) -> None:
        self._machine, self._lowered, self._layouts = machine, lowered, planner.layouts
        plans = iter(planner.plans)
        self._items: list[Item] = lowered.items
        self._plans = [next(plans) if isinstance(item, Pass) else None for item in self._items]
        outputs = {lowered.outside.get(port.tensor, port.tensor) for port in lowered.graph.outputs}
        self._wanted = outputs

    def steps(self) -> Iterator[Work | HostStep]:
        """In their order.

        Raises
        ------
        UserError
            Naming the layer, if a row of its results does not fit.
        """
        levels = self._levels()
        for level in sorted(set(levels)):
            mine = [index for index, other in enumerate(levels) if other == level]
            items = [self._items[index] for index in mine]
            hosted = [item.operator for item in items if isinstance(item, Hosted)]
            if hosted:
                yield HostStep.of(hosted, self._lowered.graph.tensors)
            else:
                yield from self._segments(mine)

    def _levels(self) -> list[int]:
        """Even for what the array does, odd for the host: each as early as what it reads allows."""
        made: dict[str, int] = {}
        found = []
        for item in self._items:
            hosted = isinstance(item, Hosted)
            level = max((made.get(name, GIVEN) for name in self._reads(item)), default=GIVEN)
            level += level % 2 != hosted
            if isinstance(item, Hosted) and any(made.get(name) == level for name in self._moved(item)):
                level += 2  # only between steps does a tensor take another shape
            for name in _writes(item):
                made[name] = max(level, made.get(name, GIVEN))
            found.append(level)
        return found

    def _reads(self, item: Item) -> set[str]:
        if isinstance(item, Pass):
            return item.reads
        return {self._lowered.outside.get(name, name) for name in item.operator.inputs}

    def _moved(self, item: Hosted) -> list[str]:
        """What the host reads in another shape than it is stored in."""
        stored = ((name, self._lowered.outside.get(name, name)) for name in item.operator.inputs)
        return [kept for name, kept in stored if kept != name]

    # ---- segments ------------------------------------------------------------------------------------------

    def _segments(self, indices: list[int]) -> Iterator[Work]:
        """As many passes in each as fit."""
        while indices:
            for count in range(len(indices), 0, -1):
                work = self._work(indices[:count])
                if work is not None:
                    yield work
                    break
            else:
                count = 1
                yield from self._strips(indices[0])
            indices = indices[count:]

    def _needed(self, names: set[str], indices: Sequence[int]) -> set[str]:
        """Which of these tensors somebody else reads."""
        others = (item for index, item in enumerate(self._items) if index not in indices)
        read = set[str]().union(*map(self._reads, others))
        return names & (self._wanted | read)

    def _work(self, indices: Sequence[int]) -> Work | None:
        """A segment of these passes; None if their tensors do not fit, or are only parts of them."""
        plans = tuple(plan for index in indices if (plan := self._plans[index]) is not None)
        made = {plan.work.output for plan in plans}
        if any(
            name in made for i, item in enumerate(self._items) if i not in indices for name in _writes(item)
        ):
            return None
        read = set[str]().union(*(plan.work.reads for plan in plans))
        layouts = {name: layout for name, layout in self._layouts.items() if name in read | made}
        kept = sorted(self._needed(made & layouts.keys(), indices))
        addresses = allocate(self._machine, layouts, plans, set(kept))
        if addresses is None:
            return None
        loaded = {name: Box(name) for name in sorted(read - made)}
        return Work(plans, layouts, addresses, loaded, {name: Box(name) for name in kept})

    # ---- strips --------------------------------------------------------------------------------------------

    def _strips(self, index: int) -> list[Work]:
        """A pass in as few strips of rows as fit."""
        plan = self._plans[index]
        assert plan is not None  # it is a pass
        height = plan.work.sums.size[0]
        sizes = {-(-height // count) for count in range(1, height + 1)}
        for rows in sorted(sizes, reverse=True):
            tops = range(0, height, rows)
            found = [self._strip(index, plan, top, min(rows, height - top)) for top in tops]
            if None not in found:
                return [work for work in found if work is not None]
        raise UserError(
            f"tensors of at most {self._machine.activation_words} words at a time were expected by the array "
            f"{self._machine.name}, but a row of {plan.work.layers[-1]} needs more; take a smaller image, or "
            "an array with a larger activation memory"
        )

    def _strip(self, index: int, plan: Plan, top: int, rows: int) -> Work | None:
        """Some rows of a pass."""
        work = plan.work
        parts = [part for term in work.sums.terms for part in term.parts]
        ends = _ends(self._layouts, parts, top, rows)
        moved = {id(part): _moved(self._layouts, part, top, rows, ends) for part in parts}
        terms = tuple(
            replace(term, parts=tuple(moved[id(part)] for part in term.parts)) for term in work.sums.terms
        )
        sums = replace(work.sums, terms=terms, size=(rows, work.sums.size[1]))
        tiles = tuple(
            replace(tile, groups=tuple(replace(group, part=moved[id(group.part)]) for group in tile.groups))
            for tile in plan.tiles
        )
        cut = replace(plan, work=replace(work, sums=sums, origin=(0, 0)), tiles=tiles)
        layouts = {name: _rows(self._layouts[name], last - first) for name, (first, last) in ends.items()}
        loaded = {name: Box(name, first) for name, (first, _) in ends.items()}
        kept = {}
        if work.codes is not None:
            layout = self._layouts[work.output]
            layouts[work.output] = replace(layout, shape=(*sums.size, layout.shape[2]))
            kept = {work.output: Box(work.output, work.origin[0] + top, work.origin[1])}
        addresses = allocate(self._machine, layouts, [cut], set(kept))
        part = rows / work.sums.size[0]
        return None if addresses is None else Work((cut,), layouts, addresses, loaded, kept, top, part)


def _writes(item: Item) -> list[str]:
    return [item.output] if isinstance(item, Pass) else item.operator.outputs


def _span(part: Part, top: int, rows: int) -> tuple[int, int]:
    """First and last row of its image that a part needs for some rows of its results."""
    window = part.window
    first = top * window.stride[0] - window.padding[0]
    last = first + (rows - 1) * window.stride[0] + (window.kernel[0] - 1) * window.dilation[0]
    most = part.size[0] - 1
    return min(max(first, 0), most), min(max(last, 0), most)


def _ends(layouts: dict[str, Layout], parts: list[Part], top: int, rows: int) -> dict[str, tuple[int, int]]:
    """First row, and the one behind the last, of each stored tensor that parts read."""
    found: dict[str, tuple[int, int]] = {}
    for part in parts:
        pixels, width = part.pixels, layouts[part.pixels.tensor].shape[1]
        first, last = _span(part, top, rows)
        low = (pixels.start + first * pixels.pitch[0]) // width
        high = (pixels.start + last * pixels.pitch[0] + (part.size[1] - 1) * pixels.pitch[1]) // width + 1
        before = found.get(pixels.tensor, (low, high))
        found[pixels.tensor] = min(before[0], low), max(before[1], high)
    return found


def _moved(
    layouts: dict[str, Layout], part: Part, top: int, rows: int, ends: dict[str, tuple[int, int]]
) -> Part:
    """A part over the rows of its tensor that are there."""
    first, last = _span(part, top, rows)
    pixels, window = part.pixels, part.window
    start = pixels.start + first * pixels.pitch[0] - ends[pixels.tensor][0] * layouts[pixels.tensor].shape[1]
    above = first - (top * window.stride[0] - window.padding[0])
    sliding = replace(window, padding=(above, *window.padding[1:]))
    view = Pixels(pixels.tensor, start, pixels.pitch)
    return replace(part, pixels=view, size=(last - first + 1, part.size[1]), window=sliding)


def _rows(layout: Layout, count: int) -> Layout:
    return replace(layout, shape=(count, *layout.shape[1:]))
