"""Messages: what a terminal would act upon is written out, and what came is cut short."""

from __future__ import annotations

import pytest

from pyqkit.errors import MissingToolError, UserError, brief, listed, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a layer, β and 網", "a layer, β and 網"),
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\u202egnp", r"\u202egnp"),
        ("\udcff", r"\udcff"),
        ("\u2028", r"\u2028"),
    ],
)
def test_characters_on_which_a_terminal_acts(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert str(UserError(f"a name was expected, but {text} came")) == f"a name was expected, but {shown} came"
    assert str(MissingToolError(text, text)) == f"{shown}\n{shown}"  # lines are given, never found in a text


@pytest.mark.parametrize(
    "value", ["x" * 10_000, list(range(10_000)), [[[[[[]]]]]], {i: "x" * 1000 for i in range(1000)}, 10**4000]
)
def test_what_came_is_cut_short(value: object) -> None:
    assert 0 < len(brief(value)) < 1000
    assert brief("x") == "'x'" and brief([1, 2]) == "[1, 2]"


def test_lists_of_names_are_cut_short() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(f"layer{i}" for i in range(1000)).endswith("layer18, layer19 and 980 more")
    assert len(listed(["x" * 10_000] * 1000)) < 2000


def test_sentences_keep_their_ends_however_long_a_name_is() -> None:
    sentence = str(UserError(f"a layer was expected, but {'x' * 100_000} came; choose one of them"))
    assert len(sentence) < 2000
    assert sentence.startswith("a layer was expected, but xxx") and sentence.endswith(
        "xxx came; choose one of them"
    )
