"""Graphs as JSON and arrays, read back without trust: every operator is rebuilt and infers its own output."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from pyqkit.formats import NumberFormat, parse
from pyqkit.graph.graph import Graph, GraphError, Operator, Port, Tensor
from pyqkit.graph.ops import by_kind

Arrays = dict[str, np.ndarray]


def to_json(graph: Graph) -> tuple[dict[str, Any], Arrays]:
    """A graph as JSON data and the arrays that it refers to by name."""
    arrays: Arrays = {}
    operators = [_operator_to_json(op, arrays) for op in graph.operators]
    ports = {
        side: [_port_to_json(port, arrays, f"{side}{i}") for i, port in enumerate(getattr(graph, side))] for side in ("inputs", "outputs")
    }
    entry = [_tensor_to_json(graph.tensors[port.tensor]) for port in graph.inputs]
    data = {"name": graph.name, "tensors": entry, "operators": operators, **ports, "notes": graph.notes, "sources": graph.sources}
    return data, arrays


def from_json(data: dict[str, Any], arrays: Arrays) -> Graph:
    """Rebuild a graph.

    Raises
    ------
    GraphError
        If an entry is missing or of the wrong type, or if operators do not fit together.
    """
    try:
        graph = Graph(
            str(data["name"]), notes=[str(n) for n in data["notes"]], sources={str(k): str(v) for k, v in data["sources"].items()}
        )
        for entry in data["tensors"]:
            shape = tuple(int(n) for n in entry["shape"])
            graph.tensors[entry["name"]] = Tensor(entry["name"], shape, parse(entry["format"]), int(entry["low"]), int(entry["high"]))  # type: ignore[arg-type]
        for entry in data["operators"]:
            graph.add(_operator_from_json(entry, arrays))
        graph.inputs = [_port_from_json(entry, arrays) for entry in data["inputs"]]
        graph.outputs = [_port_from_json(entry, arrays) for entry in data["outputs"]]
        missing = [port.tensor for port in (*graph.inputs, *graph.outputs) if port.tensor not in graph.tensors]
        if missing:
            raise GraphError(f"ports on known tensors were expected, but {missing[0]} is none; compile the network again")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"a graph as pyqkit writes it was expected, but it is damaged ({error}); compile the network again") from error
    return graph


def _tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "format": tensor.format.name, "low": tensor.low, "high": tensor.high}


def _operator_to_json(op: Operator, arrays: Arrays) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": op.kind}
    for item in fields(op):
        value = getattr(op, item.name)
        if isinstance(value, np.ndarray):
            arrays[f"{op.name}.{item.name}"] = value
            value = {"array": f"{op.name}.{item.name}"}
        elif isinstance(value, NumberFormat):
            value = {"format": value.name}
        entry[item.name] = list(value) if isinstance(value, tuple) else value
    return entry


def _operator_from_json(entry: dict[str, Any], arrays: Arrays) -> Operator:
    kind = by_kind(entry["kind"])
    values = {}
    for item in fields(kind):
        value = entry[item.name]
        if isinstance(value, dict):
            value = arrays[value["array"]] if "array" in value else parse(value["format"])
        elif isinstance(value, list) and str(item.type).startswith("tuple"):
            value = tuple(int(v) for v in value)
        values[item.name] = value
    return kind(**values)


def _port_to_json(port: Port, arrays: Arrays, name: str) -> dict[str, Any]:
    for key in ("order", "scale", "offset", "limits"):
        if getattr(port, key) is not None:
            arrays[f"{name}.{key}"] = getattr(port, key)
    return {"array": name, "tensor": port.tensor, "onnx_name": port.onnx_name, "onnx_shape": list(port.onnx_shape)}


def _port_from_json(entry: dict[str, Any], arrays: Arrays) -> Port:
    found = {key: arrays.get(f"{entry['array']}.{key}") for key in ("order", "scale", "offset", "limits")}
    shape = tuple(int(n) for n in entry["onnx_shape"])
    if any(found[key] is None for key in ("order", "scale", "offset")):
        raise GraphError("a port with order, scale and offset was expected, but one is missing; compile the network again")
    return Port(entry["tensor"], entry["onnx_name"], shape, **found)  # type: ignore[arg-type]
