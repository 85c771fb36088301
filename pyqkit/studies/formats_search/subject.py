"""A network whose formats are searched for: where it is rounded, and how far from float that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pyqkit.errors import UserError
from pyqkit.formats import FormatError, NumberFormat, parse
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.pipeline import prepared
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.quant.ptq.recipe import Recipe
from pyqkit.quant.ptq.scales import scales
from pyqkit.quant.ptq.step import Step
from pyqkit.studies.formats_search.mending import Mending

BASE = "int8"  # format in which a network is rounded, and lowered, before any is searched for
_SAMPLED = 2**16  # numbers of a tensor that its scale is found from
_BATCH = 64  # frames that run together

Genome = tuple[str, ...]
"""A format for each place, by name."""


@dataclass(frozen=True)
class Place:
    """Numbers that have one format: the weights of a layer, or tensors that are rounded alike.

    Attributes
    ----------
    names : tuple of str
        The layer; or the quantisers of the tensors.
    is_weights : bool
    never_negative : bool
        Then a format stands for its unsigned twin.
    """

    names: tuple[str, ...]
    is_weights: bool
    never_negative: bool = False

    @property
    def label(self) -> str:
        """What a table calls it."""
        return self.names[0].removesuffix(".act_quant")

    def format(self, name: str) -> NumberFormat:
        """The format that a name stands for here."""
        fmt = parse(name)
        twin = fmt.unsigned_twin if self.never_negative and not fmt.block else None
        return twin or fmt


class Subject:
    """A network, calibration frames, and a format for each place.

    Parameters
    ----------
    model : torch.nn.Module
        Float, in eval mode; it is left as it is.
    frames : Tensor, shape (frames, *shape of the input)
        As `pyqkit.quant.ptq.frames.checked` gives them.
    steps : sequence of Step
        Of the recipe by which networks are built: those that change the float network have changed it, and
        those that round one layer after another make its weights (`Mending`); others come later.

    Attributes
    ----------
    network : pyqkit.quant.ptq.Network
        Rounded in `BASE` at first.
    places : tuple of Place
        Weights, then activations, each in order of execution.
    """

    def __init__(self, model: nn.Module, frames: Tensor, steps: Sequence[Step] = ()) -> None:
        self.network = prepared(model, frames, steps)
        self.network.quantise(Recipe.of(BASE))
        self.places = places_of(self.network)
        self._rounding = Rounding(self.network)
        self._mending = Mending(self.network, steps)
        self._weights: dict[tuple[int, str], Tensor] = {}
        self._wanted = self._outputs((None,) * len(self.places))
        deviation = (self._wanted - self._wanted.mean(0)).double().square().sum()
        if not float(deviation):
            raise UserError(
                "a network whose outputs depend on its frames was expected, but they are all the same; check "
                "weights and calibration frames"
            )
        self._power = float(deviation)

    def quantiser(self, place: int, name: str) -> Quantiser:
        """A format at a place, with the scale of the least squared error."""
        return self._rounding.quantiser(self.places[place], name)

    def weight(self, place: int, name: str | None) -> Tensor:
        """What the quantiser of a layer rounds: its weights as they are left by the steps for a format."""
        (layer,) = self.places[place].names
        if name is None:
            return self.network.float_layer(layer).weight.detach()
        if (place, name) not in self._weights:
            self._weights[place, name] = self._mending.weight(layer, self.quantiser(place, name))
        return self._weights[place, name]

    @torch.no_grad()
    def set(self, genome: Sequence[str | None]) -> None:
        """Round each place to its format from now on; None leaves it float."""
        for i, (place, name) in enumerate(zip(self.places, genome, strict=True)):
            if place.is_weights:
                weight = self.weight(i, name)
                self.network.quant_layer(place.names[0]).weight.copy_(weight)
            self._rounding.set(place, name)

    def error(self, genome: Sequence[str | None]) -> float:
        """Squared error of the outputs against float, over the variance of these; None is a float place."""
        made = self._outputs(genome)
        found = float((made - self._wanted).double().square().sum()) / self._power
        return found if found == found else float("inf")

    def alone(self, place: int, name: str) -> float:
        """The error with one place rounded, and all others float."""
        return self.error([name if other == place else None for other in range(len(self.places))])

    @property
    def _module(self) -> nn.Module:
        assert self.network.module is not None
        return self.network.module

    @torch.no_grad()
    def _outputs(self, genome: Sequence[str | None]) -> Tensor:
        self.set(genome)
        return torch.cat([_first(self._module(batch)) for batch in self.network.batches(_BATCH)])


@dataclass
class Rounding:
    """Formats at the places of a quantised network, with scales from its float weights and its frames."""

    network: Network
    _known: dict[tuple[Place, str], Quantiser] = field(default_factory=dict)
    _samples: dict[str, Tensor] = field(default_factory=dict)

    def quantiser(self, place: Place, name: str) -> Quantiser:
        """A format, with the scale of the least squared error."""
        key = place, name
        if key not in self._known:
            fmt = place.format(name)
            if fmt.block:
                raise FormatError(f"a format of single values was expected, but {name} came; leave it out")
            self._known[key] = self._weights(place, fmt) if place.is_weights else self._acts(place, fmt)
        return self._known[key]

    def set(self, place: Place, name: str | None) -> None:
        """Round a place to a format from now on, or not at all."""
        module = self.network.module
        assert module is not None
        for where in place.names:
            path = f"{where}.weight_quant" if place.is_weights else where
            if name is None:
                quantiser = module.get_submodule(path)
                assert isinstance(quantiser, Quantiser)
                quantiser = Quantiser(quantiser.format, quantiser.scale)
                quantiser.enabled = False
            else:
                quantiser = self.quantiser(place, name)
            module.set_submodule(path, quantiser)
            if not place.is_weights:
                self.network.quantisers[where] = quantiser

    def _weights(self, place: Place, fmt: NumberFormat) -> Quantiser:
        (layer,) = place.names
        weight = self.network.float_layer(layer).weight.detach()
        found = scales(weight.reshape(len(weight), -1), fmt, "mse", True)
        return Quantiser(fmt, found.reshape(-1, *(1,) * (weight.ndim - 1)))

    def _acts(self, place: Place, fmt: NumberFormat) -> Quantiser:
        if not self._samples:
            self._samples = samples(self.network)
        numbers = torch.cat([self._samples[name] for name in place.names])
        return Quantiser(fmt, scales(numbers[None], fmt, "mse", True)[0])


def places_of(network: Network) -> tuple[Place, ...]:
    """Places of a network that was rounded in `BASE`."""
    weights = [Place((name,), True) for name in network.layers]
    acts = [
        Place(tuple(names), False, network.quantisers[names[0]].format.minimum >= 0)
        for names in network.groups
    ]
    return (*weights, *acts)


@torch.no_grad()
def samples(network: Network) -> dict[str, Tensor]:
    """Numbers that each quantiser of activations gets in the float network, by its name."""
    assert network.module is not None
    kept: dict[str, list[Tensor]] = {name: [] for name in network.quantisers}
    share = max(1, _SAMPLED // -(-len(network.data) // _BATCH))

    def keeper(name: str) -> Any:
        def keep(_: nn.Module, given: tuple[Tensor]) -> None:
            flat = given[0].flatten()
            step = -(-flat.numel() // share) | 1 if flat.numel() > share else 1
            kept[name] += [flat[::step].clone(), flat[flat.abs().argmax()][None]]

        return keep

    hooks = [q.register_forward_pre_hook(keeper(name)) for name, q in network.quantisers.items()]
    with _unrounded(network.module):
        for batch in network.batches(_BATCH):
            network.module(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(numbers) for name, numbers in kept.items()}


@contextmanager
def _unrounded(module: nn.Module) -> Iterator[None]:
    """All numbers pass as they are."""
    changed = [q for q in module.modules() if isinstance(q, Quantiser) and q.enabled]
    for quantiser in changed:
        quantiser.enabled = False
    try:
        yield
    finally:
        for quantiser in changed:
            quantiser.enabled = True


def _first(made: Tensor | tuple[Tensor, ...]) -> Tensor:
    found = made if isinstance(made, Tensor) else made[0]
    return found.flatten(1)
