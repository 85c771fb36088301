"""Graphs survive JSON unchanged, and damaged JSON is refused in one sentence."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.graph.graph import Graph, GraphError, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.serialise import Arrays, from_json, to_json
from tests.emulate.networks import everything
from tests.small_networks import mixed_layout, residual


def imported(network: Callable[[], Any]) -> tuple[Graph, dict[str, np.ndarray]]:
    graph = import_qonnx(network())
    port = graph.inputs[0]
    x = np.random.default_rng(0).normal(0, 2, (3, *port.onnx_shape)).astype(np.float32)
    return graph, {port.tensor: encode_input(port, graph.tensors[port.tensor], x)}


def through_text(graph: Graph) -> tuple[dict[str, Any], Arrays]:
    data, arrays = to_json(graph)
    return json.loads(json.dumps(data, allow_nan=False)), arrays


def same_graph(a: Graph, b: Graph) -> None:
    assert (a.name, a.tensors, a.notes, a.sources) == (b.name, b.tensors, b.notes, b.sources)
    for left, right in zip(a.operators, b.operators, strict=True):
        assert type(left) is type(right)
        for item in fields(left):
            np.testing.assert_array_equal(getattr(left, item.name), getattr(right, item.name))
    for side in ("inputs", "outputs"):
        for left, right in zip(getattr(a, side), getattr(b, side), strict=True):
            for item in fields(left):
                np.testing.assert_array_equal(getattr(left, item.name), getattr(right, item.name))


@pytest.mark.parametrize("network", [residual, mixed_layout])
def test_imported_graphs_come_back(network: Callable[[], Any]) -> None:
    graph, codes = imported(network)
    found = from_json(*through_text(graph))
    same_graph(graph, found)
    for name, values in graph.execute(codes).items():
        np.testing.assert_array_equal(found.execute(codes)[name], values)


@pytest.mark.parametrize("formats", [("e2m1", "int4"), ("lp4_0_3", "lp4_0_3"), ("uint8", "e4m3")])
def test_every_operator_comes_back(formats: tuple[str, str]) -> None:
    net = everything(*formats)
    found = from_json(*through_text(net.graph))
    same_graph(net.graph, found)
    for name, values in net.graph.execute(net.codes).items():
        np.testing.assert_array_equal(found.execute(net.codes)[name], values)


@pytest.fixture(scope="module")
def written() -> tuple[dict[str, Any], Arrays]:
    return through_text(import_qonnx(residual()))


def index_of(data: dict[str, Any], kind: str) -> int:
    return next(i for i, entry in enumerate(data["operators"]) if entry["kind"] == kind)


def set_in(kind: str, field: str, value: Any) -> Callable[[dict[str, Any], Arrays], None]:
    """A damage: one field of the first operator of a kind."""

    def damage(data: dict[str, Any], arrays: Arrays) -> None:
        data["operators"][index_of(data, kind)][field] = value

    return damage


def array_of(
    kind: str, field: str, change: Callable[[np.ndarray], np.ndarray]
) -> Callable[[dict[str, Any], Arrays], None]:
    """A damage: one array of the first operator of a kind."""

    def damage(data: dict[str, Any], arrays: Arrays) -> None:
        name = data["operators"][index_of(data, kind)][field]["array"]
        arrays[name] = change(arrays[name].copy())

    return damage


def top(key: str, value: Any) -> Callable[[dict[str, Any], Arrays], None]:
    return lambda data, arrays: data.__setitem__(key, value)


def port_array(name: str, change: Callable[[np.ndarray], Any]) -> Callable[[dict[str, Any], Arrays], None]:
    return lambda data, arrays: arrays.__setitem__(name, change(arrays[name].copy()))


DAMAGES: dict[str, tuple[Callable[[dict[str, Any], Arrays], Any], str]] = {
    "no operators": (lambda d, a: d.pop("operators"), "no 'operators'"),
    "empty": (top("operators", []), "no "),
    "name": (top("name", 7), "7 is no text"),
    "tensor shape": (
        lambda d, a: d["tensors"][0].__setitem__("shape", [6, -6, 2]),
        "-6 is no whole number from 1",
    ),
    "tensor rank": (lambda d, a: d["tensors"][0].__setitem__("shape", [6, 6]), "not enough values to unpack"),
    "tensor range": (lambda d, a: d["tensors"][0].__setitem__("low", -9), "x ranges from -9 to 7"),
    "tensor format": (
        lambda d, a: d["tensors"][0].__setitem__("format", "e9m9"),
        "but e9m9 has 19 bits and 9 exponent bits",
    ),
    "block format": (
        lambda d, a: d["tensors"][0].__setitem__("format", "mx32_e2m1"),
        "mx32_e2m1 is no format of single codes",
    ),
    "stride": (set_in("convolution", "stride", [0, 1]), "0 is no whole number from 1"),
    "true for a number": (set_in("convolution", "stride", [True, 1]), "True is no whole number from 1"),
    "padding": (set_in("convolution", "padding", [0, -1, 0, 0]), "-1 is no whole number from 0"),
    "padding length": (set_in("convolution", "padding", [0, 0]), "padding has 2 entries"),
    "groups": (set_in("convolution", "groups", 1.0), "1.0 is no whole number from 1"),
    "inputs": (set_in("convolution", "inputs", "x"), "inputs is no list"),
    "input name": (set_in("convolution", "inputs", ["y"]), "no 'y'"),
    "weight array": (set_in("convolution", "weights", {"array": "none"}), "no 'none'"),
    "weight code": (array_of("convolution", "weights", lambda w: w + 128), "has weights that are no codes"),
    "weight type": (
        array_of("convolution", "weights", lambda w: w.astype(np.float64)),
        "weights has the type float64",
    ),
    "weight rank": (
        array_of("convolution", "weights", lambda w: w.reshape(len(w), -1)),
        "has weights that are no codes",
    ),
    "thresholds fall": (
        array_of("threshold", "thresholds", lambda t: t[:, ::-1]),
        "has thresholds that decrease",
    ),
    "thresholds type": (
        array_of("threshold", "thresholds", lambda t: t.astype(np.int8)),
        "has thresholds that decrease",
    ),
    "directions": (array_of("threshold", "falling", lambda f: f.astype(np.int64)), "has wrong directions"),
    "port tensor": (lambda d, a: d["inputs"][0].__setitem__("tensor", "y"), "no 'y'"),
    "order": (port_array("inputs0.order", lambda o: o * 0), "x has a wrong order"),
    "limits": (port_array("inputs0.limits", lambda v: v[::-1]), "x has wrong limits"),
    "scale": (port_array("outputs0.scale", lambda s: s * np.nan), "has scales that are no numbers"),
    "scale type": (port_array("outputs0.offset", lambda s: s.astype(np.float32)), "has wrong scales"),
    "sources": (top("sources", {"y": "y"}), "a source names no tensor"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_graphs_are_refused(written: tuple[dict[str, Any], Arrays], name: str) -> None:
    damage, what = DAMAGES[name]
    data, arrays = copy.deepcopy(written)
    damage(data, arrays)
    with pytest.raises(GraphError) as caught:
        from_json(data, arrays)
    start, end = (
        "a graph as pyqkit writes it was expected, but it is damaged (",
        "); compile the network again",
    )
    sentence = str(caught.value)
    assert sentence.startswith(start) and sentence.endswith(end)
    assert what in sentence


def test_operators_that_do_not_fit_keep_their_own_sentence(written: tuple[dict[str, Any], Arrays]) -> None:
    data, arrays = copy.deepcopy(written)
    set_in("convolution", "kind", "attention")(data, arrays)
    with pytest.raises(
        GraphError,
        match="^an operator out of add, .* was expected, but 'attention' came; the file was made by "
        "another version$",
    ):
        from_json(data, arrays)
    data, arrays = copy.deepcopy(written)
    array_of("convolution", "weights", lambda w: w[..., :1])(data, arrays)
    with pytest.raises(GraphError, match="^1 input channels were expected by "):
        from_json(data, arrays)


def test_numbers_beyond_float32_saturate_without_a_warning() -> None:
    graph, _ = imported(residual)
    port = graph.inputs[0]
    x = np.full((1, *port.onnx_shape), 1e300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes = encode_input(port, graph.tensors[port.tensor], x * [[[[1]], [[-1]]]])
    np.testing.assert_array_equal(codes[..., 0], 7)
    np.testing.assert_array_equal(codes[..., 1], 8)
