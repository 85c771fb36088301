"""Engines: what computes the codes of a compiled network. One file each in `pyqkit/emulate`, found by name.

A new engine is a class as `Engine` says and a maker under `engine`, in a file of its own::

    @engine("mine")
    def make(designs: Designs, say: Say | None) -> MyEngine:
        return MyEngine(designs.compiled.graph)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pyqkit.designs import Designs
from pyqkit.discovery import Registry
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph

Say = Callable[[str], None]  # called with a word on what is being done


@dataclass(frozen=True)
class Counts:
    """Cycles of a run, counted in a simulation.

    Attributes
    ----------
    first : numpy.ndarray, int64, shape (frames,)
        Cycle of a frame's first beat at an input.
    ends : numpy.ndarray, int64, shape (outputs, frames)
        Cycle of a frame's last beat at each output.
    """

    first: np.ndarray
    ends: np.ndarray

    @property
    def last(self) -> np.ndarray:
        """Cycle of each frame's last beat at any output."""
        return self.ends.max(axis=0)

    @property
    def latency(self) -> int:
        """Cycles from the first beat of the first frame to its last beat."""
        return int(self.last[0] - self.first[0])

    @property
    def intervals(self) -> np.ndarray:
        """Cycles between frames at each output, the first frames left out while the pipeline fills.

        Shape (outputs,).
        """
        frames = self.ends.shape[1]
        half = (frames - 1) // 2
        return (self.ends[:, -1] - self.ends[:, half]) / (frames - 1 - half)

    @property
    def interval(self) -> float:
        """Cycles between frames at the slowest output."""
        return float(self.intervals.max())


class Engine(Protocol):
    """What runs frames of codes through a network.

    Attributes
    ----------
    name : str
    counts : Counts or None
        Cycles of the last run; None before the first, and always of an engine that has no clock.
    """

    name: str
    counts: Counts | None

    def run(
        self, codes: dict[str, np.ndarray], *, progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        """Compute.

        Parameters
        ----------
        codes : dict of str to numpy.ndarray
            Codes of the inputs by tensor, (frames, height, width, channels).
        progress : callable, optional
            Called with the number of frames done.

        Returns
        -------
        dict of str to numpy.ndarray
            Codes of the outputs, alike.
        """


@runtime_checkable
class Redefined(Protocol):
    """An engine that may compute another graph than the one it was given, and says which."""

    definition: Graph


Maker = Callable[[Designs, "Say | None"], Engine]
_makers = Registry[Maker]("pyqkit.emulate")


def engine(name: str) -> Callable[[Maker], Maker]:
    """Decorator that registers what makes the engine of a name."""
    return _makers.register(name)


def names() -> tuple[str, ...]:
    """All engines, in the order of the alphabet: which module was imported first says nothing."""
    return tuple(sorted(_makers.names()))


def make(name: str, designs: Designs, say: Say | None = None) -> Engine:
    """An engine of a compiled network.

    Parameters
    ----------
    name : str
    designs : Designs
    say : callable, optional
        Called with a word on what is being built.

    Raises
    ------
    UserError
        If there is no engine of that name, or a tool that it needs is missing.
    """
    maker = _makers.get(name)
    if maker is None:
        raise UserError(f"engine {', '.join(names())} was expected, but {name!r} came; choose one of them")
    return maker(designs, say)
