"""The text that every installation has."""

from __future__ import annotations

import json

from pyqkit.studies.microscopiq.docstrings import docstrings


def test_docstrings_of_a_package() -> None:
    found = docstrings(("json",))
    assert any(text.startswith("JSON (JavaScript Object Notation)") for text in found)
    assert json.loads.__doc__ is not None
    assert any(text.split() == json.loads.__doc__.split() for text in found)
    assert len(set(found)) == len(found) > 10
    assert all(text.isascii() and len(text) >= 40 for text in found)
    assert found == docstrings(("json",))
