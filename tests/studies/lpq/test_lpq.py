"""The search for Logarithmic Posits, on a small network: what it may find, and what decides it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyqkit.errors import UserError
from pyqkit.studies.genetic import Evolution
from pyqkit.studies.layerwise.objective import Objective
from pyqkit.studies.lpq.comparison import Entry, ablations, comparison, search_of
from pyqkit.studies.lpq.gene import Gene
from pyqkit.studies.lpq.problem import Problem, Search, problem
from pyqkit.studies.lpq.result import CodedLayer
from pyqkit.studies.lpq.space import Domain, Genome
from pyqkit.studies.lpq.study import LpqStudy
from pyqkit.studies.runner import Results, run
from pyqkit.studies.study import Task
from pyqkit.studies.workers import WorkerLostError, workers
from tests.studies.small import SmallSource

SOURCE = SmallSource()
ENTRY = Entry("small", SOURCE, 44)
LAYERS = 8


def search(**changes: Any) -> Search:
    return replace(search_of(ENTRY), evolution=Evolution(44, members=8, cycles=1), **changes)


def study(*searches: Search, crew: Any = None) -> LpqStudy:
    tasks = tuple(Task(f"search{i}", found, 5) for i, found in enumerate(searches))
    return LpqStudy((SOURCE,) * len(tasks), tasks, (LAYERS,) * len(tasks), crew)


@cache
def found() -> Results[Search]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return run(study(search()), Path(folder) / "lpq")


def test_a_search_improves_and_says_what_it_found() -> None:
    outcome = found().of("search0")
    fitness = [float(point["fitness"]) for point in outcome.curve]  # type: ignore[arg-type]
    assert len(fitness) == 7 and fitness == sorted(fitness, reverse=True) and fitness[-1] < fitness[0]
    values = dict(outcome.values)  # type: ignore[arg-type, call-overload]
    assert values["evaluations"] == 44 and values["fitness"] == fitness[-1]
    layers = [CodedLayer.from_json(entry) for entry in values["layers"]]
    assert [layer.layer for layer in layers] == [
        layer.name for layer in problem(SOURCE, search()).network.layers
    ]
    sizes, widths = [layer.size for layer in layers], [layer.weight_coding.bits for layer in layers]
    assert values["bits"] == sum(s * w for s, w in zip(sizes, widths)) / sum(sizes)
    assert widths[0] == widths[-1] == 8
    assert values["accuracy"] == 100 * outcome.arrays["correct"].mean()


def test_fitness_is_divergence_times_compression() -> None:
    values = dict(found().of("search0").values)  # type: ignore[arg-type, call-overload]
    assert values["fitness"] == pytest.approx(values["divergence"] * (values["bits"] / 8) ** 0.4, rel=1e-12)


def test_workers_decide_nothing(tmp_path: Path) -> None:
    with workers(2, None, 1) as crew:
        assert run(study(search(), crew=crew), tmp_path / "lpq").digest == found().digest


def test_an_interrupted_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Interrupted(study(search()))
    with pytest.raises(KeyboardInterrupt):
        run(stop, tmp_path / "lpq", every=0)
    assert run(study(search()), tmp_path / "lpq", resume=True).digest == found().digest


class Interrupted(LpqStudy):
    """Ends in the middle of a cycle."""

    def __init__(self, whole: LpqStudy) -> None:
        super().__init__(whole.sources, whole.searches, whole.layers)

    def step(self, task: Task[Search], index: int, state: Any) -> Any:
        if index == 3:
            raise KeyboardInterrupt
        return super().step(task, index, state)


def test_a_dead_worker(tmp_path: Path) -> None:
    with workers(2, None, 1) as crew:
        crew.executor.submit(_die)
        with pytest.raises(WorkerLostError, match="--resume"):
            run(study(search(), crew=crew), tmp_path / "lpq", every=0)
    assert run(study(search()), tmp_path / "lpq", resume=True).digest == found().digest


def _die() -> None:
    import os

    os._exit(9)


def test_a_checkpoint_of_another_search(tmp_path: Path) -> None:
    run(study(search(compression=0.2)), tmp_path / "lpq")
    for other in (search(), search(network="0" * 64), search(images="0" * 64)):
        with pytest.raises(UserError, match="task search0 was defined otherwise"):
            run(study(other), tmp_path / "lpq", resume=True)


def test_files_that_change_while_a_search_runs() -> None:
    for changed in (search(network="0" * 64), search(images="0" * 64)):
        with pytest.raises(UserError, match="leave files as they are"):
            Problem(SOURCE, changed)


# ---- genomes


def fits(problem: Problem, genome: Genome) -> bool:
    """By the sums that coded layers report."""
    return all(problem.space.fits(genome, layer) for layer in range(LAYERS))


NARROW = Domain(accumulators=(16, 18, 22))


@pytest.mark.parametrize("domain", [Domain(), NARROW], ids=["default", "narrow"])
def test_every_genome_fits(domain: Domain) -> None:
    space = Problem(SOURCE, search(domain=domain))
    random = np.random.default_rng(0)
    genomes = space.space.initial(6, random)
    for _ in range(10):
        genomes.append(space.space.child(genomes[-1], genomes[int(random.integers(6))], (3, 4, 5), random))
    assert all(fits(space, genome) for genome in genomes)
    if domain is NARROW:
        free = Problem(SOURCE, search())
        assert not all(fits(space, free.space.uniform(word)) for word in (4, 8))


def test_a_child_stays_near_its_parents() -> None:
    space, random = problem(SOURCE, search()).space, np.random.default_rng(1)
    first, second = space.uniform(8), space.uniform(4)
    words = set()
    for _ in range(40):
        child = space.child(first, second, (3, 4, 7), random)
        assert [child[i] for i in (0, 1, 2, 5, 6)] == [first[i] for i in (0, 1, 2, 5, 6)]
        assert child[7].word == 8 and abs(child[3].shift) <= 0.1
        words |= {child[3].word, child[4].word}
    assert words == {2, 4, 8}


def test_genomes_are_plain_data() -> None:
    space = problem(SOURCE, search()).space
    genome = space.random(np.random.default_rng(2))
    assert space.from_json(space.to_json(genome)) == genome


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [[8, 0, 7, 0.0]] * 7,
        [[9, 0, 7, 0.0]] * 8,
        [[8, 4, 7, 0.0]] * 8,
        [[8, 0, 7]] * 8,
        [[8.0, 0, 7, 0]] * 8,
    ],
    ids=["none", "empty", "short", "word", "es", "three", "float"],
)
def test_what_is_no_genome(data: Any) -> None:
    with pytest.raises(ValueError):
        problem(SOURCE, search()).space.from_json(data)


def test_activations_are_twice_as_wide_as_weights() -> None:
    space = problem(SOURCE, search()).space
    genome = list(space.uniform(8))
    genome[3], genome[4] = Gene(2, 0, 1, 0.0), space.least_error(4, 4)
    bits = [coding.bits for coding in space.assignment(tuple(genome)).activations if coding]
    assert bits == [8, 8, 8, 4, 8, 8, 8, 8]


def test_scales_are_those_of_the_least_error() -> None:
    problem_ = problem(SOURCE, search())
    for layer in range(LAYERS):
        gene, weights = problem_.space.least_error(layer, 4), problem_.network.layers[layer].weights
        error = {
            shift: np.square(
                problem_.space.coding(layer, replace(gene, shift=shift)).quantise(weights) - weights
            ).sum()
            for shift in (-0.4, -0.2, 0.0, 0.2, 0.4)
        }
        assert min(error, key=error.__getitem__) == 0.0


# ---- what it is compared with


def test_methods_count_the_same_evaluations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyqkit.studies.lpq.comparison.UNIFORM", ("int8", "int4"))
    results = run(comparison([ENTRY], seeds=1), tmp_path / "lpq")
    values = {outcome.task.name: dict(outcome.values) for outcome in results.outcomes}  # type: ignore[arg-type, call-overload]
    evaluations = {name: v["evaluations"] for name, v in values.items()}
    assert evaluations["small.lpq.0"] == evaluations["small.random.0"] == 44
    assert evaluations["small.mse-greedy"] == evaluations["small.sensitivity-greedy"] == 13
    assert values["small.lpq.0"]["fitness"] < values["small.random.0"]["fitness"]
    assert 0 < values["small.float"]["divergence"] <= values["small.int8"]["divergence"]
    assert values["small.float"]["layers"] == []
    assert values["small.int4"]["bits"] < 5 < values["small.int8"]["bits"] == 8
    path = [point["at_bits"] for point in results.of("small.mse-greedy").curve]
    assert path == sorted(path, reverse=True) and path[0] == 8


def test_traces_of_attention_are_those_of_its_plain_form() -> None:
    """Its fused kernels have no second derivative."""
    from pyqkit.studies.lpq.methods import _traces

    traces = []
    for fused in (True, False):
        source = AttentionSource(fused=fused)
        found = search_of(Entry("small", source, 44))
        traces.append(_traces(problem(source, found), Task("search", found, 5)))
    assert traces[0].max() > 0
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-3)


class Attention(torch.nn.Module):
    """Images (3, 8, 8), a pixel a token, to five logits."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.embed = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.queries, self.keys, self.values = (torch.nn.Linear(6, 6) for _ in range(3))
        self.classifier = torch.nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        q, k, v = self.queries(tokens), self.keys(tokens), self.values(tokens)
        if self.fused:
            found = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            found = torch.softmax(q @ k.transpose(1, 2) / 6**0.5, -1) @ v
        return self.classifier(found.mean(1))


@dataclass(frozen=True)
class AttentionSource(SmallSource):
    """The module above, seeded, on the same images."""

    fused: bool = True

    def network(self) -> torch.nn.Module:
        torch.manual_seed(1)
        return Attention(self.fused).eval()


def test_a_greedy_search_takes_the_layer_that_costs_least() -> None:
    from pyqkit.studies.lpq.methods import Greedy, _narrower

    problem_ = problem(SOURCE, search())
    weights = [layer.weights for layer in problem_.network.layers]

    def cost(after: Genome) -> float:
        (layer,) = (i for i, (a, b) in enumerate(zip(start, after)) if a != b)
        errors = [
            np.square(problem_.space.coding(layer, g).quantise(weights[layer]) - weights[layer]).mean()
            for g in (start[layer], after[layer])
        ]
        return float(errors[1] - errors[0])

    start = problem_.space.uniform(8)
    moves = list(_narrower(problem_, start))
    ones = np.ones(LAYERS)
    chosen = min(moves, key=lambda move: Greedy(False)._cost(problem_, start, move, ones))
    assert len(moves) == LAYERS - 2 and chosen == min(moves, key=cost)


def test_traces_are_those_of_the_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyqkit.studies.lpq.methods._PROBES", 150)
    from pyqkit.studies.lpq.methods import _traces

    problem_ = problem(SOURCE, search())
    estimated = _traces(problem_, Task("t", search(), 0))
    layer = problem_.network.layers[-1]
    x, labels = problem_.evaluator.images, problem_.evaluator.real.logits.argmax(1)
    graph = problem_.network.graph

    def loss(weight: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(graph, {f"{layer.name}.weight": weight}, (x,))
        return torch.nn.functional.cross_entropy(logits, labels)

    hessian = torch.func.hessian(loss)(torch.from_numpy(layer.weights))
    exact = float(hessian.reshape(layer.weights.size, -1).diagonal().mean())
    assert estimated.shape == (LAYERS,) and (estimated >= 0).all()
    assert estimated[-1] == pytest.approx(exact, rel=0.5)


def test_ablations_differ_in_one_thing() -> None:
    tasks = ablations(Entry("small", SOURCE, 30), seeds=1).tasks()
    whole = tasks[0].parameters
    assert tasks[0].name == "small.ablation.whole.0"
    assert len({task.parameters for task in tasks}) == len(tasks)
    for task in tasks[1:]:
        other = task.parameters
        differing = [
            f
            for f in ("objective", "pool", "compression", "domain", "evolution")
            if getattr(other, f) != getattr(whole, f)
        ]
        assert len(differing) == 1
    assert tasks[1].parameters.objective == Objective(local=False)
