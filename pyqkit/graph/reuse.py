"""Hardware that frames pass several times: equal parts of a network, built once, with switched constants.

A network of equal layers (the blocks of a transformer) is a run of isomorphic sub-graphs, each with one
tensor in and one out, of one shape and format. They can be one set of hardware, whose memories hold the
constants of every pass and whose last tensor goes back to its first. What is computed stays what the whole
graph says; `looped` is what is built.

Sums need not have equal formats: the hardware has that of the widest. Fields of operators that it can switch
are told by `Operator.switched`; those that it cannot must be equal.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats import Integer
from pyqkit.formats.reading import check, text, whole
from pyqkit.graph import common_tables
from pyqkit.graph.fields import text_field, whole_field
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.names import LONGEST, Identifiers

_NAMES = frozenset(item.name for item in fields(Operator))
_SHORTEST = 2  # operators of a part that is worth a way back

Part = Sequence[Operator]
K = TypeVar("K", bound=Operator)


@dataclass(frozen=True)
class Reuse:
    """Which operators of a graph share hardware.

    Attributes
    ----------
    first : str
        The first operator of the first pass.
    length : int
        Operators of a pass, which follow one another in the graph.
    passes : int
        2 or more.
    """

    first: str
    length: int
    passes: int

    def to_json(self) -> dict[str, str | int]:
        """As plain data."""
        return {"first": self.first, "length": self.length, "passes": self.passes}

    @classmethod
    def from_json(cls, data: Any) -> Reuse:
        """What `to_json` wrote, read without trust; raises one of `formats.reading.DAMAGE`."""
        check(isinstance(data, dict), "passes are no table")
        return cls(text(data["first"]), whole(data["length"], 1), whole(data["passes"], 2))


@dataclass
class LoopEntry(Operator):
    """Where frames enter hardware that they pass `passes` times: from outside, then what came back."""

    passes: int = whole_field(least=2)

    kind = "loop_entry"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        return [replace(inputs[0], name=self.outputs[0])]


@dataclass
class LoopExit(Operator):
    """Where frames leave it, the last time alone; the other times they go back to operator `entry`."""

    passes: int = whole_field(least=2)
    entry: str = text_field()

    kind = "loop_exit"

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        return [replace(inputs[0], name=self.outputs[0])]


def find(graph: Graph) -> Reuse | None:
    """The equal parts whose sharing saves the most operators; None if there are none.

    Of parts that save as many, those with the narrowest codes between them are taken, then the first.
    """
    numbers: dict[Hashable, int] = {}
    keys = [numbers.setdefault(_key(graph, op), len(numbers)) for op in graph.operators]
    best, found = (0, 0), None
    for first in range(len(keys)):
        for length in range(_SHORTEST, (len(keys) - first) // 2 + 1):
            for passes in range(_repeats(keys, first, length), 1, -1):
                saved, chosen = (passes - 1) * length, Reuse(graph.operators[first].name, length, passes)
                if saved < best[0]:
                    break
                if not refusal(graph, chosen):
                    (entered,), _ = _crossing(graph, _parts(graph, chosen)[0])
                    worth = saved, -graph.tensors[entered].format.bits
                    if worth > best:
                        best, found = worth, chosen
                    break
    return found


def _repeats(keys: list[int], first: int, length: int) -> int:
    if keys[first + length] != keys[first]:
        return 1
    part, passes = keys[first : first + length], 1
    while keys[first + passes * length : first + (passes + 1) * length] == part:
        passes += 1
    return passes


def refusal(graph: Graph, reuse: Reuse) -> str:
    """Why parts of a graph cannot share hardware; empty if they can."""
    names = [op.name for op in graph.operators]
    if reuse.first not in names or names.index(reuse.first) + reuse.length * reuse.passes > len(names):
        return f"there are not {reuse.passes} times {reuse.length} operators from {reuse.first} on"
    parts = _parts(graph, reuse)
    crossing = [_crossing(graph, part) for part in parts]
    for part, both in zip(parts, crossing):
        several = next((tensors for tensors in both if len(tensors) != 1), None)
        if several is not None:
            return f"the part from {part[0].name} on has {', '.join(several) or 'nothing'} at one end"
    for (_, (left,)), ((entered,), _), part in zip(crossing, crossing[1:], parts[1:]):
        outside = {op.name for op in graph.consumers(left)} - {op.name for op in part}
        if left != entered or outside or left in {port.tensor for port in graph.outputs}:
            return f"{left} is not read by the next part alone"
    ends = [graph.tensors[name] for (entered,), (left,) in crossing for name in (entered, left)]
    for tensor in ends:
        if (tensor.shape, tensor.format) != (ends[0].shape, ends[0].format):
            return f"{ends[0].name} and {tensor.name} differ in shape or format"
    return next(filter(None, (_difference(graph, parts[0], part) for part in parts[1:])), "")


def left_out(graph: Graph, reuse: Reuse) -> list[str]:
    """A sentence for each part beside those that share hardware which does the same and has its own."""
    kinds = [
        (op.kind, *(graph.tensors[n].shape for n in (*op.inputs, *op.outputs))) for op in graph.operators
    ]
    place = _place(graph, reuse)
    part, found = kinds[place : place + reuse.length], []
    for start in (place - reuse.length, place + reuse.length * reuse.passes):
        if start < 0 or kinds[start : start + reuse.length] != part:
            continue
        first = graph.operators[min(start, place)].name
        why = refusal(graph, replace(reuse, first=first, passes=reuse.passes + 1))
        found.append(
            f"the layers from {graph.operators[start].name} on do the same as those that share hardware, and "
            f"have their own: {why}; what the last layer reads has the --ends-format of pyqkit quantise"
        )
    return found


def looped(graph: Graph, reuse: Reuse) -> Graph:
    """What is built: the first part with the constants of all, between a `LoopEntry` and a `LoopExit`.

    Tensors and operators of the first part stand for those of the others; in front and behind the graph is as
    it was. No engine runs it: `graph` stays what is computed.

    Raises
    ------
    UserError
        If the parts cannot share hardware.
    """
    reason = refusal(graph, reuse)
    if reason:
        raise UserError(
            f"equal parts, each with one tensor in and one out, were expected, but {reason}; compile "
            "the network with every layer in hardware of its own"
        )
    graph, reuse = _with_common_tables(graph, reuse)
    parts = _parts(graph, reuse)
    ((entered,), (kept,)), (_, (left,)) = (_crossing(graph, part) for part in (parts[0], parts[-1]))
    names = Identifiers([*graph.tensors, *(op.name for op in graph.operators)], LONGEST)
    inside = names.new(f"{entered}_passes")
    made = replace(graph, tensors=dict(graph.tensors), operators=[], later={})
    made.tensors[inside] = _widest(graph, [_crossing(graph, part)[0][0] for part in parts], inside)
    entry = LoopEntry(names.new(f"{inside}_entry"), [entered], [inside], reuse.passes)
    body = []
    for places in zip(*parts):
        first = places[0]
        for outputs in zip(*(op.outputs for op in places)):
            made.tensors[outputs[0]] = _widest(graph, outputs, outputs[0])
        inputs = [inside if name == entered else name for name in first.inputs]
        placed = [replace(op, name=first.name, inputs=inputs, outputs=first.outputs) for op in places]
        body.append(placed[0])
        made.later[first.name] = tuple(placed[1:])
    made.tensors[left] = replace(made.tensors[kept], name=left)
    end = LoopExit(names.new(f"{inside}_exit"), [kept], [left], reuse.passes, entry.name)
    place = graph.operators.index(parts[0][0])
    behind = graph.operators[place + reuse.length * reuse.passes :]
    made.operators = [*graph.operators[:place], entry, *body, end, *behind]
    return made


def _with_common_tables(graph: Graph, reuse: Reuse) -> tuple[Graph, Reuse]:
    """The same parts with one table of thresholds for all channels, where that is smaller."""
    parts = _parts(graph, reuse)
    made = common_tables.split(graph, [[op.name for op in part] for part in parts])
    longer = (len(made.operators) - len(graph.operators)) // reuse.passes
    first = made.operators[graph.operators.index(parts[0][0])].name
    return made, Reuse(first, reuse.length + longer, reuse.passes)


def hardware(graph: Graph, reuse: Reuse) -> dict[str, str]:
    """By operators of later passes: the operator of the first pass whose hardware they share."""
    first, *later = _parts(graph, reuse)
    return {op.name: own.name for part in later for op, own in zip(part, first)}


def variants(graph: Graph, op: K) -> list[K]:
    """What `op` is in each pass of a frame through its hardware: itself, then what `Graph.later` says."""
    return [op, *cast("tuple[K, ...]", graph.later.get(op.name, ()))]


def passes(graph: Graph, op: Operator) -> int:
    """How often a frame passes the hardware of an operator."""
    return op.passes if isinstance(op, (LoopEntry, LoopExit)) else len(variants(graph, op))


def _place(graph: Graph, reuse: Reuse) -> int:
    return [op.name for op in graph.operators].index(reuse.first)


def _parts(graph: Graph, reuse: Reuse) -> list[Part]:
    place = _place(graph, reuse)
    starts = range(place, place + reuse.length * reuse.passes, reuse.length)
    return [graph.operators[start : start + reuse.length] for start in starts]


def _crossing(graph: Graph, part: Part) -> tuple[list[str], list[str]]:
    """Tensors that a part reads of others, and those of it that others read."""
    made = [name for op in part for name in op.outputs]
    entered = dict.fromkeys(name for op in part for name in op.inputs if name not in made)
    own, ends = {op.name for op in part}, {port.tensor for port in graph.outputs}
    left = [n for n in made if n in ends or any(op.name not in own for op in graph.consumers(n))]
    return list(entered), left


def _key(graph: Graph, op: Operator) -> Hashable:
    """Equal for operators that may share hardware by what they are alone."""
    shapes = tuple(graph.tensors[name].shape for name in (*op.inputs, *op.outputs))
    own = tuple(
        (name, value.shape if isinstance(value, np.ndarray) else repr(value))
        for name, value in vars(op).items()
        if name not in _NAMES and (name not in op.switched or isinstance(value, np.ndarray))
    )
    return op.kind, shapes, own


def _difference(graph: Graph, first: Part, part: Part) -> str:
    """How a part differs from the first one; empty where they are alike."""
    (entered,), (other,) = (_crossing(graph, each)[0] for each in (first, part))
    names = {entered: other}
    for a, b in zip(first, part):
        if _key(graph, a) != _key(graph, b):
            return f"{a.name} and {b.name} are not of one kind, shape and format"
        if [names.get(name) for name in a.inputs] != b.inputs:
            return f"{a.name} and {b.name} do not read the same"
        names |= dict(zip(a.outputs, b.outputs))
        for pair in zip(a.outputs, b.outputs):
            formats = {graph.tensors[name].format for name in pair}
            if len(formats) > 1 and not all(
                isinstance(fmt, Integer) and not fmt.zero_point for fmt in formats
            ):
                return f"{pair[0]} and {pair[1]} differ in format"
        for name, value in vars(a).items():
            built_in = isinstance(value, np.ndarray) and name not in a.switched
            if built_in and not np.array_equal(value, getattr(b, name)):
                return f"{a.name} and {b.name} differ in {name}, which is built in"
    return ""


def _widest(graph: Graph, names: Sequence[str], name: str) -> Tensor:
    """A tensor that holds the integers of all these."""
    found = [graph.tensors[each] for each in names]
    low, high = min(tensor.low for tensor in found), max(tensor.high for tensor in found)
    if all(tensor.format == found[0].format for tensor in found):
        return replace(found[0], name=name, low=low, high=high)
    return Tensor.accumulator(name, found[0].shape, low, high)
