"""The QONNX model itself, executed in (practically) exact arithmetic: what every engine has to reproduce.

Nothing of the lowering is used. Quantisers decide with double-double numbers, products of codes are summed as integers
in float64 (refused where 2**53 would not hold them), and nodes that only move elements run in ONNX's own reference
implementation. Three conventions make a real-valued model definite, and both sides share them: a batch norm is
``factor * x + offset`` with the factor rounded to float32; products of Logarithmic Posits pass their log-to-linear table;
a Logarithmic Posit in a sum does too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats import Microscaled, parse
from pyqkit.graph.importer import Node
from pyqkit.graph.lowering.constants import code_blocks
from pyqkit.graph.lowering.nodes.quantisers import bipolar_quantiser, float_quantiser, integer_quantiser
from pyqkit.graph.lowering.quantise import Quantiser
from pyqkit.graph.model import attribute_values, check_model, load_model, read_constants
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.nodes import RULES
from pyqkit.reference.quantised import Quantised, Value, quantise, real_of

_DESCRIPTIONS: dict[str, Callable[[Node], Quantiser]] = {
    "Quant": integer_quantiser,
    "IntQuant": integer_quantiser,
    "FloatQuant": float_quantiser,
    "BipolarQuant": bipolar_quantiser,
}
_MOVES = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split", "Pad", "Expand"}


class Reference:
    """A QONNX model ready to run on batches.

    Parameters
    ----------
    source : path or onnx.ModelProto
    """

    def __init__(self, source: str | Path | Any) -> None:
        self.model = source if hasattr(source, "graph") else load_model(Path(source))
        check_model(self.model)
        self._constants = read_constants(self.model)
        self.input_names = [v.name for v in self.model.graph.input if v.name not in self._constants]
        self.output_names = [v.name for v in self.model.graph.output]

    def run(self, x: np.ndarray, keep: bool = False, seen: Callable[[str, Value], Value] | None = None) -> dict[str, Value]:
        """Execute on frames.

        Parameters
        ----------
        x : numpy.ndarray, float32, shape (frames, *input shape)
        keep : bool
            Return every tensor by its ONNX name, instead of the outputs alone.
        seen : callable, optional
            Takes the name of a tensor and what a node made of it, and returns what later nodes shall see in its place.
        """
        live: dict[str, Value] = dict(self._constants)
        live[self.input_names[0]] = DoubleDouble.of(x.astype(np.float32))
        for index, proto in enumerate(self.model.graph.node):
            given = [live[name] if name else None for name in proto.input]
            node = Node(proto.name or f"node {index}", proto.op_type, given, list(proto.output), attribute_values(proto))
            made = zip(proto.output, _execute(proto, node, len(x)))
            live.update(made if seen is None else {name: seen(name, value) for name, value in made})
        return live if keep else {name: live[name] for name in self.output_names}

    def codes_of(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Codes of every quantised activation by ONNX name, in ONNX layout."""
        return {k: v.codes() for k, v in self.run(x, keep=True).items() if isinstance(v, Quantised) and len(v.content) == len(x)}


def _execute(proto: Any, node: Node, frames: int) -> list[Value]:
    from onnx import numpy_helper

    if node.type == "Constant":
        return [numpy_helper.to_array(node.attributes["value"])]
    if node.type in _DESCRIPTIONS:
        return [quantise(node.inputs[0], _DESCRIPTIONS[node.type](node))]
    if node.type == "FormatQuant":
        fmt, scale = parse(str(node.attributes["format"])), node.constant(1, "scale")
        if isinstance(fmt, Microscaled):
            return [code_blocks(node.inputs[0], fmt, scale, int(node.attributes.get("axis", -1))).values()]
        return [quantise(node.inputs[0], Quantiser.of(fmt, scale))]
    if node.type in _MOVES:
        return _move(proto, node, frames)
    rule = RULES.get(node.type)
    if rule is not None and any(isinstance(v, (DoubleDouble, Quantised)) for v in node.inputs):
        return [rule(node)]
    return _onnx(proto, [v for v in node.inputs if v is not None])


def _onnx(proto: Any, inputs: list[Any]) -> list[Value]:
    from onnx.reference import ReferenceEvaluator

    if any(isinstance(v, (DoubleDouble, Quantised)) for v in inputs):
        if proto.op_type == "Shape":
            inputs = [inputs[0].high if isinstance(inputs[0], DoubleDouble) else inputs[0].content]
        else:
            raise UserError(
                f"a node that the reference executes was expected, but {proto.name} ({proto.op_type}) came; see the conversion report"
            )
    results: list[Any] = list(ReferenceEvaluator(proto).run(None, dict(zip([n for n in proto.input if n], inputs))))
    if proto.op_type == "Shape":
        results = [np.concatenate([[1], results[0][1:]])]  # the model was exported for one frame
    return [np.asarray(r) for r in results]


def _move(proto: Any, node: Node, frames: int) -> list[Value]:
    source, rest = node.inputs[0], [v for v in node.inputs[1:] if v is not None]
    if isinstance(source, np.ndarray):
        return _onnx(proto, [source, *rest])
    if node.type in ("Reshape", "Expand") and int(rest[0][0]) == 1 and len(real_of(source).high) == frames:
        rest = [np.concatenate([[frames], rest[0][1:]])]
    parts = [source.content] if isinstance(source, Quantised) else [source.high, source.low]
    if node.type == "Pad":  # the padded value has the type of the data
        rest = [r if r.dtype.kind == "i" and i != 1 else r.astype(parts[0].dtype) for i, r in enumerate(rest)]
    moved = [_onnx(proto, [part, *rest]) for part in parts]
    if isinstance(source, Quantised):
        if source.scale.high.size > 1 and source.scale.high.ndim:
            full = source.scale.map(lambda a: np.broadcast_to(a, source.content.shape))
            scales = [_onnx(proto, [np.ascontiguousarray(part), *rest]) for part in (full.high, full.low)]
            return [Quantised(m, source.format, DoubleDouble(h, low)) for m, h, low in zip(moved[0], *scales)]  # type: ignore[arg-type]
        return [Quantised(m, source.format, source.scale) for m in moved[0]]  # type: ignore[arg-type]
    return [DoubleDouble(h, low) for h, low in zip(*moved)]  # type: ignore[arg-type]
