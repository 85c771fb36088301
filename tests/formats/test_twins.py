"""Unsigned twins: equal bits, no sign, finer."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.formats import examples, parse

TWINS = {"e2m1": "ue2m2", "e3m2": "ue3m3", "e4m3fn": "ue4m4", "int4": "uint4", "int8narrow": "uint8"}


@pytest.mark.parametrize(("name", "twin"), TWINS.items(), ids=TWINS)
def test_twin(name: str, twin: str) -> None:
    assert parse(name).unsigned_twin == parse(twin)


@pytest.mark.parametrize("name", ["ue2m2", "uint4", "lp4_0_3", "odd2", "int8z3"])
def test_no_twin(name: str) -> None:
    assert parse(name).unsigned_twin is None


def test_a_twin_is_finer_within_the_same_bits() -> None:
    for fmt in (example.element for example in examples()):
        twin = fmt.unsigned_twin
        if twin is not None:
            assert twin.bits == fmt.bits and twin.minimum == 0
            assert len(twin.values) > np.count_nonzero(fmt.values >= 0)
