"""The QONNX model itself, executed in exact arithmetic: what every engine has to reproduce.

Nothing of the lowering is used: attributes, paddings, blocks and quantisers are read here, from the
specifications of ONNX and QONNX. Products of codes are added up as integers, real numbers carry 106 bits over
a divisor and know what they have lost, and a quantiser refuses what they cannot decide. Nodes that only move
elements, and constants, run in ONNX's own reference implementation. Shared with the lowering are the number
formats, the plain reading of a file, and the conventions of `pyqkit.graph.conventions`, which make a
real-valued model definite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.errors import UserError
from pyqkit.graph.model import (
    attribute_values,
    check_model,
    load_model,
    needed_names,
    network_inputs,
    opset_version,
    read_constants,
)
from pyqkit.reference import (
    attention,
    elementwise,
    ends,
    functions,
    letters,
    linear,
    linear_quantisers,
    moves,
    pooling,
    quantisers,
    resizing,
    truncation,
    turned,
)
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node
from pyqkit.reference.quantised import Turned, Value

OPERATIONS = {
    **quantisers.OPERATIONS,
    **linear_quantisers.OPERATIONS,
    **truncation.OPERATIONS,
    **linear.OPERATIONS,
    **pooling.OPERATIONS,
    **elementwise.OPERATIONS,
    **functions.OPERATIONS,
    **moves.OPERATIONS,
    **ends.OPERATIONS,
    **resizing.OPERATIONS,
    **attention.OPERATIONS,
    **letters.OPERATIONS,
}

# Executed here even where all inputs are constants: ONNX's own implementation rounds quotients in float32.
_QUANTISERS = {**quantisers.OPERATIONS, **linear_quantisers.OPERATIONS}

Seen = Callable[[str, Value], Value]


class Reference:
    """A QONNX model ready to run on batches.

    Parameters
    ----------
    source : path or onnx.ModelProto

    Attributes
    ----------
    input_names, output_names : list of str
    constants : dict of str to Value
        Initialisers, and what nodes make of constants alone.
    protos : list of onnx.NodeProto
        Nodes that an output needs and that depend on the input, in the order of the file.
    """

    def __init__(self, source: str | Path | Any) -> None:
        self.model: Any = load_model(Path(source)) if isinstance(source, (str, Path)) else source
        check_model(self.model)
        self.constants: dict[str, Value] = dict(read_constants(self.model))
        inputs = network_inputs(self.model.graph)
        first = inputs[0].type.tensor_type.shape.dim[0]
        self.batch = int(first.dim_value) if first.HasField("dim_value") else 1
        self.input_names = [v.name for v in inputs]
        self.output_names = [v.name for v in self.model.graph.output]
        self._varying = set(self.input_names)
        in_runs = set(self.input_names)
        self.protos = []
        self._needed = needed_names(self.model.graph)
        for proto in (node for node in self.model.graph.node if self._needed.intersection(node.output)):
            if not in_runs & set(proto.input):  # weights are quantised once
                self.constants.update(self.execute(proto, self.constants))
                continue
            in_runs |= set(proto.output)
            self.protos.append(proto)
            # A shape is the file's, for any number of frames: what is made of shapes alone is a constant.
            if proto.op_type != "Shape" and self._varying & set(proto.input):
                self._varying |= set(proto.output)

    def run(self, x: np.ndarray, keep: bool = False, seen: Seen | None = None) -> dict[str, Value]:
        """Execute on frames.

        Parameters
        ----------
        x : numpy.ndarray, shape (frames, *input shape)
            Taken as float32.
        keep : bool
            Return every tensor that an output needs by its ONNX name, instead of the outputs alone.
        seen : callable, optional
            Takes the name of a tensor and what a node made of it, and returns what later nodes shall see in
            its place.

        Raises
        ------
        UserError
            At a node that has no value here: an operator, attribute or domain that no rule knows, or a code
            that the exact value is too long to decide.
        """
        live = {name: value if seen is None else seen(name, value) for name, value in self.constants.items()}
        live[self.input_names[0]] = DoubleDouble.of(np.asarray(x).astype(np.float32))
        for proto in self.protos:
            made = self.execute(proto, live)
            live.update(made if seen is None else {name: seen(name, value) for name, value in made.items()})
        for name in self.output_names:
            if isinstance(live[name], Turned):
                raise UserError(
                    f"the batch as the first axis was expected by the reference at output {name}, but "
                    "elements cross the batch; keep it there"
                )
        return live if keep else {name: live[name] for name in self.output_names}

    def execute(self, proto: Any, live: dict[str, Value]) -> dict[str, Value]:
        """Results of one node by name, from values by name."""
        node = self.node(proto, live)
        operation = OPERATIONS.get(node.type)
        known = operation is not None and proto.domain in operation.domains
        if node.type not in _QUANTISERS and all(v is None or isinstance(v, np.ndarray) for v in node.inputs):
            results: list[Value] = list(node.evaluate(node.inputs))  # type: ignore[arg-type]
        elif operation is not None and known:
            results = turned.executed(node, operation)
        else:
            where = f" of domain {proto.domain}" if proto.domain else ""
            node.refuse(
                "an operator that it executes was", f"{node.type}{where} came", "see the conversion report"
            )
        missing = self._needed.intersection(proto.output[len(results) :])
        if missing:
            node.refuse(
                f"a node of {len(results)} results was",
                f"{missing.pop()} is read",
                "use its first result alone",
            )
        return dict(zip(proto.output, results))

    def node(self, proto: Any, live: dict[str, Value]) -> Node:
        """A node with its inputs looked up."""
        given = [live[name] if name else None for name in proto.input]
        return Node(
            name=proto.name or proto.output[0],
            type=proto.op_type,
            inputs=given,
            varies=[name in self._varying for name in proto.input],
            outputs=len([name for name in proto.output if name]),
            attributes=attribute_values(proto),
            batch=self.batch,
            evaluate=partial(_evaluate, proto, list(self.model.opset_import)),
            opset=opset_version(self.model),
        )


def _evaluate(proto: Any, opsets: list[Any], inputs: list[np.ndarray | None]) -> list[np.ndarray]:
    """Execute one node on plain arrays as its version of ONNX says."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    given = {name: np.asarray(value) for name, value in zip(proto.input, inputs) if value is not None}
    ports = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in given.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in proto.output if name]
    graph = helper.make_graph([proto], "node", ports, outputs)
    try:
        found = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets)).run(None, given)
    except Exception as error:  # whatever the evaluator raises, this node has no value
        raise UserError(
            f"a constant that ONNX can compute was expected at {proto.name} ({proto.op_type}), but "
            f"it cannot ({error}); fold it"
        ) from error
    return [np.asarray(value) for value in found]
