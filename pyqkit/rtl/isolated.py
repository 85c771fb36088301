"""The operators of a network, each alone between ends of its own.

What every one of them can do, in a single simulation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.formats import Integer
from pyqkit.formats.port import Port
from pyqkit.graph.graph import Graph, Tensor, to_integers
from pyqkit.names import LONGEST, Identifiers


def isolated(graph: Graph) -> Graph:
    """A graph of the same operators without an edge between them.

    Its outputs stand in the order of the operators.
    """
    made, table = Graph(f"{graph.name}_isolated"), Identifiers(longest=LONGEST)
    for op in graph.operators:
        names = [table.new(f"{op.name}_in_{i}") for i in range(len(op.inputs))]
        made.tensors.update((n, replace(t, name=n)) for n, t in zip(names, graph.input_tensors(op)))
        made.inputs += [_port(made.tensors[n]) for n in names]
        (out,) = made.add(replace(op, inputs=names, outputs=[table.new(f"{op.name}_out")]))
        made.outputs.append(_port(out))
    return made


def random_codes(graph: Graph, frames: int, seed: int = 0) -> dict[str, np.ndarray]:
    """For each input any codes that can occur there.

    The first two frames hold the smallest and the largest one alone.
    """
    random, found = np.random.default_rng(seed), {}
    for port in graph.inputs:
        tensor = graph.tensors[port.tensor]
        if isinstance(tensor.format, Integer):
            integers = random.integers(tensor.low, tensor.high, (frames, *tensor.shape), endpoint=True)
            integers[:2] = np.array([tensor.low, tensor.high])[:frames, None, None, None]
            found[port.tensor] = tensor.format.from_integers(integers)
            continue
        integers = to_integers(tensor.format.codes, tensor.format)
        codes = tensor.format.codes[(integers >= tensor.low) & (integers <= tensor.high)]
        found[port.tensor] = random.choice(codes, (frames, *tensor.shape))
        found[port.tensor][:2] = codes[[0, -1]][:frames, None, None, None]
    return found


def _port(tensor: Tensor) -> Port:
    height, width, channels = tensor.shape
    order = np.arange(height * width * channels).reshape(tensor.shape).transpose(2, 0, 1)
    return Port(
        tensor.name, tensor.name, (channels, height, width), order, np.ones(channels), np.zeros(channels)
    )
