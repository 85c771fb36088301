"""A network on its way from float to quantised: what steps read and change."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn

from pyqkit.errors import UserError
from pyqkit.quant.ptq import tracing
from pyqkit.quant.ptq.attention import write_out_attention
from pyqkit.quant.ptq.channels import means
from pyqkit.quant.ptq.layers import QuantLayer, WeightLayer, rounding
from pyqkit.quant.ptq.paths import free_path, place
from pyqkit.quant.ptq.places import Group, layer_inputs, places
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.quant.ptq.recipe import Recipe
from pyqkit.quant.ptq.scales import scales
from pyqkit.quant.ptq.walk import Walk
from pyqkit.quant.ptq.written_norms import refuse_near_norms

SAMPLES = 2**18  # numbers of a tensor from which its scale is found


@dataclass
class _Known:
    """What has been found of a float network and its data.

    Attributes
    ----------
    means : dict of str to Tensor
        See `Network.float_means`.
    samples : dict
        Numbers of nodes, for the groups that they were asked for.
    """

    means: dict[str, Tensor] = field(default_factory=dict)
    samples: dict[tuple[Group, ...], dict[fx.Node, Tensor]] = field(default_factory=dict)


class Network:
    """A float network, and the quantised one that is made of it.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode; it is left as it is.
    data : Tensor, shape (frames, *shape of the input)
        Calibration frames, as `pyqkit.quant.ptq.frames.checked` gives them.

    Attributes
    ----------
    float : fx.GraphModule
        See `pyqkit.quant.ptq.tracing.traced`.
    module : fx.GraphModule or None
        The quantised network with the same names for the same layers, once `quantise` has made it.
    data : Tensor
    quantisers : dict of str to Quantiser
        Those of activations, in order of execution.
    groups : tuple of tuple of str
        Names of those that have one format and one scale.
    """

    def __init__(self, model: nn.Module, data: Tensor) -> None:
        self.float = tracing.traced(model, data[:2])
        self.data = data
        self.module: fx.GraphModule | None = None
        self.quantisers: dict[str, Quantiser] = {}
        self.groups: tuple[tuple[str, ...], ...] = ()
        self._known = _Known()
        if not self.layers:
            raise UserError(
                "a network with convolutions or linear layers was expected, but torch.fx finds none; pass "
                "one made of torch.nn.Conv2d and torch.nn.Linear"
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers with weights, in order of execution."""
        modules = dict(self.float.named_modules())
        calls = (str(node.target) for node in self.float.graph.nodes if node.op == "call_module")
        return tuple(name for name in calls if isinstance(modules[name], WeightLayer))

    def layer(self, name: str) -> WeightLayer:
        """A layer with weights, the quantised one if there is one.

        Quantised layers are float ones, too: of `pyqkit.quant.ptq.layers`.
        """
        found = (self.module or self.float).get_submodule(name)
        assert isinstance(found, WeightLayer)
        return found

    def float_layer(self, name: str) -> WeightLayer:
        """The float layer of a name."""
        found = self.float.get_submodule(name)
        assert isinstance(found, WeightLayer)
        return found

    @property
    def quantised(self) -> fx.GraphModule:
        """The quantised network; there is one in the stage "calibrated"."""
        assert self.module is not None
        return self.module

    def quant_layer(self, name: str) -> QuantLayer:
        """The quantised layer of a name."""
        found = self.layer(name)
        assert isinstance(found, QuantLayer)
        return found

    def anew(self) -> Network:
        """The float network as it is now, to be quantised in another way.

        Float network, data and what is found of them are shared; no step may change the float network then.
        """
        other = copy.copy(self)
        other.module, other.quantisers, other.groups = None, {}, ()
        return other

    def float_means(self) -> dict[str, Tensor]:
        """Mean of each output channel in the float network on the data, by layer, in order of execution.

        Found once: to be asked for when no step changes the float network any more.
        """
        known, walk = self._known.means, Walk(self.float, self.batches())
        if not known:
            nodes = {str(n.target): n.name for n in self.float.graph.nodes if n.op == "call_module"}
            for name in self.layers:
                known[name] = means(self.float_layer(name), walk.after(nodes[name]))
        return known

    def batches(self, size: int = 64) -> Iterator[Tensor]:
        """The calibration frames, `size` at a time."""
        yield from self.data.split(size)

    def quantise(self, recipe: Recipe) -> None:
        """Make the quantised network: quantisers in their places, with the scales that the data give."""
        find = places if recipe.placement == "dataflow" else layer_inputs
        if recipe.placement == "dataflow":
            refuse_near_norms(self.float, self.data)
            write_out_attention(self.float, self.data)
        found = find(self.float, self.data, bool((self.data < 0).any()))
        self.module = copy.deepcopy(self.float)
        type(self.module).__name__ = type(self.float).__name__  # the class is of this object alone
        nodes = dict(zip(self.float.graph.nodes, self.module.graph.nodes))
        for node in found.layers:
            self._round_weights(str(node.target), recipe, node in found.ends)
        known = self._known.samples
        if found.groups not in known:
            known[found.groups] = _samples(self.float, found.groups, self.data)
        samples = known[found.groups]
        for group in found.groups:
            fmt = recipe.act_format(group.at_end, group.never_negative)
            numbers = torch.cat([samples[node] for node in group.nodes])
            scale = scales(
                numbers[None],
                fmt,
                recipe.act_scale,
                recipe.scaling == "power_of_two",
                recipe.percentile,
            )[0]
            readers = {nodes[reader] for reader in group.readers}
            names = [self._insert(nodes[node], Quantiser(fmt, scale), readers) for node in group.nodes]
            self.groups = (*self.groups, tuple(names))
        self.module.graph.lint()
        self.module.recompile()
        order = [str(node.target) for node in self.module.graph.nodes if node.op == "call_module"]
        self.quantisers = {name: self.quantisers[name] for name in order if name in self.quantisers}

    def _round_weights(self, name: str, recipe: Recipe, at_end: bool) -> None:
        layer = self.layer(name)
        fmt = recipe.weight_format(at_end)
        rows = layer.weight.detach().reshape(len(layer.weight) if recipe.per == "channel" else 1, -1)
        found = scales(
            rows,
            fmt,
            recipe.weight_scale,
            recipe.scaling == "power_of_two",
            recipe.percentile,
            may_saturate=recipe.weight_scale == "percentile",
        )
        shape = (-1, *(1,) * (layer.weight.ndim - 1)) if recipe.per == "channel" else ()
        self.quantised.set_submodule(name, rounding(layer, Quantiser(fmt, found.reshape(shape))))

    def _insert(self, node: fx.Node, quantiser: Quantiser, readers: set[fx.Node]) -> str:
        """Put a quantiser between a node of the quantised network and those who read it; its name."""
        assert self.module is not None
        owner = {"call_module": str(node.target), "placeholder": "input"}.get(node.op) or place(node)
        if node.op != "call_module":
            owner = free_path(self.module, owner)
        name = f"{owner}.act_quant"
        self.module.add_submodule(name, quantiser)
        with self.module.graph.inserting_after(node):
            rounded = self.module.graph.call_module(name, (node,))
        wanted = readers or set(node.users) - {rounded}
        node.replace_all_uses_with(rounded, delete_user_cb=lambda user: user in wanted)
        self.quantisers[name] = quantiser
        return name


class _Recorder(tracing.Interpreter):
    """Runs a graph, and keeps a sample of what some of its nodes make."""

    def __init__(self, graph: fx.GraphModule, nodes: set[fx.Node], share: int) -> None:
        super().__init__(graph)
        self.nodes, self.share = nodes, share
        self.kept: dict[fx.Node, list[Tensor]] = {node: [] for node in nodes}

    def run_node(self, n: fx.Node) -> object:
        made = super().run_node(n)
        if n in self.nodes:
            tracing.check_finite(n, made)
            flat = made.detach().flatten()
            # An even step through all frames and pixels; odd, so that it does not stay in some columns.
            step = max(1, flat.numel() // self.share) | 1 if flat.numel() > self.share else 1
            self.kept[n].append(flat[::step].clone())
            self.kept[n].append(flat.abs().max()[None] * flat.sign()[flat.abs().argmax()])
        return made


def _samples(graph: fx.GraphModule, groups: tuple[Group, ...], data: Tensor) -> dict[fx.Node, Tensor]:
    """Numbers of every node that is rounded, of all frames, the largest of each batch among them."""
    batches = data.split(64)
    nodes = {node for group in groups for node in group.nodes}
    recorder = _Recorder(graph, nodes, max(1, SAMPLES // len(batches)))
    with torch.no_grad():
        for batch in batches:
            recorder.run(batch)
    return {node: torch.cat(kept) for node, kept in recorder.kept.items()}
