"""Where a network's numbers are rounded, so that what is exported lowers as it is.

Rounded are the input, what leaves an activation function, and everything else that a layer with weights, a
pool, a product, a softmax, a norm or a joining of tensors reads. Sums of a layer with weights are not: added
to a shortcut, which is rounded where it begins, they reach the next activation function exactly. What moves
numbers without changing them (max pools, slices, shuffles) is passed: the rounding stands before it. What is
joined has one scale, so that it is never rounded again; so have constant tokens and the tensors that they are
joined or added to (the class token and the positions of a transformer).

`layer_inputs` is the simpler rule of studies: what layers with weights read, where they read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import getitem

import torch
from torch import Tensor, fx
from torch.fx.passes.shape_prop import ShapeProp

from pyqkit.quant.ptq.parts import Kind, kind, never_negative

_PASSED = (Kind.MOVE, Kind.MAX_POOL, Kind.JOIN)
_READERS = (
    *(Kind.WEIGHTS, Kind.MAX_POOL, Kind.MEAN, Kind.JOIN, Kind.PRODUCT),
    *(Kind.MATRIX_PRODUCT, Kind.SOFTMAX, Kind.NORM),
)


@dataclass(frozen=True)
class Group:
    """Nodes whose results are rounded with one format and one scale.

    Attributes
    ----------
    nodes : tuple of fx.Node
    never_negative : bool
        None of their results can be.
    at_end : bool
        The first or the last layer with weights reads one of them.
    readers : tuple of fx.Node
        Who gets the rounded numbers; all who read them, if there are none.
    """

    nodes: tuple[fx.Node, ...]
    never_negative: bool
    at_end: bool
    readers: tuple[fx.Node, ...] = ()


@dataclass(frozen=True)
class Places:
    """All that is rounded: activations in groups, and which layers with weights are first and last.

    Attributes
    ----------
    groups : tuple of Group
        In order of execution.
    layers : tuple of fx.Node
        Layers with weights, in order of execution.
    ends : frozenset of fx.Node
        Those that no other stands before, or behind.
    """

    groups: tuple[Group, ...]
    layers: tuple[fx.Node, ...]
    ends: frozenset[fx.Node]


def places(graph: fx.GraphModule, frames: Tensor, negative_input: bool) -> Places:
    """Find them.

    Parameters
    ----------
    graph : fx.GraphModule
        As `pyqkit.quant.ptq.tracing.traced` makes it.
    frames : Tensor
        One frame or more, for shapes.
    negative_input : bool
        Whether the network's input has negative numbers.
    """
    with torch.no_grad():
        ShapeProp(graph).propagate(frames[:1])
    flow = _Flow(graph, negative_input)
    order = {node: index for index, node in enumerate(graph.graph.nodes)}
    layers = tuple(node for node in order if flow.kinds[node] is Kind.WEIGHTS)
    ends = frozenset(flow.ends())
    near_ends = {source for node in ends for source in flow.sources(flow.tensors(node))}
    groups = [
        Group(nodes, all(map(flow.never_negative, nodes)), not near_ends.isdisjoint(nodes))
        for nodes in _united(flow.rounded(), flow.joined(), order)
    ]
    return Places(tuple(groups), layers, ends)


def layer_inputs(graph: fx.GraphModule, frames: Tensor, negative_input: bool) -> Places:
    """What layers with weights read, and nothing else: between them a network computes with real numbers.

    Parameters are those of `places`. A network that is rounded so measures formats; it is not exported.
    """
    with torch.no_grad():
        ShapeProp(graph).propagate(frames[:1])
    flow = _Flow(graph, negative_input)
    layers = tuple(node for node, does in flow.kinds.items() if does is Kind.WEIGHTS)
    ends = frozenset(flow.ends())
    readers: dict[fx.Node, list[fx.Node]] = {}
    for layer in layers:
        readers.setdefault(flow.tensors(layer)[0], []).append(layer)
    groups = [
        Group((node,), flow.never_negative(node), not ends.isdisjoint(reading), tuple(reading))
        for node, reading in readers.items()
    ]
    return Places(tuple(groups), layers, ends)


class _Flow:
    """How numbers go through a network."""

    def __init__(self, graph: fx.GraphModule, negative_input: bool) -> None:
        self.graph, self.negative_input = graph, negative_input
        self.kinds = {node: self._kind(node) for node in graph.graph.nodes}
        self._never_negative: dict[fx.Node, bool] = {}

    def _kind(self, node: fx.Node) -> Kind:
        """What a node does; one of several results that are computed, as those of a sort, is itself one."""
        found = kind(self.graph, node)
        if node.target is not getitem or kind(self.graph, node.all_input_nodes[0]) is not Kind.OTHER:
            return found
        return found if issubclass(node.all_input_nodes[0].meta["type"], Tensor) else Kind.OTHER

    def tensors(self, node: fx.Node) -> list[fx.Node]:
        """Inputs of a node that are tensors, and not sizes of some."""
        return [given for given in node.all_input_nodes if "tensor_meta" in given.meta]

    def sources(self, nodes: Iterable[fx.Node]) -> set[fx.Node]:
        """Where their numbers come from, before they were moved, joined or compared."""
        found: set[fx.Node] = set()
        for node in nodes:
            if self.kinds[node] in _PASSED:
                found |= self.sources(self.tensors(node))
            elif self.kinds[node] is not Kind.CONSTANT:
                found.add(node)
        return found

    def rounded(self) -> set[fx.Node]:
        """Nodes whose results are rounded."""
        found = {node for node, does in self.kinds.items() if does is Kind.INPUT and node.users}
        found |= {n for n, does in self.kinds.items() if does is Kind.ACTIVATION and not self._is_result(n)}
        for node, does in self.kinds.items():
            if does in _READERS and self._reads_numbers(node):
                found |= self.sources(self.tensors(node))
            if self._meets_tokens(node):
                found |= self._met(node)
            if does is Kind.ADD:
                found |= set(filter(self._is_norm, self.sources(self.tensors(node))))
        return found

    def _is_norm(self, node: fx.Node) -> bool:
        """Whether a norm makes it, which no sum takes unrounded; perhaps with factors of channels."""
        given = self.tensors(node)
        moving = [tensor for tensor in given if not self._is_constant(tensor)]
        scaled = self.kinds[node] is Kind.PRODUCT and len(moving) == 1
        return self.kinds[node] is Kind.NORM or (scaled and self._is_norm(moving[0]))

    def _meets_tokens(self, node: fx.Node) -> bool:
        """Whether constant tokens are joined or added to others: the class token, positions."""
        if self.kinds[node] not in (Kind.JOIN, Kind.ADD):
            return False
        given = self.tensors(node)
        constant = [tensor for tensor in given if self._is_constant(tensor)]
        some = 0 < len(constant) < len(given)
        pairs = self.kinds[node] is Kind.ADD and _of_pairs(node, constant)
        return some and (pairs or all(map(_is_of_tokens, (node, *constant))))

    def _met(self, node: fx.Node) -> set[fx.Node]:
        """What such a node reads: tensors where their numbers come from, and constants."""
        given = self.tensors(node)
        return self.sources(given) | {
            constant for tensor in given if self._is_constant(tensor) for constant in self._origin(tensor)
        }

    def _origin(self, node: fx.Node) -> set[fx.Node]:
        """Constants that were moved."""
        if self.kinds[node] is Kind.CONSTANT:
            return {node}
        return {constant for given in self.tensors(node) for constant in self._origin(given)}

    def _reads_numbers(self, node: fx.Node) -> bool:
        """Not a constant beside a tensor, as the class token of a transformer or a factor."""
        plain = [self._is_constant(given) for given in self.tensors(node)]
        if self.kinds[node] is Kind.PRODUCT:
            return len(plain) == 2 and not any(plain)
        return not (self.kinds[node] is Kind.JOIN and any(plain)) and not self._is_result(node)

    def _is_constant(self, node: fx.Node) -> bool:
        given = self.tensors(node)
        return self.kinds[node] is Kind.CONSTANT or (
            self.kinds[node] is Kind.MOVE and all(map(self._is_constant, given))
        )

    def _is_result(self, node: fx.Node) -> bool:
        """Whether nobody computes with it: the host does what stands at a network's end."""
        if self.kinds[node] is Kind.WEIGHTS:
            return False
        return all(
            self.kinds[user] is Kind.OUTPUT or (self.kinds[user] is Kind.MOVE and self._is_result(user))
            for user in node.users
        )

    def joined(self) -> list[set[fx.Node]]:
        """Nodes whose results are joined, for each place where they are."""
        joins = (node for node, does in self.kinds.items() if does is Kind.JOIN and self._reads_numbers(node))
        tokens = (node for node in self.kinds if self._meets_tokens(node))
        return [*(self.sources(self.tensors(node)) for node in joins), *map(self._met, tokens)]

    def never_negative(self, node: fx.Node) -> bool:
        if node not in self._never_negative:
            self._never_negative[node] = self._has_no_negatives(node)
        return self._never_negative[node]

    def _has_no_negatives(self, node: fx.Node) -> bool:
        does, given = self.kinds[node], self.tensors(node)
        if does is Kind.INPUT:
            return not self.negative_input
        if does in (*_PASSED, Kind.MEAN, Kind.ADD, Kind.PRODUCT):
            constants = [n for n in node.args if isinstance(n, (int, float))] if does not in _PASSED else []
            return bool(given) and all(n >= 0 for n in constants) and all(map(self.never_negative, given))
        return never_negative(self.graph, node)

    def ends(self) -> set[fx.Node]:
        """Layers with weights that are the first on a way from the input, or the last to the output."""
        nodes = list(self.kinds)
        first = self._reached([n for n in nodes if self.kinds[n] is Kind.INPUT], lambda n: list(n.users))
        last = self._reached([n for n in nodes if self.kinds[n] is Kind.OUTPUT], self.tensors)
        return first | last

    def _reached(self, start: list[fx.Node], onwards: Callable[[fx.Node], list[fx.Node]]) -> set[fx.Node]:
        found: set[fx.Node] = set()
        seen: set[fx.Node] = set(start)
        ahead = list(start)
        while ahead:
            for node in onwards(ahead.pop()):
                if node in seen:
                    continue
                seen.add(node)
                if self.kinds[node] is Kind.WEIGHTS:
                    found.add(node)
                else:
                    ahead.append(node)
        return found


def _is_of_tokens(node: fx.Node) -> bool:
    """Whether a tensor has the shape (frames, tokens, channels)."""
    return len(node.meta["tensor_meta"].shape) == 3


def _of_pairs(node: fx.Node, constants: list[fx.Node]) -> bool:
    """Whether constants are added to scores, (frames, heads, tokens, tokens), that differ between tokens."""
    shapes = [tuple(each.meta["tensor_meta"].shape) for each in constants]
    several = all(sum(size > 1 for size in shape) > 1 for shape in shapes)
    return len(node.meta["tensor_meta"].shape) > 3 and several


def _united(
    nodes: set[fx.Node], sets: list[set[fx.Node]], order: dict[fx.Node, int]
) -> list[tuple[fx.Node, ...]]:
    """The nodes in groups: those of one set are in one group, and so are groups that share a node."""
    groups: list[set[fx.Node]] = []
    for wanted in [*sets, *({node} for node in nodes)]:
        apart = [group for group in groups if group.isdisjoint(wanted)]
        groups = [*apart, wanted.union(*(group for group in groups if group not in apart))]
    ordered = [tuple(sorted(group & nodes, key=order.__getitem__)) for group in groups]
    return sorted((group for group in ordered if group), key=lambda group: order[group[0]])
