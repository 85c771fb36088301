"""Graphs as JSON and arrays, read back without trust.

Types and ranges are checked, and every operator infers its output anew.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from pyqkit.formats.reading import DAMAGE, check, describe, text, whole
from pyqkit.graph.fields import Arrays, codecs, format_named
from pyqkit.graph.graph import FieldError, Graph, GraphError, Operator, Port, Tensor
from pyqkit.graph.ops import by_kind
from pyqkit.host.part import HostPart


def to_json(graph: Graph) -> tuple[dict[str, Any], Arrays]:
    """A graph as JSON data and the arrays that it refers to by name."""
    arrays: Arrays = {}
    operators = [operator_to_json(op, arrays) for op in graph.operators]
    ports = {
        side: [port.to_json(arrays, f"{side}{i}") for i, port in enumerate(getattr(graph, side))]
        for side in ("inputs", "outputs")
    }
    entry = [tensor_to_json(graph.tensors[port.tensor]) for port in graph.inputs]
    data = {
        "name": graph.name,
        "tensors": entry,
        "operators": operators,
        **ports,
        "notes": graph.notes,
        "sources": graph.sources,
        "channels_last": graph.channels_last,
    }
    if graph.host is not None:
        data["host"] = graph.host.to_json(arrays)
    return data, arrays


def from_json(data: dict[str, Any], arrays: Arrays) -> Graph:
    """Rebuild a graph.

    Raises
    ------
    GraphError
        If an entry is missing, of the wrong type or out of range, or if operators do not fit together.
    """
    try:
        return _graph_from_json(data, arrays)
    except FieldError as error:
        raise _damaged(error) from error
    except GraphError:
        raise
    except DAMAGE as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> GraphError:
    return GraphError(
        f"a graph as pyqkit writes it was expected, but it is damaged ({describe(error)}); compile "
        "the network again"
    )


def _graph_from_json(data: dict[str, Any], arrays: Arrays) -> Graph:
    graph = Graph(text(data["name"]), notes=[text(n) for n in data["notes"]])
    for entry in data["tensors"]:
        tensor = tensor_from_json(entry)
        graph.tensors[tensor.name] = tensor
    for entry in data["operators"]:
        graph.add(operator_from_json(entry, arrays))
    graph.inputs = [Port.from_json(entry, arrays, graph.tensors[entry["tensor"]]) for entry in data["inputs"]]
    graph.outputs = [
        Port.from_json(entry, arrays, graph.tensors[entry["tensor"]]) for entry in data["outputs"]
    ]
    check(bool(graph.inputs and graph.results and graph.operators), "a side of it is empty")
    check(
        not any(port.probe for port in graph.outputs[: len(graph.results)]), "a probe stands before a result"
    )
    if "host" in data:
        graph.host = HostPart.from_json(data["host"], arrays, graph.result_shapes)
    graph.sources = {text(k): text(v) for k, v in data["sources"].items()}
    check(set(graph.sources) <= set(graph.tensors), "a source names no tensor")
    graph.channels_last = [text(name) for name in data.get("channels_last", [])]
    check(set(graph.channels_last) <= set(graph.sources), "a source with its channels last is none")
    return graph


# ---- tensors and operators ---------------------------------------------------------------------------


def tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    """A tensor as JSON data."""
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "format": tensor.format.name,
        "low": tensor.low,
        "high": tensor.high,
    }


def tensor_from_json(entry: dict[str, Any]) -> Tensor:
    """Read what `tensor_to_json` wrote; raises one of `reading.DAMAGE` for anything else."""
    height, width, channels = (whole(n, 1) for n in entry["shape"])
    full = Tensor.of(text(entry["name"]), (height, width, channels), format_named(entry["format"]))
    low, high = int(entry["low"]), int(entry["high"])
    check(full.low <= low <= high <= full.high, f"{full.name} ranges from {low} to {high}")
    return Tensor(full.name, full.shape, full.format, low, high)


def operator_to_json(op: Operator, arrays: Arrays) -> dict[str, Any]:
    """An operator as JSON data; its arrays go into `arrays` under ``operator.field``."""
    entry: dict[str, Any] = {"kind": op.kind}
    for name, codec in codecs(type(op)):
        entry[name] = codec.write(getattr(op, name), f"{op.name}.{name}", arrays)
    return entry


def operator_from_json(entry: dict[str, Any], arrays: Arrays) -> Operator:
    """Read what `operator_to_json` wrote, maybe before a field with a default was added.

    Raises `GraphError` or one of `reading.DAMAGE` for anything else.
    """
    kind = by_kind(text(entry["kind"]))
    added = {item.name for item in fields(kind) if item.default is not MISSING} - entry.keys()
    stored = ((name, codec) for name, codec in codecs(kind) if name not in added)
    return kind(**{name: codec.read(entry[name], name, arrays) for name, codec in stored})
