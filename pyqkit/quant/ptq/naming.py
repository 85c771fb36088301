"""Names of layers in an exported file.

The tracer names nodes by the modules that call one another. A graph of `torch.fx` calls all its layers
itself, so what the tracer writes is the last word of a path alone; the whole paths stand in the names of
scales.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from pyqkit.quant.ptq.quantiser import Quantiser

_ACT, _WEIGHT = ".act_quant", ".weight_quant"


def name_layers(model: Any, module: nn.Module) -> None:
    """Give the nodes of an `onnx.ModelProto` the paths of the layers that they come from, in place.

    Nothing changes where `module` has no `Quantiser`.
    """
    paths = {name for name, part in module.named_modules() if isinstance(part, Quantiser)}
    makers = {node.output[0]: node for node in model.graph.node if node.output}
    quantisers = [(node, path) for node in model.graph.node if (path := _path(node)) in paths]
    for node, path in quantisers:
        node.name = f"/{path}/{node.op_type}"
        before = makers.get(node.input[0])
        owner = path.removesuffix(_ACT)
        if path.endswith(_ACT) and before is not None and _is_layer(module, owner):
            before.name = f"/{owner}/{before.op_type}"
    layers = {
        node.output[0]: path.removesuffix(_WEIGHT) for node, path in quantisers if path.endswith(_WEIGHT)
    }
    for node in model.graph.node:
        layer = next((layers[name] for name in node.input if name in layers), "")
        if layer:
            node.name = f"/{layer}/{node.op_type}"
            layers.update({name: layer for name in node.output if node.op_type == "Transpose"})


def _path(node: Any) -> str:
    """Path of the quantiser whose scale a node reads."""
    path, _, what = node.input[1].rpartition(".") if len(node.input) > 1 else ("", "", "")
    return path if what == "scale" else ""


def _is_layer(module: nn.Module, path: str) -> bool:
    """Whether it is a module of the network, and not a folder that holds a quantiser alone."""
    return type(module.get_submodule(path)) is not nn.Module
