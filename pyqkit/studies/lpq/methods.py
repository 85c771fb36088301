"""How genomes are searched for: LPQ, and what it is compared with. All count evaluations of one fitness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from pyqkit.formats import Integer, NumberFormat, parse
from pyqkit.formats.logposit import LogPosit
from pyqkit.studies.genetic import Member, Population, cycle, first_population
from pyqkit.studies.json_value import Json
from pyqkit.studies.layerwise.coding import Coding, Sample
from pyqkit.studies.layerwise.evaluator import Assignment
from pyqkit.studies.lpq.gene import Gene
from pyqkit.studies.lpq.problem import Problem, Search
from pyqkit.studies.lpq.space import Genome
from pyqkit.studies.study import State, Task, stream

Evaluate = Callable[[Sequence[Genome]], Sequence[float]]
FIGURES = ("evaluations", "fitness", "bits", "divergence")  # that every state has
_REAL_BITS = 32
_PROBES = 32  # random vectors that a trace is estimated with


class Method(Protocol):
    """A way to find a genome, in steps. A state's values are those of `_found`, and what the method adds."""

    def steps(self, search: Search, layers: int) -> int:
        """How many steps it takes."""

    def step(
        self, problem: Problem, task: Task[Search], index: int, state: State, evaluate: Evaluate
    ) -> State:
        """The state after a step."""


class Genetic:
    """LPQ."""

    def steps(self, search: Search, layers: int) -> int:
        return search.evolution.steps

    def step(
        self, problem: Problem, task: Task[Search], index: int, state: State, evaluate: Evaluate
    ) -> State:
        evolution, random = task.parameters.evolution, stream(task, index)
        if index == 0:
            population = first_population(problem.space, evolution, evaluate, random)
            return _found(problem, population, evolution.members)
        population = Population.from_json(problem.space, values_of(state)["population"])
        population = cycle(problem.space, evolution, index - 1, population, evaluate, random)
        return _found(problem, population, _evaluations(state) + evolution.children_of(index - 1))


class Random:
    """The first population of LPQ, and genomes drawn from nothing for as many evaluations."""

    def steps(self, search: Search, layers: int) -> int:
        return search.evolution.steps

    def step(
        self, problem: Problem, task: Task[Search], index: int, state: State, evaluate: Evaluate
    ) -> State:
        evolution, random = task.parameters.evolution, stream(task, index)
        if index == 0:
            population = first_population(problem.space, evolution, evaluate, random)
            return _found(problem, Population((population.best,)), evolution.members)
        genomes = [problem.space.random(random) for _ in range(evolution.children_of(index - 1))]
        return _with_best(problem, state, genomes, evaluate)


@dataclass(frozen=True)
class Greedy:
    """From eight bits down, a layer at a time: the one that costs least for a bit saved.

    Attributes
    ----------
    weighted : bool
        Whether the squared error of a layer's weights counts by the mean of its Hessian's diagonal, as in
        HAWQ-V2.
    """

    weighted: bool

    def steps(self, search: Search, layers: int) -> int:
        return 1 + max(0, layers - 2) * (len(search.domain.widths) - 1)

    def step(
        self, problem: Problem, task: Task[Search], index: int, state: State, evaluate: Evaluate
    ) -> State:
        space = problem.space
        if index == 0:
            at = space.uniform(max(task.parameters.domain.widths))
            count = len(problem.network.layers)
            costs = _traces(problem, task) if self.weighted else np.ones(count)
            found = _with_best(problem, State(), [at], evaluate)
        else:
            at, costs = space.from_json(values_of(state)["at"]), state.arrays["costs"]
            at = min(_narrower(problem, at), key=lambda move: self._cost(problem, at, move, costs))
            found = _with_best(problem, state, [at], evaluate)
        values = {**values_of(found), "at": space.to_json(at)}
        return State(values, {"costs": costs}, {**found.point, "at_bits": space.bits(at)})

    def _cost(self, problem: Problem, before: Genome, after: Genome, costs: np.ndarray) -> float:
        """Squared error that a move adds, for a bit that it saves."""
        (layer,) = (i for i, (a, b) in enumerate(zip(before, after)) if a != b)
        old, new = before[layer], after[layer]
        weights = problem.network.layers[layer].weights
        more = problem.space.error(layer, new) - problem.space.error(layer, old)
        energy = float(np.square(weights, dtype=np.float64).sum())
        return float(costs[layer]) * more * energy / (weights.size * (old.word - new.word))


class Uniform:
    """One format for the weights of all layers, and the one of eight bits of its family for activations."""

    def steps(self, search: Search, layers: int) -> int:
        return 1

    def step(
        self, problem: Problem, task: Task[Search], index: int, state: State, evaluate: Evaluate
    ) -> State:
        fmt = parse(task.parameters.format)
        if isinstance(fmt, LogPosit):
            return _with_best(problem, state, [problem.space.uniform(fmt.bits)], evaluate)
        assignment = uniform(problem, fmt)
        bits = problem.network.mean_bits([coding.bits for coding in assignment.weights if coding])
        divergence = problem.divergence(assignment)
        return State(_figures(1, divergence * problem.compressed(bits), bits, divergence))


class Real:
    """The float network itself, for its divergence and its accuracy."""

    def steps(self, search: Search, layers: int) -> int:
        return 1

    def step(
        self, problem: Problem, task: Task[Search], index: int, state: State, evaluate: Evaluate
    ) -> State:
        divergence = problem.divergence(Assignment.real(problem.network))
        return State(_figures(1, divergence * problem.compressed(_REAL_BITS), _REAL_BITS, divergence))


METHODS: dict[str, Method] = {
    "lpq": Genetic(),
    "random": Random(),
    "mse-greedy": Greedy(weighted=False),
    "sensitivity-greedy": Greedy(weighted=True),
    "uniform": Uniform(),
    "float": Real(),
}


def chosen(problem: Problem, state: State) -> Assignment:
    """Codings that a search has ended with."""
    values = values_of(state)
    if problem.search.method == "float":
        return Assignment.real(problem.network)
    if "population" in values:
        return problem.space.assignment(Population.from_json(problem.space, values["population"]).best.genome)
    return uniform(problem, parse(problem.search.format))


def uniform(problem: Problem, fmt: NumberFormat) -> Assignment:
    """Codings of the least error of one format; activations and edges have eight bits of its family."""
    layers = [Sample(layer.weights) for layer in problem.network.layers]
    wide = parse("int8" if isinstance(fmt, Integer) else "e3m4")
    edges = 0, len(layers) - 1
    weights = [least_error(s, wide if i in edges else fmt) for i, s in enumerate(layers)]
    unsigned = parse("uint8") if isinstance(fmt, Integer) else wide
    activations = [least_error(s, unsigned if s.nonnegative else wide) for s in problem.evaluator.samples]
    return Assignment(tuple(weights), tuple(activations))


def least_error(sample: Sample, fmt: NumberFormat) -> Coding:
    """A format at the scale of the least squared error."""
    largest = max(abs(fmt.minimum), fmt.maximum)
    scales = sample.largest / largest * 2.0 ** np.arange(-4, 0.51, 0.0625)
    return Coding(fmt, float(np.float32(scales[sample.errors(fmt, scales).argmin()])))


# ---- states


def values_of(state: State) -> dict[str, Json]:
    """Values of a state by name."""
    return state.values if isinstance(state.values, dict) else {}


def _evaluations(state: State) -> int:
    found = values_of(state).get("evaluations", 0)
    return found if isinstance(found, int) else 0


def _figures(evaluations: int, fitness: float, bits: float, divergence: float) -> dict[str, float]:
    return dict(zip(FIGURES, (evaluations, fitness, bits, divergence)))


def _found(problem: Problem, population: Population[Gene], evaluations: int) -> State:
    """A population with the figures of its best member, which are a point of the trace, too."""
    best = population.best
    bits = problem.space.bits(best.genome)
    figures = _figures(evaluations, best.fitness, bits, best.fitness / problem.compressed(bits))
    return State({**figures, "population": population.to_json(problem.space)}, point=figures)


def _with_best(problem: Problem, state: State, genomes: Sequence[Genome], evaluate: Evaluate) -> State:
    """The best genome so far."""
    kept = values_of(state).get("population", [])
    members = Population.from_json(problem.space, kept).members if kept else ()
    new = [Member(float(f), g) for f, g in zip(evaluate(genomes), genomes, strict=True)]
    best = Population[Gene](()).with_(*members, *new).best
    return _found(problem, Population((best,)), _evaluations(state) + len(genomes))


# ---- moves and their costs


def _narrower(problem: Problem, genome: Genome) -> Iterator[Genome]:
    """Genomes with one layer, not an edge, of the next narrower word."""
    widths = sorted(problem.search.domain.widths)
    for layer in range(1, len(genome) - 1):
        smaller = [word for word in widths if word < genome[layer].word]
        if smaller:
            gene = problem.space.least_error(layer, smaller[-1])
            yield (*genome[:layer], gene, *genome[layer + 1 :])


def _traces(problem: Problem, task: Task[Search]) -> np.ndarray:
    """Mean of the diagonal of the loss's Hessian for each layer's weights, estimated (Hutchinson).

    The loss is the cross-entropy to the labels that the float network gives.
    """
    generator = torch.Generator().manual_seed(int(stream(task, 0).integers(2**63)))
    graph, images = problem.network.graph, problem.evaluator.images
    layers = problem.network.layers
    weights = [torch.from_numpy(layer.weights).clone().requires_grad_() for layer in layers]
    named = {f"{layer.name}.weight": w for layer, w in zip(layers, weights)}
    # Attention's fused kernels have no second derivative, its plain form has.
    with sdpa_kernel(SDPBackend.MATH):
        logits = torch.func.functional_call(graph, named, (images,))
    loss = torch.nn.functional.cross_entropy(logits, problem.evaluator.real.logits.argmax(1))
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    traces = np.zeros(len(weights))
    for _ in range(_PROBES):
        probes = [_signs(w, generator) for w in weights]
        products = torch.autograd.grad(gradients, weights, probes, retain_graph=True)
        traces += [float((p * v).sum()) / v.numel() for p, v in zip(products, probes)]
    return np.maximum(traces / _PROBES, 0.0)


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator).to(like) * 2 - 1
