"""Codes that rounded factors move are counted, each near a boundary; others are faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array.compiler import fitted
from pyqkit.array.machine import Machine, named
from pyqkit.emulate.array import ArrayEngine
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.requantise import Threshold
from pyqkit.tables import verdict
from pyqkit.verify.compare import verify
from pyqkit.verify.rounded import moved
from tests.array.networks import unequal_sums
from tests.emulate.networks import Net

COARSE = replace(named("lpa4x4"), name="coarse", multiplier_bits=8)  # rounds so much that codes move


def net(frames: int = 40) -> Net:
    made = unequal_sums("lp8_1_2", spread=0.3)
    made.codes["x"] = made.random.choice(made.activations.codes, (frames, *made.codes["x"].shape[1:]))
    return made


def compared(graph: Graph, definition: Graph, codes: dict[str, np.ndarray]) -> dict[str, object]:
    return moved(graph, definition, codes, ExactEngine(definition).run(codes)).to_json()


@pytest.mark.parametrize("machine", [named("lpa4x4"), COARSE], ids=lambda machine: machine.name)
def test_all_that_moves_is_near_a_boundary(machine: Machine) -> None:
    made = net()
    definition, layers = fitted(made.graph, machine)
    found = compared(made.graph, definition, made.codes)
    assert layers == ["b"] == list(found["layers"])
    engines = [ExactEngine(graph).run(made.codes)["b"] for graph in (made.graph, definition)]
    assert found["moved"] == (engines[0] != engines[1]).sum()
    assert found["codes"] == engines[0].size
    assert (found["far"], found["differing"]) == (0, 0)
    assert (found["moved"] > 0) == (machine is COARSE)
    assert found["accepted"] == (machine is not COARSE)  # more than one in ten thousand


def test_faults_are_not_called_rounding() -> None:
    """Thresholds that are wrong by a hundredth of a step."""
    made = net()
    definition, _ = fitted(made.graph, named("lpa4x4"))
    (op,) = [op for op in definition.operators if isinstance(op, Threshold)]
    op.thresholds = op.thresholds + np.median(np.diff(op.thresholds, axis=1)).astype(np.int64) // 100
    found = compared(made.graph, definition, made.codes)
    assert found["far"] > 0 and not found["accepted"]


class Wrong(ArrayEngine):
    """An engine that gives one wrong code."""

    def run(
        self, codes: dict[str, np.ndarray], *, progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        found = super().run(codes, progress=progress)
        found["b"][0, 0, 0, 0] ^= 1
        return found


@pytest.mark.parametrize("kind", [ArrayEngine, Wrong])
def test_verify_compares_an_engine_with_what_it_computes(kind: type[ArrayEngine]) -> None:
    made = net(frames=3)
    (port,) = made.graph.inputs
    limits = np.array([float(boundary.position) for boundary in made.activations.boundaries()], np.float32)
    made.graph.inputs = [replace(port, limits=limits)]
    array, exact = kind(made.graph, named("lpa4x4")), ExactEngine(made.graph)
    assert array.definition is not made.graph
    x = np.random.default_rng(0).normal(0, 1, (3, *port.onnx_shape)).astype(np.float32)
    for names in (("exact", "lpa4x4"), ("lpa4x4",)):
        result = verify(x, names, {"exact": exact, "lpa4x4": array}.__getitem__, exact, None)
        assert result["mismatches"] == (kind is Wrong)
        assert result["rounded"]["lpa4x4"]["layers"].keys() == {"b"}
        assert result["rounded"]["lpa4x4"]["accepted"]
        assert len(verdict(result)) == (kind is Wrong)
    result["rounded"]["lpa4x4"]["accepted"] = False
    assert "codes are moved by the rounded factors of lpa4x4" in verdict(result)[-1]
