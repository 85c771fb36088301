"""QONNX semantics of thousands of images: `pyqkit.reference.reference` with its numbers left as sums until a
quantiser asks.

The reference carries 106 bits through every node. Here a tensor between quantisers is kept as exact integer
sums and their (double-double) factors; a quantiser first evaluates it in float64 with an error bound and
decides in double-double wherever the value is not farther than that bound inside the step it seems to belong
to. Decisions are those of the reference, node by node, at several times its speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyqkit.formats.search import reached
from pyqkit.reference import linear, quantisers, windows
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node
from pyqkit.reference.products import products_of_codes
from pyqkit.reference.quantised import Quantised, Value, real_of
from pyqkit.reference.quantisers import Quantiser, quantise
from pyqkit.reference.ratio import Ratio
from pyqkit.reference.reference import Reference

_ERROR = (
    2.0**-47
    # relative, of a float64 evaluation with a handful of roundings of 2**-53 each: 32 times what they add up
    # to
)


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

    def __init__(
        self, terms: tuple[tuple[np.ndarray, DoubleDouble], ...], offset: DoubleDouble, relu: bool = False
    ) -> None:
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
    def error(self) -> np.ndarray:  # type: ignore[override]
        """Bound of what is missing."""
        return self._value.error

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
        return Ratio(total).at_least(0.0).numerator if self.relu else total

    def estimate(self) -> tuple[np.ndarray, float]:
        """Values in float64, and a bound of their error."""
        total, bound = (
            np.broadcast_to(self.offset.high, self.shape).copy(),
            float(np.abs(self.offset.high).max()),
        )
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
        """Of a quantiser with one positive step."""
        ends = (quantiser.grid.boundaries * quantiser.step).high
        fences = np.concatenate([[-np.inf], ends, [np.inf]])
        return cls(ends.astype(np.float32), fences, quantiser.grid.contents, quantiser.step)


class QonnxReference(Reference):
    """A QONNX model with one input, ready to run on batches.

    Parameters
    ----------
    source : path or onnx.ModelProto
    """

    def __init__(self, source: str | Path | Any) -> None:
        self.decided = 0
        self._grids: dict[str, Grid] = {}
        super().__init__(source)

    def run(self, x: np.ndarray) -> Outcome:  # type: ignore[override]
        """Execute on frames, float32 of shape (frames, *input shape)."""
        live: dict[str, Value] = {
            **self.constants,
            self.input_names[0]: DoubleDouble.of(x.astype(np.float32)),
        }
        self.decided, codes = 0, {}
        readers = {name: index for index, proto in enumerate(self.protos) for name in proto.input}
        for index, proto in enumerate(self.protos):
            results = self.execute(proto, live)
            live.update(results)
            if proto.op_type in quantisers.OPERATIONS:
                codes.update(
                    {name: value.codes() for name, value in results.items() if isinstance(value, Quantised)}
                )
            for name in {
                n
                for n in proto.input
                if n and readers[n] == index and n not in {*self.constants, *self.output_names}
            }:
                del live[name]
        return Outcome(codes, {name: real_of(live[name]).high for name in self.output_names}, self.decided)

    def execute(self, proto: Any, live: dict[str, Value]) -> dict[str, Value]:
        """Results of one node by name, as sums where that is possible."""
        node = self.node(proto, live)
        quick = self._sum(node) if any(node.varies) else None
        return super().execute(proto, live) if quick is None else {proto.output[0]: quick}

    def _sum(self, node: Node) -> Value | None:
        source = node.value(0)
        if (
            node.type in ("Conv", "Gemm")
            and isinstance(source, Quantised)
            and isinstance(node.value(1), Quantised)
        ):
            return _multiply(node)
        if isinstance(source, Sum):
            if node.type == "BatchNormalization":
                return source.affine(*linear.batch_norm(node, len(source.shape)))
            if node.type == "Relu":
                return Sum(source.terms, source.offset, relu=True)
            if node.type in quantisers.OPERATIONS:
                return self._quantise(node, source, quantisers.quantiser_of(node))
        if node.type == "Add" and all(isinstance(v, (Sum, Quantised)) for v in node.inputs):
            left, right = (_as_sum(v) for v in node.inputs)
            return Sum(left.terms + right.terms, left.offset + right.offset)
        return None

    def _quantise(self, node: Node, source: Sum, quantiser: Quantiser) -> Quantised:
        if quantiser.step.high.size > 1 or quantiser.step.high < 0:
            return quantise(node, source, quantiser)
        grid = self._grids.setdefault(node.name, Grid.of(quantiser))
        values, error = source.estimate()
        # A guess: what is not between its fences is decided below.
        index = reached(grid.ends, values.astype(np.float32))
        near = np.minimum(values - grid.fences[index], grid.fences[1:][index] - values) <= error
        content = grid.contents[index]
        if near.any():
            content[near] = quantise(node, source.at(near), quantiser).content
            self.decided += int(near.sum())
        return Quantised(content, quantiser.format, grid.scale)


def _as_sum(value: Sum | Quantised) -> Sum:
    if isinstance(value, Quantised):
        return Sum(((value.integers, value.step),), DoubleDouble.of(0.0))
    if not value.relu:
        return value
    return Sum(((value.high, DoubleDouble.of(1.0)), (value.low, DoubleDouble.of(1.0))), DoubleDouble.of(0.0))


def _multiply(node: Node) -> Value | None:
    """Conv or Gemm of codes as a sum of one term."""
    x, w = node.value(0), node.value(1)
    if node.type == "Conv":
        shape: tuple[int, ...] = (1, -1, 1, 1)
        seen, groups = (
            windows.windows_of(node, x.shape[2:], w.shape[2:]),
            int(node.attributes.get("group", 1)),
        )
        coded = products_of_codes(x, w, groups, lambda left, right: _convolve(seen, groups, left, right))
    elif node.attributes.get("transB", 0) and not {"alpha", "beta", "transA"} & set(node.attributes):
        shape, coded = (1, -1), products_of_codes(x, w, 1, linear.linear_sums)
    else:
        return None
    if coded is None:
        return None
    total, step = coded
    bias = node.given(2)
    offset = DoubleDouble.of(0.0) if bias is None else real_of(bias).map(lambda a: a.reshape(shape))
    return Sum(((total.high, step.map(lambda a: a.reshape(shape))),), offset)


def _convolve(seen: windows.Windows, groups: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Exact sums.

    In float32 where none can reach 2**24, else in float64 (below 2**53, as the reference has checked).
    """
    kernel, stride, dilation = seen.kernel, seen.strides, seen.dilations
    bound = np.abs(right).reshape(len(right), -1).sum(axis=1).max() * np.abs(left).max(initial=1)
    whole = all((a == np.rint(a)).all() for a in (left, right))
    kind = torch.float32 if bound < 2.0**24 and whole else torch.float64
    sides = (seen.before[1], seen.after[1], seen.before[0], seen.after[0])
    x = torch.nn.functional.pad(torch.from_numpy(left).to(kind), sides)
    w = torch.from_numpy(np.ascontiguousarray(right)).to(kind)
    if groups == x.shape[1] == len(w) and dilation == (1, 1):
        rows, columns = ((x.shape[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
        taps = np.ndindex(*kernel)
        parts = (
            x[:, :, i : i + rows * stride[0] : stride[0], j : j + columns * stride[1] : stride[1]]
            * w[:, 0, i, j, None, None]
            for i, j in taps
        )
        return sum(part[:, :, :rows, :columns] for part in parts).double().numpy()  # type: ignore[union-attr]
    if kind == torch.float64 and groups == 1 and dilation == (1, 1):
        return _by_taps(x, w, stride)
    return torch.nn.functional.conv2d(x, w, None, stride, 0, dilation, groups).double().numpy()


def _by_taps(x: torch.Tensor, w: torch.Tensor, stride: tuple[int, int]) -> np.ndarray:
    """Convolution as one matrix product for each tap and frame.

    Torch's own of float64 is several times slower.
    """
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
