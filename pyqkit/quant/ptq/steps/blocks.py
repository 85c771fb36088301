"""Block-wise reconstruction: weights are trained a block at a time to give the float network's values.

A block ends where a single tensor carries all that is computed later, as behind a residual sum (BRECQ, Li et
al., 2021); its loss sees how the errors of its layers add up, which that of a single layer does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from pyqkit.quant.ptq.learning import Learner
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.step import Stage, Step, steps
from pyqkit.quant.ptq.walk import Values, Walk, evaluate, last_uses


@dataclass(frozen=True)
class Block:
    """Part of a quantised network between two nodes that all values pass through.

    Attributes
    ----------
    start : fx.Node
    nodes : tuple of fx.Node
        In order of execution, up to and with the last one.
    true : str
        Name of the node of the float network that computes what the last one rounds.
    layers : tuple of str
        The layers with weights.
    """

    start: fx.Node
    nodes: tuple[fx.Node, ...]
    true: str
    layers: tuple[str, ...]

    def __call__(self, network: fx.GraphModule, x: Tensor) -> Tensor:
        """What the block makes of `x`, with gradients."""
        values: Values = {self.start: x}
        for node in self.nodes:
            values[node] = evaluate(network, node, x, values)
        return values[self.nodes[-1]]


def blocks(network: Network) -> Iterator[Block]:
    """The blocks of a network, each with at least one layer with weights."""
    nodes = list(network.quantised.graph.nodes)
    constants = [node for node in nodes if node.op == "get_attr"]
    weighted = set(network.layers)
    start, first = None, 0
    for index, node in enumerate(nodes):
        if node not in _bottlenecks(nodes):
            continue
        layers = tuple(str(n.target) for n in nodes[first : index + 1] if n.target in weighted)
        if start is None or layers:
            if start is not None:
                inside = tuple(dict.fromkeys((*constants, *nodes[first : index + 1])))
                rounds = node.target in network.quantisers
                yield Block(start, inside, (node.all_input_nodes[0] if rounds else node).name, layers)
            start, first = node, index + 1


def _bottlenecks(nodes: Sequence[fx.Node]) -> set[fx.Node]:
    """Nodes behind which nothing but their own value is used."""
    ends, alive, found = last_uses(nodes), set(), set()
    for node in nodes:
        if node.op == "get_attr":
            continue
        alive.add(node)
        alive -= set(ends.get(node, ()))
        if alive == {node} and node.op != "output":
            found.add(node)
    return found


@steps.register("blocks")
@dataclass(frozen=True)
class Blocks(Step):
    """Train the weights and biases of each block, one block after the other.

    The gradient passes straight through all quantisers. Inputs of a block are those that the blocks before it
    give now; the loss is the squared error of its outputs.

    Attributes
    ----------
    iterations, batch : int
        A block.
    rate : float
        Of Adam at the beginning, relative to the mean magnitude of a layer's weights; it falls as a cosine.
    """

    stage: ClassVar[Stage] = "calibrated"
    rank: ClassVar[int] = 60

    iterations: int = 200
    batch: int = 32
    rate: float = 0.005

    def apply(self, network: Network, seed: int) -> None:
        """Train in place; the order of the frames comes from `seed`."""
        true, now = Walk(network.float, network.batches()), Walk(network.quantised, network.batches())
        order = torch.Generator().manual_seed(seed)
        for block in blocks(network):
            inputs = torch.cat(now.after(block.start.name))
            self._train(network, block, inputs, torch.cat(true.after(block.true)), order)

    def _train(
        self, network: Network, block: Block, inputs: Tensor, wanted: Tensor, order: torch.Generator
    ) -> None:
        layers = [network.quant_layer(name) for name in block.layers]
        learner = Learner(layers, self.rate, self.iterations)
        size = wanted.square().mean()
        for _ in range(self.iterations):
            frames = torch.randint(len(inputs), (self.batch,), generator=order)
            error = block(network.quantised, inputs[frames]) - wanted[frames]
            learner.step(error.square().mean() / size)
