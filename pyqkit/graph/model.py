"""What an ONNX file plainly says: names, attributes, constants.

The importer and the reference share it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit import untrusted
from pyqkit.errors import UserError
from pyqkit.graph import external_data, limits

QUANTISERS = ("Quant", "IntQuant", "FloatQuant", "BipolarQuant", "FormatQuant")
# Nodes that make quantised numbers: ONNX's own quantiser is a QuantizeLinear, maybe a Clip, and this.
MAKERS = (*QUANTISERS, "Trunc", "DequantizeLinear")
OLDEST_OPSET = 7  # before it broadcasting, dropout and batch norms meant something else
_SHOWN = 60  # characters of a name in a message

# What a constant may be made of: numbers that numpy computes with and float64 holds (int64 and uint64: where
# they are used).
_CONSTANT_TYPES = (
    "FLOAT",
    "DOUBLE",
    "FLOAT16",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "BOOL",
)
# What a frame may be made of: float32 holds each of these numbers.
_INPUT_TYPES = ("FLOAT", "UINT8", "INT8", "UINT16", "INT16")


class ModelError(UserError):
    """The file is no ONNX model that pyqkit can read (truncated, dynamic shapes, no quantisers)."""


def load_model(path: Path) -> Any:
    """Read an ONNX file, and the external data beside it."""
    model, _ = read_model(path)
    return model


def read_model(path: Path) -> tuple[Any, bytes]:
    """Read an ONNX file and the external data beside it, as a model and as one file that holds everything."""
    if not path.is_file():
        raise ModelError(f"an ONNX file was expected at {path}, but there is none; check the path")
    try:
        content = untrusted.content(path, limits.MODEL_BYTES)
    except OSError as error:
        raise ModelError(
            f"an ONNX file was expected at {path}, but it cannot be read ({error.strerror}); check its mode"
        ) from error
    except ValueError as error:
        raise ModelError(
            f"an ONNX file was expected at {path}, but {error}; keep large tensors in files beside it"
        ) from error
    model = _parsed(content, str(path))
    if external_data.include(model, path.parent):
        content = serialised(model)
    return model, content


def parse_model(content: bytes, path: str) -> Any:
    """Read an ONNX model from the bytes of a file.

    `path` is for messages. External data are refused: there is no folder to look in.
    """
    model = _parsed(content, path)
    for tensor in external_data.tensors(model):
        if external_data.is_external(tensor):
            raise ModelError(
                f"a model with all its data was expected, but the data of tensor {shown(tensor.name)} lie in "
                "another file; pass the path of the ONNX file, or load it with onnx.load"
            )
    return model


def serialised(model: Any) -> bytes:
    """The bytes of a file that holds a model."""
    from google.protobuf.message import EncodeError

    try:
        return model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise ModelError(
            f"a model of less than 2 GiB was expected, but this one cannot be written ({error}); "
            "use a smaller network"
        ) from error


def _parsed(content: bytes, path: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ModelError(
            f"an ONNX file was expected, but {path} cannot be read as one; it may be truncated, "
            "export it again"
        ) from error
    if not model.graph.node:
        raise ModelError(
            f"an ONNX file with nodes was expected, but {path} has none; it may be truncated, export it again"
        )
    return model


def shown(name: str) -> str:
    """A name as a message shows it: in one line, not too long, in quotes where it holds anything unusual."""
    short = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    return short if short.isascii() and short.isprintable() and short else ascii(short)


# ---- the whole model ---------------------------------------------------------------------------------------


def check_model(model: Any) -> None:
    """Refuse a model that is not sound, has no quantisers, or has no input of one fixed shape.

    Raises
    ------
    ModelError
    """
    graph = model.graph
    if not any(node.op_type in MAKERS for node in graph.node):
        raise ModelError(
            f"a QONNX model with {', '.join(MAKERS)} nodes was expected, but none came; quantise the "
            "PyTorch network of a float file with 'pyqkit quantise', or export a quantised one with "
            "pyqkit.quant.export_qonnx or brevitas.export.export_qonnx"
        )
    if len(graph.node) > limits.NODES:
        raise ModelError(
            f"at most {limits.NODES} nodes were expected, but {len(graph.node)} came; use a smaller network"
        )
    if model.functions:
        names = ", ".join(shown(f.name) for f in model.functions[:5])
        raise ModelError(
            f"a model without functions of its own was expected, but it has {names}; inline them "
            "with onnx.inliner"
        )
    if graph.sparse_initializer:
        name = shown(graph.sparse_initializer[0].values.name)
        raise ModelError(
            f"dense initialisers were expected, but {name} is sparse; export it as a dense tensor"
        )
    opset_version(model)
    _check_names(graph)
    _check_input(graph)


def opset_version(model: Any) -> int:
    """Version of ONNX's own operators that the model asks for."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    found = {entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")}
    if len(found) != 1:
        raise ModelError(
            f"one version of ONNX's operators was expected, but {len(found)} came; export the model again"
        )
    (version,) = found
    if not OLDEST_OPSET <= version <= newest:
        raise ModelError(
            f"an op-set from {OLDEST_OPSET} to {newest} was expected, but the model has {version}; "
            "convert it with onnx.version_converter"
        )
    return version


def _check_names(graph: Any) -> None:
    """Every tensor is made once, before it is used."""
    made = Counter(value.name for value in graph.input) | Counter(tensor.name for tensor in graph.initializer)
    repeated = [name for name, count in made.items() if count > 1]
    for index, node in enumerate(graph.node):
        for name in node.input:
            if name and name not in made:
                raise ModelError(
                    f"tensors that exist were expected as inputs of {label(node, index)}, but nothing before "
                    f"it makes {shown(name)}; sort the nodes, or export the model again"
                )
        repeated += [name for name in node.output if name and made[name]]
        made.update(name for name in node.output if name)
        repeated += [name for name, count in Counter(node.output).items() if name and count > 1]
    outputs = Counter(value.name for value in graph.output)
    repeated += [name for name, count in outputs.items() if count > 1]
    if repeated:
        raise ModelError(
            f"a name of its own was expected for every tensor, but {shown(repeated[0])} comes "
            "twice; export the model again"
        )
    missing = [name for name in outputs if name not in made]
    if missing or not outputs:
        what = f"output {shown(missing[0])} is made by no node" if missing else "there are none"
        raise ModelError(f"outputs that nodes make were expected, but {what}; export the model again")


def _check_input(graph: Any) -> None:
    inputs = network_inputs(graph)
    if len(inputs) != 1:
        names = ", ".join(shown(value.name) for value in inputs) or "none"
        raise ModelError(
            f"a network with one input was expected, but this one has {names}; join them into one, "
            "and slice it"
        )
    (value,) = inputs
    name, dims = shown(value.name), value.type.tensor_type.shape.dim
    kind = _type_name(value.type.tensor_type.elem_type)
    if kind not in _INPUT_TYPES:
        raise ModelError(
            f"an input of type {', '.join(_INPUT_TYPES)} was expected, but {name} has {kind}; "
            "export it with a float32 input"
        )
    if (
        not dims
        or any(d.dim_value < 1 for d in dims[1:])
        or not (has_any_batch(value) or dims[0].dim_value > 0)
    ):
        raise ModelError(
            f"static shapes were expected, but input {name} has a dynamic one; "
            "export with fixed sizes and a batch of 1"
        )
    if not 2 <= len(dims) <= 4:
        raise ModelError(
            "an input of 2 axes (batch, features), 3 (batch, channels, length) or 4 (batch, channels, "
            f"height, width) was expected, but {name} has {len(dims)}; reshape it"
        )
    elements, channels = int(np.prod([d.dim_value for d in dims][1:], dtype=object)), dims[1].dim_value
    if elements > limits.TENSOR_ELEMENTS or channels > limits.CHANNELS:
        raise ModelError(
            f"an input of at most {limits.TENSOR_ELEMENTS} elements and {limits.CHANNELS} channels was "
            f"expected, but {name} has {elements} and {channels}; use a smaller one"
        )


def network_inputs(graph: Any) -> list[Any]:
    """Inputs that are no initialisers."""
    initialisers = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in initialisers]


def has_any_batch(value: Any) -> bool:
    """Whether an input leaves the length of its first axis open; a batch of 1 is assumed then."""
    first = value.type.tensor_type.shape.dim[0]
    return not first.HasField("dim_value")


def is_integer(value: Any) -> bool:
    """Whether an input holds whole numbers."""
    return _type_name(value.type.tensor_type.elem_type) != "FLOAT"


def label(node: Any, index: int) -> str:
    """Name and type of a node in messages."""
    return f"{node_name(node, index)} ({shown(node.op_type)})"


def node_name(node: Any, index: int) -> str:
    """Name of a node in messages, or its place."""
    return shown(node.name) if node.name else f"node {index}"


def needed_names(graph: Any) -> set[str]:
    """Names of the tensors that the outputs depend on; nodes that make none of them mean nothing."""
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
    return needed - {""}


# ---- constants and attributes ------------------------------------------------------------------------------


def read_constants(model: Any) -> dict[str, np.ndarray]:
    """Initialisers of a model by name, those that something depends on."""
    needed = needed_names(model.graph)
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    total = sum(len(tensor.raw_data) for tensor in tensors)
    if total > limits.CONSTANT_BYTES:
        raise ModelError(
            f"at most {limits.CONSTANT_BYTES} bytes of initialisers were expected, but {total} "
            "came; use a smaller network"
        )
    return {tensor.name: constant_array(tensor) for tensor in tensors}


def constant_array(tensor: Any) -> np.ndarray:
    """Content of a dense tensor.

    Raises
    ------
    ModelError
        If its type is none that constants have, it is too large, or its data do not fill its shape.
    """
    from onnx import numpy_helper

    name, dims, kind = shown(tensor.name), list(tensor.dims), _type_name(tensor.data_type)
    if kind not in _CONSTANT_TYPES:
        raise ModelError(
            f"a tensor of type {', '.join(_CONSTANT_TYPES)} was expected, but {name} has {kind}; "
            "store it as FLOAT"
        )
    elements = int(np.prod(dims, dtype=object))
    if len(dims) > limits.AXES or any(d < 0 for d in dims) or elements > limits.CONSTANT_ELEMENTS:
        raise ModelError(
            f"a tensor of at most {limits.AXES} axes and {limits.CONSTANT_ELEMENTS} elements was expected, "
            f"but {name} has the shape {dims[: limits.AXES + 1]}; use a smaller one"
        )
    if external_data.is_external(tensor):
        raise ModelError(
            f"a tensor with its data was expected, but those of {name} lie in another file; load "
            "the model from its path"
        )
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(
            f"{elements} numbers of type {kind} were expected in tensor {name}, but others came; "
            "export it again"
        ) from error


def is_tensor(value: Any) -> bool:
    """Whether the value of an attribute is a dense tensor."""
    from onnx import TensorProto

    return isinstance(value, TensorProto)


def type_code(name: str) -> int:
    """ONNX's number of a type of elements, such as ``FLOAT``."""
    from onnx import TensorProto

    return TensorProto.DataType.Value(name)


def _type_name(code: int) -> str:
    from onnx import TensorProto

    return TensorProto.DataType.Name(code) if code in TensorProto.DataType.values() else f"type {code}"


def attribute_values(proto: Any) -> dict[str, Any]:
    """Attributes of an ONNX node as Python values: numbers, text, lists of them, and onnx's tensors.

    Raises
    ------
    ModelError
        If an attribute comes twice, has no type that ONNX knows, or is text that is no UTF-8.
    """
    import onnx

    values: dict[str, Any] = {}
    for attribute in proto.attribute:
        name = shown(attribute.name)
        if attribute.name in values:
            raise ModelError(
                f"each attribute once was expected, but {name} came twice; export the model again"
            )
        if attribute.ref_attr_name:
            raise ModelError(
                f"an attribute with a value was expected, but {name} refers to one of a function; "
                "inline it with onnx.inliner"
            )
        try:
            value = onnx.helper.get_attribute_value(attribute)
            values[attribute.name] = value.decode() if isinstance(value, bytes) else value
        except ValueError as error:  # UnicodeDecodeError among them
            raise ModelError(
                f"an attribute of a type that ONNX knows was expected, but {name} has none; export "
                "the model again"
            ) from error
    return values
