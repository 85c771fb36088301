"""From the operators of a graph to passes of an array; one rule for each kind of operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pyqkit.array.compiler.kernels import (
    by_integers,
    dense,
    joined,
    side_by_side,
    smaller,
    times_one,
    widest,
)
from pyqkit.array.compiler.neighbours import neighbours, of_neighbours, stored_shape
from pyqkit.array.compiler.passes import (
    NONE,
    POINT,
    Codes,
    Hosted,
    Item,
    Outside,
    Part,
    Pass,
    Stored,
    Sums,
    Term,
    View,
    Wide,
)
from pyqkit.array.compiler.requantise import MOST_BOUNDARIES, Scaling, rising, scaling
from pyqkit.array.compiler.wide import BOTH_BITS, high_half, holds_halves, low_half, rest
from pyqkit.array.families import Family
from pyqkit.array.machine import SLOT_BITS, Machine
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph, Operator
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.graph.ops.transpose import Transpose
from pyqkit.graph.ops.window import SlidingWindow


class LacksOperator(UserError):
    """The array lacks an operator, whatever its formats: the host does it."""


class Lowering:
    """Passes of a graph, and operators of the host between them.

    Parameters
    ----------
    graph : Graph
    machine : Machine
    family : Family
    rounding : bool
        Go on where factors are too wide, and say where: the passes are no good then.

    Attributes
    ----------
    wide : list of str
        Requantisers whose factors have to be rounded.
    items : list of Pass or Hosted
        In an order in which each comes behind those whose results it reads.
    stored : dict of str to Stored
        Inputs, and what passes or the host write.
    beside : dict of str to int
        For each input how many neighbouring pixels of a row are stored as one.
    outside : dict of str to str
        What is read beside the array, the graph's outputs among it: for each tensor of the graph the stored
        one that has its elements, or the output of a pass that sends sums.

    Raises
    ------
    UserError
        Naming the layer, for what the machine lacks.
    """

    def __init__(self, graph: Graph, machine: Machine, family: Family, rounding: bool = False) -> None:
        self._rounding, self.wide = rounding, list[str]()
        self.graph, self.machine, self.family = graph, machine, family
        self.items: list[Item] = []
        self.stored: dict[str, Stored] = {}
        self.outside: dict[str, str] = {}
        self._values: dict[str, View | Sums | Wide | Outside] = {}
        self.beside = {port.tensor: neighbours(graph, machine, port.tensor) for port in graph.inputs}
        for port in graph.inputs:
            self._store(port.tensor)
        for op in graph.operators:
            self._lower(op)
        for port in graph.outputs:
            self._send(port.tensor)

    @property
    def passes(self) -> list[Pass]:
        """What the array does."""
        return [item for item in self.items if isinstance(item, Pass)]

    def _lower(self, op: Operator) -> None:
        """By its rule, or on the host."""
        rule, made = _RULES.get(type(op)), len(self.items)
        try:
            if rule is None:
                raise self.lacking(op, f"an operator {op.kind}", "the host does it")
            self._values[op.outputs[0]] = rule(self, op)
        except LacksOperator:
            del self.items[made:]
            for name in op.inputs:
                self._send(name)
            self.items.append(Hosted(op))
            for name in op.outputs:
                fits = self.family.stores(self.graph.tensors[name].format)
                self._values[name] = self._store(name) if fits else Outside(name)

    def lacking(self, op: Operator, what: str, remedy: str) -> LacksOperator:
        """What is said of an operator that the machine lacks."""
        return LacksOperator(str(self.refusal(op, what, remedy)))

    def refusal(self, op: Operator, what: str, remedy: str) -> UserError:
        """What is said of a layer whose numbers the machine does not hold."""
        return UserError(
            f"layers that the array {self.machine.name} has were expected, but {op.name} is {what}; {remedy}"
        )

    # ---- values --------------------------------------------------------------------------------------------

    def _store(self, name: str) -> View:
        t = self.graph.tensors[name]
        shape = stored_shape(self.graph, name, self.beside.get(name, 1))
        self._values[name] = view = self._keep(Stored(name, shape, t.format, t.low, t.high))
        return view

    def _keep(self, stored: Stored) -> View:
        self.stored[stored.name] = stored
        return View.of(stored)

    def _value(self, op: Operator, name: str) -> View | Sums | Wide:
        value = self._values[name]
        if isinstance(value, Outside):
            raise self.lacking(op, f"a {op.kind} of numbers that the host has made", "the host does it, too")
        return value

    def view(self, op: Operator, name: str) -> View:
        """Codes that an operator reads."""
        value = self._value(op, name)
        if isinstance(value, Wide):
            raise self.lacking(op, f"a {op.kind} of codes of over {SLOT_BITS} bits", "the host does it")
        if isinstance(value, Sums):
            raise self.lacking(op, f"a {op.kind} of sums that are not quantised", "quantise them before it")
        return value

    def sums(self, op: Operator, name: str) -> Sums:
        """Sums that an operator reads; codes are their own sums."""
        value = self._value(op, name)
        return value if isinstance(value, Sums) else self.window(op, value, POINT)

    def window(self, op: Operator, value: View | Wide, window: SlidingWindow) -> Sums:
        """Each channel's numbers, summed over a window."""
        if isinstance(value, View):
            return self.moved(op, value, window)
        low, high = (self.moved(op, view, window) for view in (value.low, value.high))
        more = [term.times(np.full(len(term.multipliers), 1 << SLOT_BITS)) for term in high.terms]
        return replace(low, terms=(*low.terms, *more))

    def moved(self, op: Operator, view: View, window: SlidingWindow, pad: int | None = None) -> Sums:
        """Each channel's codes, summed over a window."""
        if view.flat:
            raise self.lacking(
                op, "not a convolution behind a flattened image", "flatten before a linear layer"
            )
        count, parts = len(view.channels), []
        for index, pixels in enumerate(view.pieces):
            tensor = self.stored[pixels.tensor]
            weights = np.full((count, 1, 1, tensor.shape[2]), NONE)
            here = np.flatnonzero(view.channels[:, 0] == index)
            weights[here, 0, 0, view.channels[here, 1]] = 1
            code = (tensor.format.zero_code if any(window.padding) else 0) if pad is None else pad
            parts.append(Part(pixels, view.size, window, weights, self.family.unit, code))
        if window is not POINT:
            return Sums((op.name,), window.out_size(view.size), (Term(tuple(parts), times_one(count)),))
        return Sums((), view.size, (Term(tuple(parts), times_one(count), self._values_of(view)),))

    def _values_of(self, view: View) -> tuple[int, ...]:
        """Integers that codes of a view can be."""
        found = {0} if (view.channels == NONE).any() else set[int]()
        for piece in view.pieces:
            tensor = self.stored[piece.tensor]
            integers = tensor.format.integers[tensor.format.codes]
            found |= set(integers[(integers >= tensor.low) & (integers <= tensor.high)].tolist())
        return tuple(sorted(found))

    def _send(self, name: str) -> None:
        """A tensor that is read beside the array."""
        value = self._values[name]
        if name in self.outside or isinstance(value, Outside):
            return
        self.outside[name] = name
        producer = self.graph.producer(name)
        if isinstance(value, Wide):
            assert producer is not None  # inputs are not wide
            value = replace(self.window(producer, value, POINT), layers=(producer.name,))
        if isinstance(value, Sums):
            self.items.append(Pass(value.layers, value, None, name))
            return
        first = self.stored[value.pieces[0].tensor]
        if value.is_all_of(first):
            self.outside[name] = first.name
            return
        assert producer is not None  # inputs are stored
        self.written(producer, name, self.moved(producer, value, POINT), self._unchanged(name))

    def _unchanged(self, name: str) -> Codes:
        """Sums that are a format's integers, as its codes."""
        fmt, channels = self.graph.tensors[name].format, self.graph.tensors[name].shape[2]
        return by_integers(fmt.integers[fmt.codes], fmt.codes.astype(np.int64), channels)

    def written(self, op: Operator, name: str, sums: Sums, codes: Codes, maximum: bool = False) -> View:
        """A pass that stores codes."""
        layers = tuple(dict.fromkeys((*sums.layers, op.name)))
        self.items.append(Pass(layers, sums, codes, name, maximum=maximum))
        return self._store(name)

    # ---- operators -----------------------------------------------------------------------------------------

    def convolution(self, op: Convolution) -> Sums:
        if op.exponents is not None:
            raise self.lacking(op, "one of weights with shared exponents", "take weights of a scalar format")
        view, weights, window = self.view(op, op.inputs[0]), dense(op), op.sliding
        beside = self.beside.get(op.inputs[0], 1)
        if beside > 1:
            weights, window = of_neighbours(weights, window, beside)
        if view.flat:
            if window.kernel != (1, 1) or op.groups > 1:
                raise self.lacking(op, "one over a flattened image", "flatten before a linear layer")
            weights = weights.reshape(len(weights), *view.size, len(view.channels))
            window = SlidingWindow(view.size, (1, 1), (0, 0, 0, 0))
        parts = []
        for index, pixels in enumerate(view.pieces):
            tensor = self.stored[pixels.tensor]
            placed = np.full((*weights.shape[:3], tensor.shape[2]), NONE)
            here = np.flatnonzero(view.channels[:, 0] == index)
            if len(set(view.channels[here, 1].tolist())) < len(here):
                raise self.lacking(op, "one over channels that come twice", "repeat its weights instead")
            placed[..., view.channels[here, 1]] = weights[..., here]
            pad = tensor.format.zero_code if any(window.padding) else 0
            parts.append(Part(pixels, view.size, window, placed, op.weight_format, pad))
        return Sums((op.name,), window.out_size(view.size), (Term(tuple(parts), times_one(len(weights))),))

    def sum_pool(self, op: SumPool) -> Sums:
        value = self._value(op, op.inputs[0])
        view = value if isinstance(value, Wide) else self.view(op, op.inputs[0])
        fmt = self.graph.tensors[op.inputs[0]].format
        if any(op.padding) and not fmt.has_zero:
            raise self.lacking(op, f"a padded pool of {fmt}, which has no zero", "pool without padding")
        return self.window(op, view, op.sliding)

    def max_pool(self, op: MaxPool) -> View:
        view = self.view(op, op.inputs[0])
        lowest = self.graph.tensors[op.inputs[0]].format.lowest_code
        sums = self.moved(op, view, op.sliding, pad=lowest)
        return self.written(op, op.outputs[0], sums, self._unchanged(op.outputs[0]), maximum=True)

    def add(self, op: Add) -> Sums:
        values = [self.sums(op, name) for name in op.inputs]
        layers = [layer for value in values for layer in value.layers]
        terms = [term.times(row) for value, row in zip(values, op.multipliers) for term in value.terms]
        return Sums((*layers, op.name), values[0].size, joined(terms, self.stored))

    def requantise(self, op: Threshold | Rescale) -> View | Wide:
        if isinstance(op, Rescale) and SLOT_BITS < op.format.bits <= BOTH_BITS:
            return self._wide(op)
        tensor = self.graph.tensors[op.inputs[0]]
        function = rising(op, tensor.low, tensor.high)
        if function is None or function.thresholds.shape[1] > MOST_BOUNDARIES:
            what = f"a requantiser of over {MOST_BOUNDARIES} boundaries, or of other codes in each channel"
            raise self.lacking(op, what, "quantise to at most 8 bits, by one rising function")
        machine, sums = self.machine, self.sums(op, op.inputs[0])
        found = scaling(function, machine.multiplier_bits, machine.offset_bits)
        fits = found is not None and widest(sums) * int(abs(found.multipliers).max()) < 2 ** (
            machine.multiplier_bits - 1
        )
        joint = None if fits else smaller(machine, sums, function)
        if joint is not None:
            return self.written(op, op.outputs[0], *joint)
        if not fits and self._rounding and isinstance(op, Threshold):
            self.wide.append(op.name)  # of another graph, in which its factors are rounded
            ones, zeros = np.ones(len(function.sign), np.int64), np.zeros(len(function.sign), np.int64)
            found = Scaling(ones, zeros, function.thresholds[0], function.codes)
        if found is None:
            what = f"a requantiser whose factors need more than {machine.parameter_bits} bits a channel"
            raise self.refusal(op, what, "scale its weights by tensor, or quantise to fewer bits")
        codes = Codes(found.multipliers, found.offsets, found.boundaries, found.codes)
        return self.written(op, op.outputs[0], sums, codes)

    def _wide(self, op: Rescale) -> Wide:
        """Both halves of a result, each a pass."""
        if not holds_halves(self.machine, self.family):
            raise self.lacking(op, f"a requantiser to {op.format}", f"quantise to at most {SLOT_BITS} bits")
        sums, tensor = self.sums(op, op.inputs[0]), self.graph.tensors[op.outputs[0]]
        stored, codes = high_half(op, tensor, self._unused(f"{tensor.name}_high"))
        high = self._keep(stored)
        self.items.append(Pass((*dict.fromkeys((*sums.layers, op.name)),), sums, codes, stored.name))
        left = rest(op, sums, self.moved(op, high, POINT))
        stored, codes = low_half(op, tensor, self._unused(f"{tensor.name}_low"))
        self.items.append(Pass((op.name,), left, codes, stored.name))
        return Wide(high, self._keep(stored))

    def _unused(self, name: str) -> str:
        """A name that no tensor of the graph has."""
        return self._unused(f"{name}_") if name in self.graph.tensors else name

    def lookup(self, op: Lookup) -> View:
        if len(op.codes) != 1:
            raise self.lacking(op, "a table of its own for each channel", "take one table for all channels")
        view, fmt = self.view(op, op.inputs[0]), self.graph.tensors[op.inputs[0]].format
        if len(fmt.codes) > MOST_BOUNDARIES + 1:
            raise self.lacking(op, f"a table of {len(fmt.codes)} codes", "take at most 8 bits")
        codes = by_integers(fmt.integers[fmt.codes], op.codes[0, fmt.codes], len(view.channels))
        return self.written(op, op.outputs[0], self.moved(op, view, POINT), codes)

    def permute(self, op: Permute) -> View | Sums | Wide:
        value, channels = self._value(op, op.inputs[0]), np.array(op.channels)
        if isinstance(value, Sums):
            terms = tuple(term.selected(channels) for term in value.terms)
            return Sums((*value.layers, op.name), value.size, terms)
        if isinstance(value, Wide):
            return Wide(value.high.permuted(channels), value.low.permuted(channels))
        if value.flat:
            raise self.lacking(op, "one of a flattened image", "permute before flattening")
        return value.permuted(channels)

    def slice(self, op: Slice) -> View:
        return self.view(op, op.inputs[0]).sliced(op.start, op.step, op.size)

    def pad(self, op: Pad) -> View:
        view = self.view(op, op.inputs[0])
        before, after = op.before[2], op.after[2]
        channels = np.pad(view.channels, ((before, after), (0, 0)), constant_values=NONE)
        view = View(view.size, view.pieces, channels, view.flat)
        sides = (*op.before[:2], *op.after[:2])
        if not any(sides):
            return view
        sums = self.moved(op, view, SlidingWindow((1, 1), (1, 1), sides))
        return self.written(op, op.outputs[0], sums, self._unchanged(op.outputs[0]))

    def concat(self, op: Concat) -> View:
        views = [self.view(op, name) for name in op.inputs]
        if op.axis == 2 and not any(view.flat for view in views):
            return side_by_side(views)
        origin = [0, 0]
        for view in views:
            sums, codes = self.moved(op, view, POINT), self._unchanged(op.outputs[0])
            self.items.append(Pass((op.name,), sums, codes, op.outputs[0], (origin[0], origin[1])))
            origin[op.axis] += view.size[op.axis]
        return self._store(op.outputs[0])

    def reshape(self, op: Reshape) -> View | Sums | Wide:
        value = self._value(op, op.inputs[0])
        tensor = self.graph.tensors[op.inputs[0]]
        if not isinstance(value, View):
            if op.shape != tensor.shape:
                raise self.lacking(op, "a reshape of sums that are not quantised", "quantise them before it")
            return value
        found = value.reshaped(op.shape)
        if found is None:
            what = f"a reshape from {tensor.shape} to {op.shape}"
            raise self.lacking(op, what, "keep channels together, or flatten before a linear layer")
        return found

    def transpose(self, op: Transpose) -> View:
        view = self.view(op, op.inputs[0])
        if view.flat or op.rows != view.size[0]:
            raise self.lacking(op, "a transposition within blocks of rows", "transpose whole images")
        return view.turned()


_RULES: dict[type[Operator], Callable[[Lowering, Any], View | Sums | Wide]] = {
    Convolution: Lowering.convolution,
    SumPool: Lowering.sum_pool,
    MaxPool: Lowering.max_pool,
    Add: Lowering.add,
    Threshold: Lowering.requantise,
    Rescale: Lowering.requantise,
    Lookup: Lowering.lookup,
    Permute: Lowering.permute,
    Slice: Lowering.slice,
    Pad: Lowering.pad,
    Concat: Lowering.concat,
    Reshape: Lowering.reshape,
    Transpose: Lowering.transpose,
}
