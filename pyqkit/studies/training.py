"""Trainings as studies: a step is an epoch, and a phase begins with the network of the one before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from pyqkit.studies.study import State, Study, Task
from pyqkit.studies.torch_state import packed, tensors_of, unpack
from pyqkit.studies.trainer import Loss, Recipe, Trainer

P = TypeVar("P")


class Training(Study[P], Generic[P]):
    """A network is trained in one phase or several, such as float and then quantised.

    Nothing lives on between epochs but the state: tensors of network and optimiser, the schedule, torch's
    generator and what was measured.
    """

    @abstractmethod
    def network(self, task: Task[P], phase: int) -> nn.Module:
        """The network of a phase; first weights are drawn from torch's generator."""

    @abstractmethod
    def recipes(self, task: Task[P]) -> Sequence[Recipe]:
        """How each phase trains."""

    @abstractmethod
    def samples(self, task: Task[P]) -> int:
        """Samples of an epoch."""

    @abstractmethod
    def loss(self, task: Task[P], index: int, network: nn.Module) -> Loss:
        """Loss of samples in epoch `index`, counted through all phases."""

    def measure(self, task: Task[P], network: nn.Module) -> dict[str, float]:
        """What the learning curve shows after an epoch, and the result at the end."""
        return {}

    def enter(self, task: Task[P], network: nn.Module, before: nn.Module) -> None:
        """Begin a phase with the network of the one before; quantisers are calibrated here."""
        network.load_state_dict(before.state_dict(), strict=False)

    def optimiser(self, network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer | None:
        """What trains a network; None for Adam."""
        return None

    def device(self) -> torch.device:
        """Where networks are trained; `loss` brings its samples there."""
        return torch.device("cpu")

    def seed(self, task: Task[P], phase: int) -> int | None:
        """Seed of torch's generator at the beginning of a phase; None lets it go on."""
        return task.seed + phase

    def steps(self, task: Task[P]) -> int:
        return sum(recipe.epochs for recipe in self.recipes(task))

    def begin(self, task: Task[P]) -> State:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.seed)
            networks = [self.network(task, phase) for phase in range(len(self.recipes(task)))]
            values, arrays = packed({"network": networks[0]})
            return State({"parts": values}, arrays)

    def step(self, task: Task[P], index: int, state: State) -> State:
        with torch.random.fork_rng(devices=[]):
            trainer = self._trainer(task, index, state)
            loss = trainer.epoch(self.loss(task, index, trainer.network))
            measured = self.measure(task, trainer.network)
            values, arrays = packed(_parts(trainer))
            return State({"parts": values, "measured": measured}, arrays, {"loss": loss, **measured})

    def result(self, task: Task[P], state: State) -> State:
        """What was measured last, and the tensors of the network."""
        return State(_entry(state, "measured"), tensors_of("network", state.arrays))

    def _trainer(self, task: Task[P], index: int, state: State) -> Trainer:
        """The trainer as the step before has left it, or as a phase begins."""
        recipes, values = self.recipes(task), _entry(state, "parts")
        phase, first = _phase(recipes, index)
        network, samples = self.network(task, phase), self.samples(task)
        if index > first:
            # Brevitas makes new parameters when it loads scales, so the optimiser comes after the network.
            unpack(values, state.arrays, {"network": network})
            trainer = self._made(network, recipes[phase], samples)
            unpack(values, state.arrays, {"optimiser": trainer.optimiser, "schedule": trainer.schedule})
            return trainer
        before = self.network(task, phase - 1) if phase else network
        unpack(values, state.arrays, {"network": before})
        if phase:
            self.enter(task, network, before)
        seed = self.seed(task, phase)
        if seed is not None:
            torch.manual_seed(seed)
        return self._made(network, recipes[phase], samples)

    def _made(self, network: nn.Module, recipe: Recipe, samples: int) -> Trainer:
        network.to(self.device())
        return Trainer(network, recipe, samples, self.optimiser(network, recipe))


def _phase(recipes: Sequence[Recipe], index: int) -> tuple[int, int]:
    """The phase of an epoch, and the first epoch of that phase."""
    first = 0
    for phase, recipe in enumerate(recipes):
        if index < first + recipe.epochs:
            return phase, first
        first += recipe.epochs
    raise IndexError(f"epoch {index} of {first}")


def _parts(trainer: Trainer) -> dict[str, Any]:
    return {"network": trainer.network, "optimiser": trainer.optimiser, "schedule": trainer.schedule}


def _entry(state: State, name: str) -> Any:
    if not isinstance(state.values, dict) or name not in state.values:
        raise ValueError(f"a training's state with {name} was expected")
    return state.values[name]
