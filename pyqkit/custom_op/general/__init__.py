"""FormatQuant: rounding to any number format, as qonnx executes it.

Inputs ``X`` and ``scale``; attributes ``format`` (a name that `pyqkit.formats.parse` knows) and, for blocks,
``axis``. Version 1; later versions add attributes.
"""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, NodeProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.base import CustomOp

from pyqkit.formats import parse


class FormatQuant(CustomOp):
    """``scale * quantise(X / scale)``, computed in float32 as PyTorch does."""

    def get_nodeattr_types(self) -> dict[str, tuple[str, bool, object]]:
        return {"format": ("s", True, ""), "axis": ("i", False, -1)}

    def make_shape_compatible_op(self, model: ModelWrapper) -> NodeProto:
        return helper.make_node("Identity", [self.onnx_node.input[0]], [self.onnx_node.output[0]])

    def infer_node_datatype(self, model: ModelWrapper) -> None:
        model.set_tensor_datatype(self.onnx_node.output[0], DataType["FLOAT32"])

    def verify_node(self) -> list[str]:
        return []

    def execute_node(self, context: dict[str, np.ndarray], graph: GraphProto) -> None:
        x, scale = (np.asarray(context[name], np.float32) for name in self.onnx_node.input)
        fmt = parse(self.get_nodeattr("format"))
        rounded = fmt.quantise(x / scale, self.get_nodeattr("axis")).astype(np.float32)
        context[self.onnx_node.output[0]] = (scale * rounded).astype(np.float32)


__all__ = ["FormatQuant"]
