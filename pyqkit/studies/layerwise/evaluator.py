"""A network with given codings, run on calibration images; what did not change is not run again.

Weights are rounded once for each coding of a layer. What goes into a block is kept by the codings of the
layers before it, so that a network which differs from an earlier one in its last blocks runs those alone.
The same operations run on the same numbers either way: what is kept decides nothing but the time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pyqkit.errors import UserError, brief, plain
from pyqkit.quant.ptq.walk import evaluate
from pyqkit.studies.layerwise.coding import Coding, Sample
from pyqkit.studies.layerwise.network import TracedNetwork

_KEPT_BYTES = 2**28  # of tensors between blocks
_KEPT_WEIGHTS = 2048  # rounded tensors of weights
_SAMPLED = 100_000  # numbers of a point that its codings are chosen by
_LARGEST = 1e15  # of a network's numbers: sums of their squares are float32 numbers

Pool = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Assignment:
    """Codings of all layers.

    Attributes
    ----------
    weights : tuple of Coding or None
        One for each layer; None leaves its weights as they are.
    activations : tuple of Coding or None
        One for each point.
    """

    weights: tuple[Coding | None, ...]
    activations: tuple[Coding | None, ...]

    @classmethod
    def real(cls, network: TracedNetwork) -> Assignment:
        """The float network."""
        return cls((None,) * len(network.layers), (None,) * len(network.points))


@dataclass(frozen=True)
class View:
    """What a network sees in images.

    Attributes
    ----------
    logits : torch.Tensor, (images, outputs)
    points : tuple of torch.Tensor
        What layers read, as it is rounded, pooled to (images, features); the network's input is left out.
    """

    logits: Tensor
    points: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Kept:
    tensor: Tensor
    pooled: tuple[Tensor, ...]


class Evaluator:
    """Runs a network on images with codings of its layers.

    Parameters
    ----------
    network : TracedNetwork
    images : torch.Tensor
        As the network takes them, images first.
    pool : callable
        From a tensor, images first, to (images, features); see `pyqkit.studies.layerwise.objective`.

    Raises
    ------
    UserError
        If the network does not run on the images, or gives NaN or infinities.
    """

    def __init__(self, network: TracedNetwork, images: Tensor, pool: Pool) -> None:
        self.network, self.images, self._pool = network, _channels_last(images), pool
        self._weights: OrderedDict[tuple[int, Coding | None], Tensor] = OrderedDict()
        self._kept: OrderedDict[tuple[int, Assignment], _Kept] = OrderedDict()
        self._bytes = 0
        self._point_at = {point.at: i for i, point in enumerate(network.points)}
        self._layer_at = {layer.at: i for i, layer in enumerate(network.layers)}
        self._block_at = {block.start: i for i, block in enumerate(network.blocks) if i}
        self._last_use = network.last_uses()
        self.samples, self.real = self._float_run()

    @torch.no_grad()
    def view(self, assignment: Assignment) -> View:
        """What the network with these codings sees."""
        block, kept = self._entry(assignment)
        values: dict[fx.Node, Any] = {}
        pooled = list(kept.pooled) if kept else []
        first = self.network.blocks[block].start if kept else 0
        for at, node in enumerate(self.network.nodes):
            if at < first - 1 and node.op != "get_attr":
                continue
            made = kept.tensor if kept and at == first - 1 else self._made(at, node, values, assignment)
            if at + 1 in self._block_at and at >= first:
                self._keep(self._key(self._block_at[at + 1], assignment), _Kept(made, tuple(pooled)))
            values[node] = self._rounded(at, made, assignment)
            if at in self._point_at and node.op != "placeholder":
                pooled.append(self._pool(values[node]))
            self._forget(at, node, values)
        return View(values[self.network.output], tuple(pooled))

    @torch.no_grad()
    def logits(self, assignment: Assignment, images: Tensor) -> Tensor:
        """Logits of other images; nothing of them is kept."""
        values: dict[fx.Node, Any] = {}
        for at, node in enumerate(self.network.nodes):
            made = (
                _channels_last(images)
                if node.op == "placeholder"
                else self._made(at, node, values, assignment)
            )
            values[node] = self._rounded(at, made, assignment)
            self._forget(at, node, values)
        return values[self.network.output]

    def _forget(self, at: int, node: fx.Node, values: dict[fx.Node, Any]) -> None:
        """Drop what was read for the last time."""
        for used in node.all_input_nodes:
            if self._last_use[used] == at:
                values.pop(used, None)

    def _entry(self, assignment: Assignment) -> tuple[int, _Kept | None]:
        """The last block whose input is known, and that input."""
        for index in range(len(self.network.blocks) - 1, 0, -1):
            key = self._key(index, assignment)
            if key in self._kept:
                self._kept.move_to_end(key)
                return index, self._kept[key]
        return 0, None

    def _key(self, block: int, assignment: Assignment) -> tuple[int, Assignment]:
        """What decides the tensor that goes into a block, before it is rounded there."""
        start, network = self.network.blocks[block].start, self.network
        weights = (c for c, layer in zip(assignment.weights, network.layers) if layer.at < start)
        points = (c for c, point in zip(assignment.activations, network.points) if point.at < start - 1)
        return block, Assignment(tuple(weights), tuple(points))

    def _keep(self, key: tuple[int, Assignment], kept: _Kept) -> None:
        """Keep what goes into a block; what was not used for longest goes."""
        if key in self._kept:
            return
        self._kept[key] = kept
        self._bytes += kept.tensor.nbytes
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].tensor.nbytes

    def _rounded(self, at: int, made: Any, assignment: Assignment) -> Any:
        """A point's tensor as layers read it; other tensors as they are."""
        if at not in self._point_at:
            return made
        coding = assignment.activations[self._point_at[at]]
        return made if coding is None else torch.from_numpy(coding.quantise(made.numpy()))

    def _made(self, at: int, node: fx.Node, values: dict[fx.Node, Any], assignment: Assignment) -> Any:
        """Run one operation."""
        if at not in self._layer_at:
            return evaluate(self.network.graph, node, self.images, values)
        layer, (given, *_) = self._layer_at[at], node.args
        assert isinstance(given, fx.Node)
        return _layer(
            self.network.module(node), values[given], self._weight(layer, assignment.weights[layer])
        )

    def _weight(self, layer: int, coding: Coding | None) -> Tensor:
        """Weights of a layer, rounded; the last ones are kept."""
        found = self._weights.pop((layer, coding), None)
        if found is None:
            weights = self.network.layers[layer].weights
            found = _channels_last(torch.from_numpy(coding.quantise(weights) if coding else weights))
        self._weights[layer, coding] = found
        if len(self._weights) > _KEPT_WEIGHTS:
            self._weights.popitem(last=False)
        return found

    @torch.no_grad()
    def _float_run(self) -> tuple[tuple[Sample, ...], View]:
        """What the points of the float network hold, and what it sees."""
        samples, nodes = [], self.network.nodes
        real = Assignment.real(self.network)
        values: dict[fx.Node, Any] = {}
        for at, node in enumerate(nodes):
            try:
                values[node] = self._made(at, node, values, real)
            except (RuntimeError, TypeError, IndexError, ValueError) as error:
                shape = tuple(self.images.shape)
                raise UserError(
                    f"images that the network takes were expected, but {plain(node.name)} fails on an array "
                    f"of shape {shape} ({brief(str(error))}); pass images as its forward takes them"
                ) from error
            if at in self._point_at:
                samples.append(_sample(values[node], node.name))
            self._forget(at, node, values)
        logits = values[self.network.output]
        if not isinstance(logits, Tensor) or logits.ndim != 2 or not bool(torch.isfinite(logits).all()):
            raise UserError(
                "a network that returns finite logits of shape (images, classes) was expected, but "
                f"{_described(logits)} came; look at its output, its weights and the images"
            )
        _check_apart(logits)
        return tuple(samples), self.view(real)


def _channels_last(x: Tensor) -> Tensor:
    """Images or a kernel as convolutions are fastest on them."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _layer(module: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """A convolution or linear layer with other weights."""
    if isinstance(module, nn.Linear):
        return functional.linear(x, weight, module.bias)
    assert isinstance(module, nn.Conv2d)
    return module._conv_forward(x, weight, module.bias)  # its padding modes are its own affair


def _sample(tensor: Tensor, name: str) -> Sample:
    """Numbers of a point, at most `_SAMPLED` that lie evenly in it."""
    numbers = tensor.reshape(-1)
    if not bool((numbers.abs() <= _LARGEST).all()):
        raise UserError(
            f"finite numbers up to {_LARGEST:g} were expected in the network, but {plain(name)} is larger, "
            "NaN or infinite on the images; look at them and at the weights"
        )
    return Sample(numbers[:: -(-len(numbers) // _SAMPLED)].numpy())


def _check_apart(logits: Tensor) -> None:
    """Refuse images that nothing is to be learned of; sums in another order round otherwise."""
    apart = float((logits - logits[0]).abs().max())
    if len(logits) > 1 and apart <= 1e-5 * float(logits.abs().max()):
        raise UserError(
            f"images that the network tells apart were expected, but it says the same of all {len(logits)}; "
            "look at them and at the weights"
        )


def _described(logits: object) -> str:
    if not isinstance(logits, Tensor):
        return type(logits).__name__
    finite = "" if bool(torch.isfinite(logits).all()) else " with NaN or infinities"
    return f"shape {tuple(logits.shape)}{finite}"
