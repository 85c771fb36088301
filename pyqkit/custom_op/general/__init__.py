"""FormatQuant: rounding to any number format, as qonnx executes it.

Inputs ``X`` and ``scale``; attributes ``format`` (a name that `pyqkit.formats.parse` knows) and, for blocks,
``axis``. Version 1; later versions add attributes.
"""

import numpy as np
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.custom_op.base import CustomOp

from pyqkit.formats import parse


class FormatQuant(CustomOp):
    """``scale * quantise(X / scale)``, computed in float32 as PyTorch does."""

    def get_nodeattr_types(self):
        return {"format": ("s", True, ""), "axis": ("i", False, -1)}

    def make_shape_compatible_op(self, model):
        return helper.make_node("Identity", [self.onnx_node.input[0]], [self.onnx_node.output[0]])

    def infer_node_datatype(self, model):
        model.set_tensor_datatype(self.onnx_node.output[0], DataType["FLOAT32"])

    def verify_node(self):
        return []

    def execute_node(self, context, graph):
        x, scale = (np.asarray(context[name], np.float32) for name in self.onnx_node.input)
        fmt = parse(self.get_nodeattr("format"))
        rounded = fmt.quantise(x / scale, self.get_nodeattr("axis")).astype(np.float32)
        context[self.onnx_node.output[0]] = (scale * rounded).astype(np.float32)


__all__ = ["FormatQuant"]
