"""Formats by place as the first step of post-training quantisation; the steps of a recipe come behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.recipe import Recipe
from pyqkit.quant.ptq.step import Stage, Step
from pyqkit.studies.formats_search.subject import BASE, Genome, Rounding, places_of


@dataclass(frozen=True)
class Assigned(Step):
    """Give each place its format, with the scale of the least squared error.

    Attributes
    ----------
    genome : Genome
        Formats in the order of `pyqkit.studies.formats_search.subject.places_of`.
    """

    stage: ClassVar[Stage] = "calibrated"
    rank: ClassVar[int] = 0
    genome: Genome

    def apply(self, network: Network, seed: int) -> None:
        rounding = Rounding(network)
        for place, name in zip(places_of(network), self.genome, strict=True):
            rounding.set(place, name)


def recipe_of(genome: Genome, steps: str) -> Recipe:
    """A recipe with formats by place, and steps joined by plus signs."""
    plain = Recipe.of(BASE, recipe=steps)
    return replace(plain, steps=(Assigned(genome), *plain.steps))


def uniform(model: nn.Module, frames: Tensor, name: str) -> Genome:
    """The genome of a network with one format, and first and last layer in 8 bits, as recipes have it."""
    recipe, network, other = Recipe.of(name), Network(model, frames), Network(model, frames)
    network.quantise(Recipe.of(BASE))
    other.quantise(recipe)
    found = []
    for place in places_of(network):
        where = place.names[0]
        actual = other.quant_layer(where).weight_quant if place.is_weights else other.quantisers[where]
        ends = recipe.end_weights if place.is_weights else recipe.end_acts
        found.append(name if place.format(name) == actual.format else ends.name)
    return tuple(found)
