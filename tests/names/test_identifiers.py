"""Identifiers, labels and printable text, as `pyqkit.names` makes them."""

from __future__ import annotations

import re

import pytest

from pyqkit.errors import UserError, brief, plain
from pyqkit.names import LONGEST, Identifiers, identifier, is_identifier, is_label
from tests.names.words import BREAKERS, CPP, EVIL, ODD, SYSTEMVERILOG


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ("conv1", "conv1"),
        ("layer1.0.conv2", "layer1_0_conv2"),
        ("/Net/Conv/", "net_conv"),
        ("größe", "grosse"),
        ("Ünit", "unit"),
        ("a__b_", "a_b"),
        ("1st", "n1st"),
        ("層", "unnamed"),
        ("", "unnamed"),
        ("\u202enew\0", "new"),
    ],
)
def test_what_becomes_of_a_name(wanted: str, made: str) -> None:
    assert identifier(wanted) == made and identifier(made) == made


@pytest.mark.parametrize("longest", [10, LONGEST])
def test_a_table_gives_every_name_once(longest: int) -> None:
    names = Identifiers(["taken"], longest)
    made = [names.new(wanted) for wanted in ["taken", *BREAKERS, *ODD, *CPP, *SYSTEMVERILOG, *CPP]]
    assert len(set(made)) == len(made) and "taken" not in made
    assert all(
        re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) <= longest and is_identifier(name)
        for name in made
    )


def test_equal_names_are_numbered() -> None:
    names = Identifiers()
    assert [names.new(wanted) for wanted in ("a", "a_2", "A", "a.", "a_2")] == [
        "a",
        "a_2",
        "a_3",
        "a_4",
        "a_2_2",
    ]


@pytest.mark.parametrize(
    "text", ["", "A", "1a", "_a", "a.b", "a\n", "ä", "a" * (LONGEST + 1), None, 5, *BREAKERS]
)
def test_no_identifiers(text: object) -> None:
    assert not is_identifier(text)


def test_graphs_of_earlier_versions_have_names_with_underscores_side_by_side() -> None:
    assert is_identifier("blocks_0__conv") and is_identifier("a_") and is_identifier("a" * LONGEST)


def test_labels() -> None:
    assert all(map(is_label, ["ZCU104", "Arty-Z7-20", "xczu7ev-ffvc1156-2-e", "model.onnx", "12V"]))
    assert not any(
        is_label(text) for text in ["", ".", "..", "-x", "a/b", "a b", "a\n", "é", "a" * 65, None, *BREAKERS]
    )


def test_text_for_a_terminal_holds_nothing_that_it_obeys() -> None:
    assert plain("größe 層 conv1") == "größe 層 conv1"
    assert plain("\x1b[31m\n\u202e\ud800\0") == "\\x1b[31m\\n\\u202e\\ud800\\x00"
    assert plain(EVIL).isprintable() and brief(EVIL).isprintable() and len(brief(EVIL)) <= LONGEST


def test_errors_are_plain() -> None:
    assert str(UserError(f"a name was expected, but {EVIL} came")).isprintable()
    assert str(UserError("two faults:", "a\nb", "c")) == "two faults:\na\\nb\nc"
