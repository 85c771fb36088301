"""QONNX semantics of thousands of images: `pyqkit.reference.reference` with its numbers left as sums until a quantiser asks.

The reference carries 106 bits through every node. Here a tensor between quantisers is kept as exact integer sums and
their (double-double) factors; a quantiser first evaluates it in float64 with an error bound and decides in double-double
wherever the value is not farther than that bound inside the step it seems to belong to. Decisions are those of the reference, node by node, at several times its speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyqkit.formats import Integer, parse
from pyqkit.formats.search import reached
from pyqkit.graph.conventions import batch_norm_factor
from pyqkit.graph.importer import Node
from pyqkit.graph.lowering.nodes.linear import window_padding
from pyqkit.graph.lowering.quantise import Quantiser
from pyqkit.graph.model import attribute_values
from pyqkit.reference import nodes, reference
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.quantised import Quantised, Value, quantise, real_of
from pyqkit.reference.reference import Reference

_ERROR = 2.0**-47  # relative, of a float64 evaluation with a handful of roundings of 2**-53 each: 32 times what they add up to


@dataclass(frozen=True, eq=False)
class Sum(DoubleDouble):
    """``ReLU(sum of factor * integers + offset)``, evaluated to a double-double where a node needs its value.

    Attributes
    ----------
    terms : tuple of (float64 integers, factor)
        Factors broadcast to the integers.
    offset : DoubleDouble
    relu : bool
    """

    terms: tuple[tuple[np.ndarray, DoubleDouble], ...]
    offset: DoubleDouble
    relu: bool = False

    def __init__(self, terms: tuple[tuple[np.ndarray, DoubleDouble], ...], offset: DoubleDouble, relu: bool = False) -> None:
        for name, value in (("terms", terms), ("offset", offset), ("relu", relu)):
            object.__setattr__(self, name, value)

    @cached_property
    def _value(self) -> DoubleDouble:
        return self.at(np.ones(self.shape, bool)).map(lambda a: a.reshape(self.shape))

    @property
    def high(self) -> np.ndarray:  # type: ignore[override]
        """Leading part."""
        return self._value.high

    @property
    def low(self) -> np.ndarray:  # type: ignore[override]
        """Trailing part."""
        return self._value.low

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.terms[0][0].shape

    def at(self, chosen: np.ndarray) -> DoubleDouble:
        """Values of the chosen elements, flat."""

        def pick(x: DoubleDouble) -> DoubleDouble:
            return x.map(lambda a: np.broadcast_to(a, self.shape)[chosen])

        total = pick(self.offset)
        for integers, factor in self.terms:
            total = total + DoubleDouble.of(integers[chosen]) * pick(factor)
        return nodes.clipped(total, 0.0, None) if self.relu else total

    def estimate(self) -> tuple[np.ndarray, float]:
        """Values in float64, and a bound of their error."""
        total, bound = np.broadcast_to(self.offset.high, self.shape).copy(), float(np.abs(self.offset.high).max())
        for integers, factor in self.terms:
            total += integers * factor.high
            bound += max(-integers.min(), integers.max()) * float(np.abs(factor.high).max())
        return (np.maximum(total, 0.0, out=total) if self.relu else total), bound * _ERROR

    def affine(self, factor: DoubleDouble, offset: DoubleDouble) -> Sum:
        """factor * self + offset."""
        return Sum(tuple((integers, f * factor) for integers, f in self.terms), self.offset * factor + offset)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gave.

    Attributes
    ----------
    codes : dict of str to numpy.ndarray
        Codes of every quantised activation by ONNX name, in ONNX layout.
    outputs : dict of str to numpy.ndarray
        Real values, float64.
    decided : int
        Elements that double-double had to decide.
    """

    codes: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    decided: int


@dataclass(frozen=True, eq=False)
class Rounded(Quantised):
    """A tensor whose codes are known from rounding it."""

    known: np.ndarray | None = None

    def codes(self) -> np.ndarray:
        """Codes of the format."""
        assert self.known is not None
        return self.known


@dataclass(frozen=True, eq=False)
class Grid:
    """What a quantiser rounds to, in real values.

    Attributes
    ----------
    ends : numpy.ndarray, float32
        Boundaries, rounded.
    fences : numpy.ndarray, float64
        The same, rounded to float64, between infinities.
    contents : numpy.ndarray
        What a tensor holds for each of the format's codes.
    scale : DoubleDouble
        Of the tensor.
    """

    ends: np.ndarray
    fences: np.ndarray
    contents: np.ndarray
    scale: DoubleDouble

    @classmethod
    def of(cls, quantiser: Quantiser) -> Grid:
        """Of a quantiser with one scale."""
        scale = Fraction(float(np.asarray(quantiser.scale).ravel()[0])) * quantiser.prescale
        ends = np.array([float(b.position * scale) for b in quantiser.boundaries])
        fmt = quantiser.format
        contents = fmt.codes if fmt.is_logarithmic else fmt.to_integers(fmt.codes) if isinstance(fmt, Integer) else fmt.integers[fmt.codes]
        made = quantise(DoubleDouble.of(np.zeros(1)), quantiser)  # for the scale of its format
        return cls(ends.astype(np.float32), np.concatenate([[-np.inf], ends, [np.inf]]), contents, made.scale)


class QonnxReference(Reference):
    """A QONNX model with one input, ready to run on batches.

    Parameters
    ----------
    source : path or onnx.ModelProto
    """

    def __init__(self, source: str | Path | Any) -> None:
        super().__init__(source)
        self.decided = 0
        self._grids: dict[str, Grid] = {}
        self._known: dict[str, Value] = dict(self._constants)
        self._nodes = []
        for index, proto in enumerate(self.model.graph.node):  # weights are quantised once
            if proto.op_type != "Shape" and all(not name or name in self._known for name in proto.input):
                node = self._node(proto, index, self._known)
                self._known.update(zip(proto.output, reference._execute(proto, node, 1)))
            else:
                self._nodes.append((index, proto))

    def run(self, x: np.ndarray) -> Outcome:  # type: ignore[override]
        """Execute on frames, float32 of shape (frames, *input shape)."""
        live: dict[str, Value] = dict(self._known)
        live[self.input_names[0]] = DoubleDouble.of(x.astype(np.float32))
        self.decided, codes = 0, {}
        readers = {name: index for index, proto in self._nodes for name in proto.input}
        for index, proto in self._nodes:
            results = self._execute(proto, self._node(proto, index, live), len(x))
            live.update(zip(proto.output, results))
            codes.update({n: v.codes() for n, v in zip(proto.output, results) if isinstance(v, Quantised) and proto.op_type in _ROUNDING})
            for name in {n for n in proto.input if n and readers[n] == index and n not in self._known}:
                del live[name]
        return Outcome(codes, {name: real_of(live[name]).high for name in self.output_names}, self.decided)

    @staticmethod
    def _node(proto: Any, index: int, live: dict[str, Value]) -> Node:
        given = [live[name] if name else None for name in proto.input]
        return Node(proto.name or f"node {index}", proto.op_type, given, list(proto.output), attribute_values(proto))

    def _execute(self, proto: Any, node: Node, frames: int) -> list[Value]:
        source = node.inputs[0]
        if node.type in ("Conv", "Gemm") and isinstance(node.inputs[1], Quantised):
            return [_multiply(node)]
        if isinstance(source, Sum):
            if node.type == "BatchNormalization":
                return [source.affine(*_batch_norm(node, len(source.shape)))]
            if node.type == "Relu":
                return [Sum(source.terms, source.offset, relu=True)]
            if node.type in _ROUNDING:
                return [self._quantise(source, proto.output[0], _quantiser(node))]
        if node.type == "Add" and all(isinstance(v, (Sum, Quantised)) for v in node.inputs):
            left, right = (_as_sum(v) for v in node.inputs)
            return [Sum(left.terms + right.terms, left.offset + right.offset)]
        return reference._execute(proto, node, frames)

    def _quantise(self, source: Sum, name: str, quantiser: Quantiser) -> Quantised:
        if np.asarray(quantiser.scale).size > 1 or not quantiser.boundaries:
            return quantise(source, quantiser)
        if name not in self._grids:
            self._grids[name] = Grid.of(quantiser)
        grid = self._grids[name]
        values, error = source.estimate()
        index = reached(grid.ends, values.astype(np.float32))  # a guess: what is not between its fences is decided below
        near = np.minimum(values - grid.fences[index], grid.fences[1:][index] - values) <= error
        codes = quantiser.format.codes[index]
        content = grid.contents[index]
        if near.any():
            decided = quantise(source.at(near), quantiser)
            codes[near], content[near] = decided.codes(), decided.content
            self.decided += int(near.sum())
        return Rounded(content, quantiser.format, grid.scale, known=codes)


_ROUNDING = (*reference._DESCRIPTIONS, "FormatQuant")


def _quantiser(node: Node) -> Quantiser:
    if node.type == "FormatQuant":
        return Quantiser.of(parse(str(node.attributes["format"])), node.constant(1, "scale"))
    return reference._DESCRIPTIONS[node.type](node)


def _as_sum(value: Sum | Quantised) -> Sum:
    if isinstance(value, Sum):
        return (
            value if not value.relu else Sum(((value.high, DoubleDouble.of(1.0)), (value.low, DoubleDouble.of(1.0))), DoubleDouble.of(0.0))
        )
    step = value.scale * DoubleDouble.of(float(value.format.unit)) if value.format.is_logarithmic else value.scale
    return Sum(((value.integers, step),), DoubleDouble.of(0.0))


def _batch_norm(node: Node, rank: int) -> tuple[DoubleDouble, DoubleDouble]:
    """Factor and offset of each channel, by the convention of the reference: the factor rounded to float32."""
    gain, bias, mean, variance = (np.asarray(v) for v in node.inputs[1:5])
    scale = batch_norm_factor(gain, variance, float(node.attributes.get("epsilon", 1e-5)))
    shape = (1, -1, *(1,) * (rank - 2))
    factor = DoubleDouble.of(scale.reshape(shape))
    return factor, DoubleDouble.of(bias.reshape(shape)) + -(factor * DoubleDouble.of(mean.reshape(shape)))


def _multiply(node: Node) -> Sum:
    """Conv or Gemm as a sum of one term."""
    x, w = nodes.quantised_input(node, 0), nodes.quantised_input(node, 1)
    shape = (1, -1, 1, 1) if node.type == "Conv" else (1, -1)
    if node.type == "Conv":
        total, unit = nodes.products(x, w, lambda left, right: _convolve(node, left, right))
    else:
        if not node.attributes.get("transB", 0):
            w = Quantised(w.content.T, w.format, w.scale.map(lambda a: a.T))
        total, unit = nodes.products(x, w, lambda left, right: left @ right.T)
    weight = w.scale.map(lambda a: a.reshape(shape) if a.size > 1 else a.reshape(()))
    step = x.scale.map(lambda a: a.reshape(())) * weight * DoubleDouble.of(unit)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    offset = DoubleDouble.of(0.0) if bias is None else real_of(bias).map(lambda a: a.reshape(shape))
    return Sum(((total, step),), offset)


def _convolve(node: Node, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Exact sums: in float32 where none can reach 2**24, else in float64 (below 2**53, as the reference has checked)."""
    kernel, groups = right.shape[2:], int(node.attributes.get("group", 1))
    stride, dilation = (tuple(node.attributes.get(k, [1, 1])) for k in ("strides", "dilations"))
    top, below_left, bottom, right_side = window_padding(node, (*left.shape[2:], 0), kernel, stride, dilation)
    bound = np.abs(right).reshape(len(right), -1).sum(axis=1).max() * np.abs(left).max(initial=1)
    whole = all((a == np.rint(a)).all() for a in (left, right))
    kind = torch.float32 if bound < 2.0**24 and whole else torch.float64
    x = torch.nn.functional.pad(torch.from_numpy(left).to(kind), (below_left, right_side, top, bottom))
    w = torch.from_numpy(np.ascontiguousarray(right)).to(kind)
    if groups == x.shape[1] == len(w) and dilation == (1, 1):
        rows, columns = ((x.shape[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
        taps = np.ndindex(*kernel)
        parts = (
            x[:, :, i : i + rows * stride[0] : stride[0], j : j + columns * stride[1] : stride[1]] * w[:, 0, i, j, None, None]
            for i, j in taps
        )
        return sum(part[:, :, :rows, :columns] for part in parts).double().numpy()  # type: ignore[union-attr]
    if kind == torch.float64 and groups == 1 and dilation == (1, 1):
        return _by_taps(x, w, stride)
    return torch.nn.functional.conv2d(x, w, None, stride, 0, dilation, groups).double().numpy()


def _by_taps(x: torch.Tensor, w: torch.Tensor, stride: tuple[int, int]) -> np.ndarray:
    """Convolution as one matrix product for each tap and frame: torch's own of float64 is several times slower."""
    kernel = w.shape[2:]
    rows, columns = ((x.shape[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
    taps = [(i, j, w[:, :, i, j].T.contiguous()) for i, j in np.ndindex(*kernel)]
    result = torch.zeros((len(x), rows * columns, len(w)), dtype=x.dtype)
    for frame, total in zip(x, result):
        last = frame.permute(1, 2, 0).contiguous()
        for i, j, weights in taps:
            tap = last[i : i + rows * stride[0] : stride[0], j : j + columns * stride[1] : stride[1]]
            total.addmm_(tap[:rows, :columns].reshape(-1, len(weights)), weights)
    return result.transpose(1, 2).reshape(len(x), -1, rows, columns).numpy()
