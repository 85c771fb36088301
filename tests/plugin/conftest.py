"""The operator of `absolute.py`, known while a test runs and to no other test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from pyqkit.graph import ops
from pyqkit.graph.lowering.rules import rules
from pyqkit.hls import emitter as hls
from pyqkit.reference.reference import OPERATIONS
from pyqkit.rtl import emitter as rtl
from pyqkit.rtl import features

NAME = "tests.plugin.absolute"


@pytest.fixture
def absolute() -> Iterator[ModuleType]:
    """The module, imported: that alone makes its operator known."""
    own = rules().pop("Abs"), OPERATIONS.pop("Abs")  # pyqkit takes it for a function of its input
    assert "absolute" not in ops.kinds()
    made = importlib.import_module(NAME)
    OPERATIONS[made.NODE] = made.REFERENCE
    yield made
    for known, key in (
        (ops._kinds, made.KIND),
        (rules(), made.NODE),
        (OPERATIONS, made.NODE),
        (hls._rules._rules, made.KIND),
        (rtl._rules._rules, made.KIND),
        (features._rules._rules, made.MODULE),
    ):
        del known[key]
    rules()["Abs"], OPERATIONS["Abs"] = own
    del sys.modules[NAME]
