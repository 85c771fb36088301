"""An operator that pyqkit does not have, as an engineer outside would add it: a file, a header, a module.

``output[c] = weights[c] * |x[c]|``. It comes from ONNX's ``Abs``; the weights, which the scale behind it
takes back, stand for whatever constants an operator may bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from pyqkit.dataflow.streams import codes
from pyqkit.graph.fields import array_field
from pyqkit.graph.folding import Axis, Folding, FoldingSpace
from pyqkit.graph.graph import Operator, Tensor, expect, to_integers
from pyqkit.graph.lowering.real import Real, Term, fractions, plain_view
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Value
from pyqkit.graph.lowering.sums import single_term
from pyqkit.graph.lowering.view import settle
from pyqkit.graph.ops import operator
from pyqkit.hls import emitter as hls
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node as ReferenceNode
from pyqkit.reference.node import one
from pyqkit.reference.ratio import Ratio
from pyqkit.rtl import emitter as rtl
from pyqkit.rtl.features import Features, bits_for, decoding_luts, grows_with, rom
from pyqkit.rtl.parts import Parameters
from pyqkit.rtl.timing import Pipeline

HERE = Path(__file__).parent
KIND, MODULE, NODE = "absolute", "absolute", "Abs"


# ---- graph/ops ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AbsoluteFolding(Folding):
    """Codes at a time."""

    lanes: int = 1


@operator
@dataclass
class Absolute(Operator):
    """Absolute value of every channel, times a positive constant."""

    weights: np.ndarray = array_field(sized=True)

    kind = KIND
    folding_type = AbsoluteFolding

    def check(self) -> None:
        sound = self.weights.dtype == np.int64 and self.weights.ndim == 1 and self.weights.min() > 0
        expect(bool(sound), self, "weights that are no positive int64 list")

    def infer(self, inputs: list[Tensor]) -> list[Tensor]:
        (tensor,) = inputs
        expect(len(self.weights) == tensor.shape[2], self, f"{len(self.weights)} weights")
        largest = max(abs(tensor.low), abs(tensor.high)) * int(self.weights.max())
        return [Tensor.accumulator(self.outputs[0], tensor.shape, 0, largest)]

    def execute(self, inputs: list[np.ndarray], tensors: list[Tensor]) -> list[np.ndarray]:
        found = np.abs(to_integers(inputs[0], tensors[0].format)) * self.weights
        return [self.infer(tensors)[0].format.from_integers(found)]  # type: ignore[attr-defined]

    def folding_space(self, tensors: list[Tensor]) -> FoldingSpace:
        return FoldingSpace(AbsoluteFolding, (Axis("lanes", tensors[0].shape[2]),))


# ---- graph/lowering/nodes ----------------------------------------------------------------------------------


@handles(NODE)
def lowered(lowering: Lowering, node: Node) -> list[Value]:
    """The magnitude of the factor stays a factor, divided by the weight that the operator multiplies by."""
    real = single_term(lowering, settle(lowering, node.real(), node.outputs[0]), node.outputs[0])
    assert not any(real.offset) and not real.functions, "the test's networks quantise before it"
    (term,) = real.terms
    weights = 1 + np.arange(real.channels, dtype=np.int64) % 3
    out = lowering.emit(Absolute, node.outputs[0], [term.tensor], weights=weights)
    factor = fractions(np.array([abs(Fraction(f)) / int(w) for f, w in zip(term.factor, weights)], object))
    return [Real((Term(out.name, factor),), real.offset, out.shape, plain_view(out.shape))]


# ---- reference ---------------------------------------------------------------------------------------------


def _reference(node: ReferenceNode) -> Ratio:
    x = node.ratio(0)
    sign = np.where(x.numerator.high < 0, -1.0, 1.0)
    unsure = np.where(abs(x.numerator.high) <= x.numerator.error, 2 * x.numerator.error, 0)
    return Ratio((x.numerator * DoubleDouble.of(sign)).within(unsure), x.divisor)


REFERENCE = one(_reference)


# ---- hls/operators and hls/ --------------------------------------------------------------------------------


@hls.emits(KIND)
def to_hls(e: hls.Emitter, op: Operator) -> None:
    assert isinstance(op, Absolute)
    (tensor,), folding = e.graph.input_tensors(op), e.folding_of(op, AbsoluteFolding)
    e.include(HERE / "absolute.hpp")
    source = e.converted(op.name, e.input(op), folding.lanes, codes(tensor), f"for_{op.name}")
    out = e.output(op, folding.lanes)
    weights = e.of_channels(f"{op.name}_weights", op.weights, folding.lanes)
    table = e.struct(f"{op.name}_table", {"weight": weights})
    numbers = f"{out.bits}, {tensor.pixels}, {tensor.shape[2]}, {folding.lanes}"
    kind = e.format(tensor.format)
    block, streams = f"pyqkit::absolute<{kind}, {numbers}, {table}>", f"{source.name}, {out.name}"
    e.process(op.name, block, streams, codes(tensor) // folding.lanes)


# ---- rtl/operators and rtl/ --------------------------------------------------------------------------------


@rtl.emits(KIND)
def to_rtl(e: rtl.Emitter, op: Operator) -> None:
    assert isinstance(op, Absolute)
    (tensor,), folding = e.graph.input_tensors(op), e.folding_of(op, AbsoluteFolding)
    lanes, depth = folding.lanes, tensor.shape[2] // folding.lanes
    e.module(HERE / f"{rtl.PREFIX}{MODULE}.sv")
    source = e.converted(op.name, e.input(op), lanes, codes(tensor), f"for_{op.name}")
    out = e.output(op, lanes)
    parameters: Parameters = {"BITS_IN": source.bits, "BITS_OUT": out.bits, "LANES": lanes}
    parameters |= {"DEPTH": depth, **e.decoding(tensor.format, out.bits + 1)}
    words = op.weights.reshape(-1, lanes)
    parameters["WEIGHTS"] = e.file(e.names.new(f"{op.name}_weights"), words, out.bits)
    timing = Pipeline.every(codes(tensor) // lanes, 2)  # the word beside its weights, the result
    e.block(op.name, MODULE, parameters, {"in": source}, {"out": out}, timing)


@grows_with(MODULE)
def _features(p: Mapping[str, int]) -> Features:
    found = rom(p["LANES"] * p["BITS_OUT"], p["DEPTH"])
    found["flip-flops"] += p["LANES"] * (p["BITS_IN"] + p["BITS_OUT"]) + 2 + bits_for(p["DEPTH"])
    found["multipliers"] = p["LANES"] * p["BITS_OUT"] ** 2
    found["decoders"] = p["LANES"] * decoding_luts(p, p["BITS_IN"], p["BITS_OUT"] + 1)
    return found + Features({"one": 1})
