"""What a search has found compiles, and computes what the search has seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pyqkit
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.studies.genetic import Evolution
from pyqkit.studies.lpq.comparison import Entry, search_of
from pyqkit.studies.lpq.export import quantised
from pyqkit.studies.lpq.problem import Problem, problem
from pyqkit.studies.lpq.result import coded_layers
from pyqkit.studies.lpq.space import Genome
from tests.studies.small import SmallSource, images, network

SOURCE = SmallSource()


def mixed() -> tuple[Problem, Genome]:
    """A genome of all widths."""
    found = problem(SOURCE, search_of(Entry("small", SOURCE, Evolution().evaluations)))
    words = (8, 4, 2, 4, 8, 2, 4, 8)
    return found, tuple(found.space.least_error(layer, word) for layer, word in enumerate(words))


@pytest.fixture(scope="module")
def exported() -> torch.nn.Module:
    found, genome = mixed()
    layers = coded_layers(found, found.space.assignment(genome))
    return quantised(network(), torch.from_numpy(images()), layers)


def test_the_module_computes_what_was_searched(exported: torch.nn.Module) -> None:
    found, genome = mixed()
    assignment, x = found.space.assignment(genome), torch.from_numpy(images())
    for layer, coding in zip(found.network.layers, assignment.weights):
        weights = exported.get_submodule(layer.name)
        codes = weights.weight_quant.format.encode(
            (weights.weight / weights.weight_quant.scale).detach().numpy()
        )
        signs = np.sign(weights.weight.detach().numpy()) * np.sign(layer.weights)
        assert coding is not None and weights.weight_quant.format == coding.format
        if signs.min() >= 0:  # a batch norm with negative factors turns signs
            np.testing.assert_array_equal(codes, coding.encode(layer.weights))
    with torch.no_grad():
        ours, searched = exported(x), found.evaluator.logits(assignment, x)
    # what the pool reads is rounded in the module, too
    assert float((ours - searched).abs().max()) < 0.05 * float(searched.abs().max())


def test_the_module_compiles_within_the_accumulators(exported: torch.nn.Module) -> None:
    found, genome = mixed()
    accelerator = pyqkit.compile(exported, torch.from_numpy(images()[:1]), board="ZCU104")
    checked = accelerator.verify(images()[:2], engines=("exact",))
    assert checked["mismatches"] == 0 and checked["reference"]["codes_differing"] == 0
    graph, layers = accelerator.graph, coded_layers(found, found.space.assignment(genome))
    sums = [graph.tensors[op.outputs[0]].format.bits for op in graph.operators if isinstance(op, Convolution)]
    allowed = [layer.accumulator_bits for layer in layers]
    assert len(sums) == len(allowed) and all(one <= most for one, most in zip(sums, allowed))
