"""`Compiled`: a network that is lowered and folded for a board, as plain data.

Everything that is made of a compiled network takes this: designs, engines, report, build folder, overlay.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyqkit.boards import Board
from pyqkit.errors import UserError
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph, encode_input
from pyqkit.graph.reuse import Reuse, hardware, looped


@dataclass(frozen=True, eq=False)
class Compiled:
    """What compiling gives, and a build folder holds.

    Attributes
    ----------
    graph : Graph
    board : Board
    clock_mhz : float
    foldings : dict of str to Folding
        By layer that is built.
    model : bytes or None
        The QONNX file it came from; None where it is not at hand.
    source : str
        Name of that file; empty for a model that was given as an object.
    reuse : Reuse or None
        Equal parts of the graph that are one set of hardware; None where every operator has its own.
    """

    graph: Graph
    board: Board
    clock_mhz: float
    foldings: dict[str, Folding]
    model: bytes | None = None
    source: str = ""
    reuse: Reuse | None = None

    @cached_property
    def built(self) -> Graph:
        """The operators that hardware is made of; foldings are of these. What is computed is `graph`."""
        return self.graph if self.reuse is None else looped(self.graph, self.reuse)

    @property
    def passes(self) -> int:
        """How often a frame passes hardware that layers share; 1 where none do."""
        return 1 if self.reuse is None else self.reuse.passes

    @cached_property
    def layer_foldings(self) -> dict[str, Folding]:
        """Foldings of the operators of `graph`; those that share hardware have its."""
        shared = {} if self.reuse is None else hardware(self.graph, self.reuse)
        later = {name: self.foldings[own] for name, own in shared.items() if own in self.foldings}
        return self.foldings | later


def encode(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    """Codes of the input of a graph for frames of real numbers.

    Parameters
    ----------
    graph : Graph
    x : numpy.ndarray, shape (frames, *input shape)

    Returns
    -------
    dict of str to numpy.ndarray
        By tensor, (frames, height, width, channels).

    Raises
    ------
    UserError
        If the graph has several inputs, or the frames do not fit.
    """
    if len(graph.inputs) != 1:
        names = ", ".join(port.onnx_name for port in graph.inputs)
        raise UserError(
            f"a network with one input was expected, but this one has {names}; join them into "
            "one, and slice it"
        )
    (port,) = graph.inputs
    return {port.tensor: encode_input(port, graph.tensors[port.tensor], x)}
