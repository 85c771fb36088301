"""Reading an ONNX file: the plain meaning of names, attributes and constants, which the importer and the reference share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pyqkit.errors import UserError

QUANTISERS = ("Quant", "IntQuant", "FloatQuant", "BipolarQuant", "FormatQuant")


class ModelError(UserError):
    """The file is no ONNX model that pyqkit can read (truncated, dynamic shapes, no quantisers)."""


def load_model(path: Path) -> Any:
    """Read an ONNX file."""
    if not path.is_file():
        raise ModelError(f"an ONNX file was expected at {path}, but there is none; check the path")
    return parse_model(path.read_bytes(), str(path))


def parse_model(content: bytes, path: str) -> Any:
    """Read an ONNX model from the bytes of a file; `path` is for messages."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"an ONNX file was expected, but {path} cannot be read as one; it may be truncated, export it again") from error
    if not model.graph.node:
        raise ModelError(f"an ONNX file with nodes was expected, but {path} has none; it may be truncated, export it again")
    return model


def check_model(model: Any) -> None:
    """Refuse models without quantisers and with dynamic shapes."""
    if not any(node.op_type in QUANTISERS for node in model.graph.node):
        raise ModelError(
            f"a QONNX model with {', '.join(QUANTISERS)} nodes was expected, but none came; quantise the network and export it with "
            "pyqkit.quant.export_qonnx or brevitas.export.export_qonnx"
        )
    initialisers = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in initialisers and (not dims or any(d.dim_value < 1 for d in dims)):
            raise ModelError(f"static shapes were expected, but input {value.name} has a dynamic one; export with a fixed batch of 1")


def read_constants(model: Any) -> dict[str, np.ndarray]:
    """Initialisers of a model by name."""
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def attribute_values(proto: Any) -> dict[str, Any]:
    """Attributes of an ONNX node as Python values."""
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}
