"""docs/layers.md is what the rules say, and the names that they give exist."""

from __future__ import annotations

import importlib
from functools import reduce

import brevitas.nn
import pytest

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import MISSING, Layer
from pyqkit.graph.lowering.rules import Node, handles, rules
from pyqkit.graph.lowering.session import Lowering, Value
from tools import layer_table

LAYERS = [rule.layer for rule in rules().values()] + [entry.layer for entry in MISSING.values()]


def test_the_page_is_generated() -> None:
    assert layer_table.PAGE.read_text() == layer_table.page(), "run 'make layer-table'"


def test_every_rule_says_what_its_layer_is_called() -> None:
    assert not [layer.node for layer in LAYERS if not (layer.torch or layer.brevitas or layer.note)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.node)
def test_names_exist(layer: Layer) -> None:
    for name in layer.torch:
        first, *rest = name.split(".")
        reduce(getattr, rest, importlib.import_module(first))
    for name in layer.brevitas:
        getattr(brevitas.nn, name)


def test_what_has_a_rule_is_not_missing() -> None:
    assert not rules().keys() & MISSING.keys()


def test_a_new_rule_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyqkit.graph.lowering.rules._rules", dict(rules()))

    @handles(Layer("Cos", ("torch.cos",), note="of quantised tensors"), attributes=("kind",), only={"odd": 1})
    def lower(lowering: Lowering, node: Node) -> list[Value]:
        return refuse(node)

    page = layer_table.page()
    assert "| `torch.cos` | [Cos](#cos) (ONNX) | `kind`, `odd=1` | of quantised tensors |" in page
    assert (
        "\n### Cos\n\n| refused | do instead |\n| --- | --- |\n| it is … of 2 | use \\*another\\* |\n" in page
    )


def refuse(node: Node) -> list[Value]:
    """Called by a rule, as rules call what they share."""
    raise Unlowerable(f"it is {node.name} of 2", "use *another*")
