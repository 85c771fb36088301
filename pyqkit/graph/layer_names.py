"""Layers by the names that the user's module has for them, read off the nodes of an ONNX file.

Exporters keep the path of a module in different places: TorchScript's in a node's name
(``/features/features.0/Conv``), dynamo's in its metadata, TensorFlow's converters in names such as
``model/dense/MatMul``; and parameters keep their own names (``features.0.weight``). What a graph, its reports
and messages call a layer comes from here; any text may come out, `pyqkit.names` makes an identifier of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pyqkit.graph.model import QUANTISERS

_SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of dynamo's exporter: paths from the outermost to the node
_PARAMETER = re.compile(r"(.+)\.(?:weight|bias)(?:_quantized)?")
# Of Brevitas inside a layer: one proxy, and parts of it, of which tracers count the calls
_PROXY = re.compile(r"\.(?:act|input|output|weight|bias)_quant(?:\.\w*(?:_impl|_proxy|_quant)(?:_\d+)?)*$")
_HANDLER = re.compile(r"/export_handler(?:_\d+)?$")
_LONGEST = 500  # letters of a path, a node's name or a parameter's that are looked at
_ONNX_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
_KINDS = {
    "gemm": "linear",
    "matmul": "linear",
    "batchnormalization": "norm",
    "globalaveragepool": "pool",
    "averagepool": "pool",
    "maxpool": "pool",
}


def module_path(name: str) -> str:
    """Path of a part of a module, from the name that the tracer gave a node.

    ``/body/body.0/act_quant/export_handler/Quant`` is ``body.0.act_quant``.
    """
    path: list[str] = []
    for part in _HANDLER.sub("", name.rpartition("/")[0]).strip("/").split("/"):
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part  # members of a Sequential carry its name
        elif part != "StatefulPartitionedCall":  # TensorFlow's name of the whole
            path.append(part)
    return ".".join(path)


def layer_of(path: str) -> str:
    """The layer that a quantiser belongs to, as the user's module names it."""
    return _PROXY.sub("", path) or "the module"


def layer_path(node: Any) -> str:
    """Path of the module that a node comes from, such as ``features.0``; empty if the file does not say."""
    if len(node.name) > _LONGEST:
        return ""
    own_name = re.fullmatch(f"{re.escape(node.op_type)}(_[0-9]+)?", node.name.rpartition("/")[2])
    if node.op_type in _ONNX_QUANTISERS and not own_name:
        return ""  # quantisers that were added to a file are named after tensors
    if "/" in node.name:
        return _PROXY.sub("", module_path(node.name))
    scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "")
    return next(iter(re.findall(r"'([^']*)'", scopes)[-2:-1]), "")[:_LONGEST]


def _owners(graph: Any) -> dict[str, str]:
    """Paths of layers by the tensors that hold their parameters, quantised ones included."""
    found = {tensor.name: _PARAMETER.fullmatch(tensor.name) for tensor in graph.initializer}
    owners = {name: match[1] for name, match in found.items() if match and len(name) <= _LONGEST}
    for node in graph.node:
        if node.op_type in (*QUANTISERS, *_ONNX_QUANTISERS, "Transpose") and node.input[0] in owners:
            owners.update(dict.fromkeys(node.output, owners[node.input[0]]))
    return owners


def _path(node: Any, owners: dict[str, str]) -> str:
    """As `layer_path`; of a layer with parameters by their owner, where the node's name is no path."""
    owner = next((owners[name] for name in list(node.input)[1:] if name in owners), "")
    return layer_path(node) if "/" in node.name or not owner else owner


def layer_names(graph: Any) -> dict[str, str]:
    """Names of layers by the ONNX tensors that their nodes make.

    Parameters
    ----------
    graph : onnx.GraphProto

    Returns
    -------
    dict of str to str
        A layer is called as its module's path; a function that a module calls beside its layers has the
        path and a word of its own (``layer1.0.Add``); a path that begins with a digit, as in a Sequential,
        follows the kind of the layer (``conv_1``). Where the file names no module, it is the node's name.
    """
    owners = _owners(graph)
    paths = [_path(node, owners) for node in graph.node]
    outer = {above for path in paths for above in _above(path)}
    kinds: dict[str, str] = {}
    for node, path in zip(graph.node, paths):
        if node.op_type not in QUANTISERS and owners.keys().isdisjoint(node.output):  # a weight's Transpose
            kinds.setdefault(path, _kind(node))
    names: dict[str, str] = {}
    for index, (node, path) in enumerate(zip(graph.node, paths)):
        kind = _kind(node) if path in outer else kinds.get(path, "quant")
        if path[:1].isdigit():
            name = f"{kind}_{path}"
        elif path:
            name = f"{path}.{node.name.rpartition('/')[2] or node.op_type}" if path in outer else path
        elif node.op_type in (*QUANTISERS, *_ONNX_QUANTISERS) and node.input[0] in names:
            name = names[node.input[0]]  # of the layer that it quantises
        else:
            name = node.name.lstrip("/").removeprefix("node_") or f"{node.op_type}_{index}"
        names.update(dict.fromkeys(filter(None, node.output), name))
    return names


def _above(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _kind(node: Any) -> str:
    kind = str(node.op_type).lower()
    return _KINDS.get(kind, kind)
