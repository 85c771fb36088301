"""Formats of a network's layers."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from pyqkit.studies.networks.layers import Formats


def test_activations_beside_weights_in_blocks_are_of_the_elements_format() -> None:
    assert Formats.of("mx32_e2m1") == Formats("mx32_e2m1", "e2m1", "e2m1", "e4m3", "e4m3", "e4m3")
    assert Formats.of("mx16_int4_ceil") == Formats("mx16_int4_ceil", "int4", "uint4", "int8", "int8", "uint8")
