"""Layer norms and RMS norms of the last axis that a forward writes out, read piece by piece.

A mean, the distance from it, the mean of squares and the root of that are pieces; what is divided by its own
root is a norm. Each node is read by the pieces in front of it, so that a norm is known in every order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor, fx, nn

from pyqkit.quant.ptq.parts import ADDS, PRODUCTS, Kind, is_call, kind

MEANS = frozenset({torch.mean, "mean"})
_WITH_MEAN = frozenset({torch.var_mean, torch.std_mean})
_DEVIATIONS = frozenset({torch.std, "std", torch.std_mean})
SPREADS = frozenset({torch.var, "var", *_WITH_MEAN, *_DEVIATIONS})
_SQUARES = frozenset({torch.square, "square"})
_POWERS = frozenset({operator.pow, torch.pow, "pow"})
_ROOTS = frozenset({torch.sqrt, "sqrt"})
_RECIPROCAL_ROOTS = frozenset({torch.rsqrt, "rsqrt"})
_RECIPROCALS = frozenset({torch.reciprocal, "reciprocal"})
_DIFFERENCES = frozenset({operator.sub, torch.sub, torch.subtract, "sub"})
_QUOTIENTS = frozenset({operator.truediv, torch.div, torch.true_divide, "div", "true_divide"})
_MOVES = frozenset({torch.unsqueeze, "unsqueeze", operator.getitem})
_BEHIND = (Kind.WEIGHTS, Kind.MATRIX_PRODUCT)


class _Is(Enum):
    """What a piece is, of the numbers `x` of a row."""

    NUMBERS = auto()  # x itself
    MEAN = auto()
    DISTANCE = auto()  # x - mean
    SQUARE = auto()  # of x, or of the distance
    SPREAD = auto()  # the mean of squares
    ROOT = auto()  # of the spread
    RECIPROCAL = auto()  # of the root


@dataclass(frozen=True)
class _Piece:
    """A piece of a norm, see `Norm` for its attributes."""

    what: _Is
    x: fx.Node
    centred: bool = False
    epsilon: float = 0.0
    gains: tuple[Any, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Norm:
    """What pieces are together.

    Attributes
    ----------
    x : fx.Node
        What is normalised, along its last axis.
    centred : bool
        A layer norm, and no RMS norm.
    epsilon : float
    gains : tuple
        Constants that the pieces were multiplied by before they met: nodes or numbers.
    fault : str
        Why it is no norm of PyTorch's; empty if it is one.
    """

    x: fx.Node
    centred: bool
    epsilon: float
    gains: tuple[Any, ...]
    fault: str


def found_norms(graph: fx.GraphModule, known: dict[fx.Node, Any]) -> dict[fx.Node, Norm]:
    """Norms that are written out in front of a layer or a product of matrices, by their last nodes, in order.

    At a network's end they are the host's.

    Parameters
    ----------
    graph : fx.GraphModule
        With shapes, see `pyqkit.quant.ptq.constants.constants_and_shapes`, which gives the other argument.
    known : dict of fx.Node to what it gives
    """
    found, before = _Reader(graph, known).norms, _in_front(graph)
    return {node: norm for node, norm in found.items() if node in before}


def shape(node: fx.Node) -> tuple[int, ...]:
    """The shape of what a node gives, () if that is no tensor."""
    return tuple(getattr(node.meta.get("tensor_meta"), "shape", ()))


def _in_front(graph: fx.GraphModule) -> set[fx.Node]:
    """Nodes that layers with weights and products of matrices depend on."""
    found: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        attends = node.target is nn.functional.scaled_dot_product_attention
        if node in found or attends or kind(graph, node) in _BEHIND:
            found.update(node.all_input_nodes)
    return found


class _Reader:
    """Reads all nodes of a graph, in order; its rules return a piece, None where there is none."""

    def __init__(self, graph: fx.GraphModule, known: dict[fx.Node, Any]) -> None:
        self.graph, self.known = graph, known
        self.pieces: dict[fx.Node, _Piece] = {}
        self.norms: dict[fx.Node, Norm] = {}
        for node in graph.graph.nodes:
            piece = self._read(node) if node.op in ("call_function", "call_method") else None
            if piece is not None:
                self.pieces[node] = piece

    def _read(self, node: fx.Node) -> _Piece | None:
        rules: tuple[tuple[frozenset[Any], Callable[[fx.Node], _Piece | None]], ...] = (
            (MEANS, self._mean),
            (SPREADS - _WITH_MEAN, self._spread),
            (_MOVES, self._moved),
            (_DIFFERENCES, self._distance),
            (_SQUARES, lambda node: self._square(node.args[0])),
            (_POWERS, self._power),
            (_ROOTS, lambda node: self._root(node.args[0])),
            (_RECIPROCAL_ROOTS, lambda node: self._reciprocal(self._root(node.args[0]))),
            (_RECIPROCALS, lambda node: self._reciprocal(self._piece(node.args[0]))),
            (_QUOTIENTS, self._quotient),
            (ADDS, self._sum),
            (PRODUCTS, self._product),
        )
        rule = next((rule for targets, rule in rules if node.target in targets), None)
        if rule is None or (node.kwargs and not is_call(node, MEANS | SPREADS)):
            return None
        return rule(node)

    def _piece(self, value: Any) -> _Piece:
        """What is known of an argument."""
        return self.pieces.get(value, _Piece(_Is.NUMBERS, value))

    def _plain(self, value: Any) -> _Piece:
        """The distance that an argument is; any other is numbers."""
        piece = self._piece(value)
        return piece if piece.what is _Is.DISTANCE and not piece.gains else _Piece(_Is.NUMBERS, value)

    def _number(self, value: Any) -> float | None:
        """A number that no frame changes."""
        value = self.known.get(value, value) if isinstance(value, fx.Node) else value
        single = isinstance(value, Tensor) and value.numel() == 1
        return float(value) if single or type(value) in (int, float) else None

    def _mean(self, node: fx.Node) -> _Piece | None:
        given = _arguments(node, "keepdim")
        x, piece = given["input"], self._piece(given["input"])
        if not self._along_rows(given):
            return None
        if piece.what is _Is.SQUARE:
            return replace(piece, what=_Is.SPREAD)
        return _Piece(_Is.MEAN, x)

    def _spread(self, node: fx.Node) -> _Piece | None:
        given = _arguments(node, "unbiased", "keepdim")
        if not self._along_rows(given):
            return None
        correction = given.get("correction")
        unbiased = given.get("unbiased", True) if correction is None else correction != 0
        what = _Is.ROOT if node.target in _DEVIATIONS else _Is.SPREAD
        fault = "its variance is unbiased" if unbiased else ""
        return _Piece(what, given["input"], centred=True, fault=fault)

    def _along_rows(self, given: dict[str, Any]) -> bool:
        """Whether a statistic is that of the last axis alone, which is no axis of an image."""
        x, axes = given["input"], given.get("dim", given.get("axis"))
        axes = list(axes) if isinstance(axes, (tuple, list)) else [axes]
        last = len(axes) == 1 and type(axes[0]) is int and axes[0] in (-1, len(shape(x)) - 1)
        return last and not self._of_image(x)

    def _of_image(self, node: fx.Node) -> bool:
        """Whether a convolution gives the numbers, perhaps changed one by one: the last axis is its width."""
        one_by_one = (Kind.ADD, Kind.PRODUCT, Kind.ACTIVATION, Kind.MAX_POOL, Kind.OTHER)
        while kind(self.graph, node) in one_by_one and node.all_input_nodes:
            node = node.all_input_nodes[0]
        layer = kind(self.graph, node) is Kind.WEIGHTS
        return layer and not isinstance(self.graph.get_submodule(str(node.target)), nn.Linear)

    def _moved(self, node: fx.Node) -> _Piece | None:
        """Statistics that get the axis again that they lost; those of a variance and a mean."""
        x, place = _both(node)
        if is_call(x, _WITH_MEAN):
            given = _arguments(x, "unbiased", "keepdim")
            mean = _Piece(_Is.MEAN, given["input"]) if self._along_rows(given) else None
            return self._spread(x) if place == 0 else mean
        restored = (
            place in ((..., None),) if node.target is operator.getitem else place in (-1, len(shape(x)))
        )
        return self.pieces.get(x) if restored else None

    def _distance(self, node: fx.Node) -> _Piece | None:
        x, subtracted = _both(node)
        mean = self._piece(subtracted)
        fits = mean.what is _Is.MEAN and mean.x is x and _is_of_rows(subtracted, x)
        return _Piece(_Is.DISTANCE, x) if fits else None

    def _square(self, value: Any) -> _Piece | None:
        piece = self._plain(value)
        return replace(piece, what=_Is.SQUARE, centred=piece.what is _Is.DISTANCE)

    def _power(self, node: fx.Node) -> _Piece | None:
        x, power = _both(node)
        if self._number(power) == 2:
            return self._square(x)
        root = self._root(x)
        return {0.5: root, -0.5: self._reciprocal(root)}.get(self._number(power) or 0.0)

    def _root(self, value: Any) -> _Piece | None:
        piece = self._piece(value)
        return replace(piece, what=_Is.ROOT) if piece.what is _Is.SPREAD else None

    def _reciprocal(self, piece: _Piece | None) -> _Piece | None:
        return replace(piece, what=_Is.RECIPROCAL) if piece and piece.what is _Is.ROOT else None

    def _sum(self, node: fx.Node) -> _Piece | None:
        for value, other in (_both(node), _both(node)[::-1]):
            piece, added = self._piece(value), self._number(other)
            if piece.what is _Is.SPREAD and added is not None:
                return replace(piece, epsilon=piece.epsilon + added)
            if piece.what is _Is.ROOT and added is not None:
                fault = piece.fault or "its epsilon stands outside of the root"
                return replace(piece, fault=fault)
        return None

    def _product(self, node: fx.Node) -> _Piece | None:
        left, right = _both(node)
        same = self._plain(left)
        if left is right or (same.what is _Is.DISTANCE and same == self._plain(right)):
            return self._square(left)
        for value, other in ((left, right), (right, left)):
            root = self._piece(other)
            if root.what is _Is.RECIPROCAL and isinstance(value, fx.Node) and value not in self.known:
                self._meet(node, value, other, root)
                return None
            piece = self._piece(value)
            whole = piece.what in (_Is.NUMBERS, _Is.DISTANCE)
            fits = whole or (piece.what is _Is.RECIPROCAL and _is_of(piece, value))
            if fits and isinstance(value, fx.Node) and self._is_constant(other):
                return replace(piece, gains=(*piece.gains, other))
        return None

    def _is_constant(self, value: Any) -> bool:
        return value in self.known if isinstance(value, fx.Node) else type(value) in (int, float)

    def _quotient(self, node: fx.Node) -> _Piece | None:
        left, right = _both(node)
        root = self._piece(right)
        if root.what is not _Is.ROOT:
            return None
        if self._number(left) == 1:
            return self._reciprocal(root)
        if isinstance(left, fx.Node):
            self._meet(node, left, right, root)
        return None

    def _meet(self, node: fx.Node, value: fx.Node, other: fx.Node, root: _Piece) -> None:
        """A norm is found where numbers meet the root of their own spread."""
        read = (self._piece(value), _Piece(_Is.NUMBERS, value))
        either = [each for each in read if each.x is root.x and each.what in (_Is.NUMBERS, _Is.DISTANCE)]
        if not either or not _is_of(root, other):
            return
        piece, fault = either[0], root.fault
        if piece.what is not (_Is.DISTANCE if root.centred else _Is.NUMBERS):
            fault = "its mean is subtracted in one of its parts alone"
        elif not fault and root.epsilon <= 0:
            fault = "it adds no epsilon to its mean of squares"
        self.norms[node] = Norm(root.x, root.centred, root.epsilon, (*piece.gains, *root.gains), fault)


def _both(node: fx.Node) -> tuple[Any, Any]:
    """The two arguments of a node."""
    left, right = node.args
    return left, right


def _arguments(node: fx.Node, *names: str) -> dict[str, Any]:
    """What a statistic is given."""
    return dict(zip(("input", "dim", *names), node.args)) | dict(node.kwargs)


def _is_of(root: _Piece, value: Any) -> bool:
    """Whether a value, which is the root or one over it, has a number for each row, perhaps times gains."""
    return bool(root.gains) or _is_of_rows(value, root.x)


def _is_of_rows(statistic: fx.Node, x: fx.Node) -> bool:
    """Whether a statistic has one number for each row."""
    return shape(statistic) == (*shape(x)[:-1], 1)
