"""What a node of a traced network does to numbers, as far as it matters for where they are rounded."""

from __future__ import annotations

import operator
from collections.abc import Collection
from enum import Enum, auto
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from pyqkit.quant.ptq.layers import WEIGHT_LAYERS

ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.Softplus),
    *(nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Hardswish, nn.SiLU, nn.Mish, nn.GELU, nn.Threshold),
    *(nn.Softsign, nn.Hardshrink, nn.Softshrink, nn.LogSigmoid),
)
RISING = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softplus)
_NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.Softmax)

_MOVING_MODULES = (
    *(nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.ZeroPad2d),
    *(nn.ZeroPad1d, nn.UpsamplingNearest2d),
)
_MOVING_FUNCTIONS = frozenset(
    {
        *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze),
        *(torch.chunk, torch.split, torch.narrow, torch.unflatten, torch.unbind, functional.pad),
        *(torch.swapaxes, torch.movedim, functional.channel_shuffle, functional.pixel_shuffle),
        *(torch.select, operator.getitem),
    }
)
_MOVING_METHODS = frozenset(
    {
        *("flatten", "reshape", "view", "permute", "transpose", "contiguous", "squeeze", "unsqueeze"),
        *("chunk", "split", "narrow", "unflatten", "unbind", "expand", "swapaxes", "clone", "detach"),
        *("float", "type_as", "to", "t"),
    }
)
_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
_MAX_POOL_FUNCTIONS = frozenset({functional.max_pool1d, functional.max_pool2d, torch.amax, "amax"})
_MEANS = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_MEAN_FUNCTIONS = frozenset(
    {
        *(functional.avg_pool1d, functional.avg_pool2d, functional.adaptive_avg_pool1d),
        *(functional.adaptive_avg_pool2d, torch.mean, torch.sum, "mean", "sum"),
    }
)
_JOINS = frozenset({torch.cat, torch.concat, torch.stack})
ADDS = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
PRODUCTS = frozenset({operator.mul, operator.imul, torch.mul, "mul", "mul_"})
MATRIX_PRODUCTS = frozenset({operator.matmul, torch.matmul, torch.mm, torch.bmm, "matmul", "mm", "bmm"})
_NORMS = (nn.LayerNorm, nn.RMSNorm)


class Kind(Enum):
    """What a node does."""

    INPUT = auto()
    CONSTANT = auto()  # a parameter or buffer of the module
    WEIGHTS = auto()  # multiplies by weights and adds up
    ACTIVATION = auto()
    MOVE = auto()  # numbers stay what they are
    JOIN = auto()
    MAX_POOL = auto()
    MEAN = auto()
    ADD = auto()
    PRODUCT = auto()
    MATRIX_PRODUCT = auto()  # of two tensors
    SOFTMAX = auto()
    NORM = auto()  # of every pixel or token
    OUTPUT = auto()
    OTHER = auto()


def is_call(node: fx.Node, targets: Collection[Any]) -> bool:
    """Whether a node calls one of these functions or methods of tensors."""
    return node.op in ("call_function", "call_method") and node.target in targets


def kind(graph: fx.GraphModule, node: fx.Node) -> Kind:
    """What a node does."""
    if node.op in ("placeholder", "get_attr", "output"):
        return {"placeholder": Kind.INPUT, "get_attr": Kind.CONSTANT, "output": Kind.OUTPUT}[node.op]
    if node.op == "call_module":
        return _kind_of_module(graph.get_submodule(str(node.target)))
    functions = (
        (Kind.MAX_POOL, _MAX_POOL_FUNCTIONS),
        (Kind.MEAN, _MEAN_FUNCTIONS),
        (Kind.JOIN, _JOINS),
        (Kind.ADD, ADDS),
        (Kind.PRODUCT, PRODUCTS),
        (Kind.MATRIX_PRODUCT, MATRIX_PRODUCTS),
        (Kind.MOVE, _MOVING_FUNCTIONS if node.op == "call_function" else _MOVING_METHODS),
    )
    return next((found for found, targets in functions if node.target in targets), Kind.OTHER)


def _kind_of_module(module: nn.Module) -> Kind:
    if isinstance(module, nn.Upsample):
        return Kind.MOVE if module.mode == "nearest" else Kind.OTHER
    modules = (
        (Kind.WEIGHTS, WEIGHT_LAYERS),
        (Kind.ACTIVATION, ACTIVATIONS),
        (Kind.MAX_POOL, _MAX_POOLS),
        (Kind.MEAN, _MEANS),
        (Kind.MOVE, _MOVING_MODULES),
        (Kind.SOFTMAX, (nn.Softmax,)),
        (Kind.NORM, _NORMS),
    )
    return next((found for found, classes in modules if isinstance(module, classes)), Kind.OTHER)


def never_negative(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node's own function gives no negative numbers, whatever it is given."""
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), _NEVER_NEGATIVE)
    return is_call(node, {torch.abs, "abs", torch.softmax, functional.softmax, "softmax"})


def max_pools(graph: fx.GraphModule) -> list[fx.Node]:
    """The max pools of a network."""
    return [node for node in graph.graph.nodes if kind(graph, node) is Kind.MAX_POOL]
