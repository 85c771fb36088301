"""A network as a list of operations: its weight layers, the tensors that they read, and its blocks."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import fx, nn

from pyqkit.errors import UserError, brief, listed, plain

_WEIGHTED = (nn.Conv2d, nn.Linear)
# Weights that no format is searched for: they fold into what follows, or stay real numbers.
_REAL = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.PReLU)


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer.

    Attributes
    ----------
    name : str
        Path of the module.
    at : int
        Place among the operations.
    weights : numpy.ndarray, float32
        Outputs first.
    point : int
        Which of the network's points it reads.
    """

    name: str
    at: int
    weights: np.ndarray
    point: int


@dataclass(frozen=True)
class Point:
    """A tensor that weight layers read, which is rounded before anything reads it.

    Attributes
    ----------
    at : int
        Place of the operation that makes it.
    layers : tuple of int
        The layers that read it.
    """

    at: int
    layers: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """Layers between two places at which one tensor alone goes on, such as a residual block.

    Attributes
    ----------
    start : int
        Place of its first operation; the one before it made the tensor that goes in.
    layers : tuple of int
    """

    start: int
    layers: tuple[int, ...]


class TracedNetwork:
    """A float network, traced.

    Parameters
    ----------
    model : torch.nn.Module
        Of one input and one output; a copy of it is kept, in eval mode on the CPU.

    Attributes
    ----------
    graph : torch.fx.GraphModule
    nodes : tuple of torch.fx.Node
        In the order in which they run; the output is left out.
    layers : tuple of Layer
    points : tuple of Point
    blocks : tuple of Block
        In the order in which they run. First and last layer are no blocks of their own.

    Raises
    ------
    UserError
        If it cannot be traced, or has weights that are neither of a convolution nor of a linear layer.
    """

    def __init__(self, model: nn.Module) -> None:
        self.graph = _traced(model)
        nodes = list(self.graph.graph.nodes)
        if sum(node.op == "placeholder" for node in nodes) != 1 or not isinstance(nodes[-1].args[0], fx.Node):
            raise UserError(
                "a network of one input and one output was expected, but it has several; search a part of it"
            )
        self.output: fx.Node = nodes[-1].args[0]
        self.nodes = tuple(nodes[:-1])
        self._modules = dict(self.graph.named_modules())
        self._refuse_others()
        self._place = {node: i for i, node in enumerate(self.nodes)}
        self.points, self.layers = self._points_and_layers()
        self.blocks = tuple(self._blocks())

    def module(self, node: fx.Node) -> nn.Module:
        """The module that a node calls."""
        return self._modules[str(node.target)]

    def place(self, node: fx.Node) -> int:
        """When a node runs."""
        return self._place[node]

    def mean_bits(self, bits: Sequence[int]) -> float:
        """Mean over all weights of the bits of their layers."""
        sizes = [layer.weights.size for layer in self.layers]
        return sum(size * width for size, width in zip(sizes, bits, strict=True)) / sum(sizes)

    def _refuse_others(self) -> None:
        """Refuse networks with weights that the search would leave as they are."""
        called = [str(node.target) for node in self.nodes if node.op == "call_module"]
        others = [name for name in called if not isinstance(self._modules[name], (*_WEIGHTED, *_REAL))]
        held = [n for n in others if any(p.ndim >= 2 for p in self._modules[n].parameters())]
        functions = [node.name for node in self.nodes if _multiplies_parameters(node)]
        shared = sorted({name for name in called if called.count(name) > 1 and self._weighted(name)})
        kinds = [f"{name} is a {type(self._modules[name]).__name__}" for name in held]
        kinds += [f"{name} is a function" for name in functions]
        kinds += [f"{name} is called several times" for name in shared]
        if kinds:
            raise UserError(
                "weights of layers Conv2d and Linear, each called once, were expected, but "
                f"{plain(listed(kinds, 3))}; write it with such layers, or search the rest of the network"
            )
        if not any(self._weighted(name) for name in called):
            raise UserError(
                "a network with layers Conv2d or Linear was expected, but it has none; there is nothing to "
                "search"
            )

    def _weighted(self, name: str) -> bool:
        return isinstance(self._modules[name], _WEIGHTED)

    def _points_and_layers(self) -> tuple[tuple[Point, ...], tuple[Layer, ...]]:
        found = [n for n in self.nodes if n.op == "call_module" and self._weighted(str(n.target))]
        sources = [node.args[0] for node in found]
        read = list(dict.fromkeys(self._place[source] for source in sources))  # type: ignore[index]
        read_by = [read.index(self._place[source]) for source in sources]  # type: ignore[index]
        layers = tuple(
            Layer(str(n.target), self._place[n], _weights(self.module(n), str(n.target)), point)
            for n, point in zip(found, read_by)
        )
        points = tuple(
            Point(at, tuple(i for i, point in enumerate(read_by) if point == p)) for p, at in enumerate(read)
        )
        return points, layers

    def _blocks(self) -> Iterator[Block]:
        """Cut where one tensor alone is alive; what has no layer but first or last joins its neighbour."""
        inner = range(1, len(self.layers) - 1) if len(self.layers) > 2 else range(len(self.layers))
        start, *cuts = [at + 1 for at in self._single_live()]  # the first is behind the input
        for at in cuts:
            inside = [i for i in inner if start <= self.layers[i].at < at]
            left = [i for i in inner if self.layers[i].at >= at]
            if inside and left:
                yield Block(start, self._between(start, at))
                start = at
        yield Block(start, self._between(start, len(self.nodes)))

    def _between(self, start: int, end: int) -> tuple[int, ...]:
        return tuple(i for i, layer in enumerate(self.layers) if start <= layer.at < end)

    def _single_live(self) -> Iterator[int]:
        """Operations after which what they have made is all that is still to be read."""
        last_use = self.last_uses()
        alive: set[fx.Node] = set()
        for at, node in enumerate(self.nodes):
            if node.op != "get_attr":
                alive = {n for n in (*alive, node) if last_use[n] > at}
                if alive == {node}:
                    yield at

    def last_uses(self) -> dict[fx.Node, int]:
        """The place of the operation that reads a tensor last; behind all for the output."""
        end = len(self.nodes)
        return {
            node: max((self._place.get(user, end) for user in node.users), default=at)
            for at, node in enumerate(self.nodes)
        }


_FUNCTIONAL = {
    nn.functional.conv1d,
    nn.functional.conv2d,
    nn.functional.conv3d,
    nn.functional.linear,
    nn.functional.bilinear,
    nn.functional.embedding,
    operator.matmul,
    torch.matmul,
    torch.mm,
    torch.bmm,
    torch.einsum,
}
_METHODS = {"matmul", "mm", "bmm"}

_NEW = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    torch.relu_: torch.relu,
    nn.functional.relu_: nn.functional.relu,
}


def _multiplies_parameters(node: fx.Node) -> bool:
    """Whether an operation that is no layer multiplies by parameters of the network."""
    called = node.op == "call_function" and node.target in _FUNCTIONAL
    called |= node.op == "call_method" and node.target in _METHODS
    return called and any(_constant(given) for given in node.all_input_nodes)


def _constant(node: fx.Node) -> bool:
    """Whether a value is made of parameters alone."""
    given = node.all_input_nodes
    return node.op == "get_attr" or (bool(given) and all(map(_constant, given)))


def _traced(model: nn.Module) -> fx.GraphModule:
    model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    try:
        graph = fx.symbolic_trace(model)
    except Exception as error:  # whatever the user's forward raises on a proxy
        raise UserError(
            "a network whose operations do not depend on values was expected, but torch.fx cannot trace "
            f"it ({brief(str(error).splitlines()[0] if str(error) else type(error).__name__)}); take "
            "conditions and loops over values out of its forward"
        ) from error
    _write_nothing_over(graph)
    return graph


def _write_nothing_over(graph: fx.GraphModule) -> None:
    """Make operations that write into what they read return a new tensor instead: inputs are kept."""
    for module in graph.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    for node in graph.graph.nodes:
        node.target = _NEW.get(node.target, node.target)
        if node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target[:-1]
        if "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}
    graph.recompile()


def _weights(module: nn.Module, name: str) -> np.ndarray:
    weights = module.weight.detach().float().numpy()  # type: ignore[union-attr, operator]
    if not np.isfinite(weights).all():
        raise UserError(
            f"finite weights were expected, but those of {plain(name)} have NaN or infinities; look at the "
            "training"
        )
    return np.ascontiguousarray(weights)
