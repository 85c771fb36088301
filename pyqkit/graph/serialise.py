"""Graphs as JSON and arrays, read back without trust.

Types and ranges are checked, and every operator infers its output anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.reading import DAMAGE, check, describe, text, whole
from pyqkit.graph.graph import FieldError, Graph, GraphError, Operator, Port, Tensor
from pyqkit.graph.ops import by_kind

Arrays = dict[str, np.ndarray]
_AT_LEAST_ONE = {
    "stride",
    "dilation",
    "groups",
    "window",
    "step",
    "size",
    "shape",
}  # all other numbers are at least 0


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
    }
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
    graph.sources = {text(k): text(v) for k, v in data["sources"].items()}
    check(set(graph.sources) <= set(graph.tensors), "a source names no tensor")
    return graph


# ---- tensors and operators ---------------------------------------------------------------------------------


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
    full = Tensor.of(text(entry["name"]), (height, width, channels), _format(entry["format"]))
    low, high = int(entry["low"]), int(entry["high"])
    check(full.low <= low <= high <= full.high, f"{full.name} ranges from {low} to {high}")
    return Tensor(full.name, full.shape, full.format, low, high)


def operator_to_json(op: Operator, arrays: Arrays) -> dict[str, Any]:
    """An operator as JSON data; its arrays go into `arrays` under ``operator.field``."""
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


def operator_from_json(entry: dict[str, Any], arrays: Arrays) -> Operator:
    """Read what `operator_to_json` wrote.

    Raises `GraphError` or one of `reading.DAMAGE` for anything else.
    """
    kind = by_kind(text(entry["kind"]))
    values = {item.name: _field(item.name, str(item.type), entry[item.name], arrays) for item in fields(kind)}
    return kind(**values)


def _field(name: str, kind: str, value: Any, arrays: Arrays) -> Any:
    """One field of an operator, read as its annotation says."""
    least = 1 if name in _AT_LEAST_ONE else 0
    if kind == "np.ndarray | None" and value is None:
        return None
    if kind.startswith("np.ndarray"):
        array = arrays[text(value["array"])]
        check(array.dtype.kind in "iub", f"{name} has the type {array.dtype}")
        return array
    if kind.startswith(("tuple[", "list[")):
        check(isinstance(value, list), f"{name} is no list")
    if kind.startswith("tuple["):
        check(len(value) == kind.count("int"), f"{name} has {len(value)} entries")
        return tuple(whole(n, least) for n in value)
    readers: dict[str, Callable[[Any], Any]] = {
        "str": text,
        "bool": lambda v: bool(whole(int(v), 0)),
        "int": lambda v: whole(v, least),
        "list[str]": lambda v: [text(n) for n in v],
        "list[int]": lambda v: [whole(n, least) for n in v],
        "NumberFormat": lambda v: _format(v["format"]),
        "Integer": lambda v: _format(v["format"]),
    }
    return readers[kind](value)


# ---- values ------------------------------------------------------------------------------------------------


def _format(name: Any) -> NumberFormat:
    found = parse(text(name))
    check(isinstance(found, NumberFormat), f"{name} is no format of single codes")
    return found  # type: ignore[return-value]
