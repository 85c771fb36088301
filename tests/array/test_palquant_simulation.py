"""Layers of PalQuant's networks in SystemVerilog: codes of the definition, cycles of the closed form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from palquant_layers import SMALL, SMALL_MACHINE, Passes

from tests.array.simulation import Simulation
from tests.array.test_palquant import drawn
from tests.rtl.bench import needs_verilator


@needs_verilator
@pytest.mark.long
def test_small_layers(tmp_path: Path) -> None:
    """ResNet-18's layers cut to an eighth, and ResNet-20's, of four bits and of groups of two."""
    simulation = Simulation.of(SMALL_MACHINE, tmp_path / "machine")
    for _, layer, bits, groups in SMALL:
        simulation.agrees(drawn(Passes(layer, bits, layer.outputs * groups, groups).alone(), frames=1))
