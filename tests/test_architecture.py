"""The page on architecture shows the rules that the source is held to."""

from __future__ import annotations

import pytest

from tests.test_imports import MAY_IMPORT
from tools import part_table


def test_the_page_is_what_the_rules_give() -> None:
    text = part_table.PAGE.read_text()
    assert text == part_table.page(text), "run 'python -m tools.part_table'"


def test_layers_have_what_they_import_below_them() -> None:
    level = {part: n for n, layer in enumerate(part_table.layers(MAY_IMPORT)) for part in layer}
    assert level.keys() == MAY_IMPORT.keys() and max(level.values()) > 5
    for part, below in MAY_IMPORT.items():
        assert all(level[name] < level[part] for name in below - {part}), part


def test_a_circle_has_no_layers() -> None:
    with pytest.raises(ValueError, match="in a circle: a, b"):
        part_table.layers({"a": {"b"}, "b": {"a"}, "c": set()})


def test_every_part_says_what_it_is() -> None:
    for part in MAY_IMPORT:
        assert len(part_table.sentence(part).split()) > 2, part
