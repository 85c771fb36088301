"""When the processes of a network in C++ are done, from the trips of their loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.hls.emitter import Emitter, Process, rule_for
from pyqkit.names import Identifiers

# Allowance for the stages of a process' pipeline, which has to run empty and to start anew with every frame.
PIPELINE_CYCLES = 20


@dataclass(frozen=True)
class Schedule:
    """Processes of a network, all of which run at once.

    Attributes
    ----------
    processes : tuple of Process
    """

    processes: tuple[Process, ...]

    @property
    def interval(self) -> int:
        """Cycles between frames (estimated): those of the slowest process."""
        return max(self.cycles().values())

    @property
    def pipeline_cycles(self) -> int:
        """Cycles that the pipelines of all processes take beside their trips (estimated)."""
        return PIPELINE_CYCLES * sum(process.passes for process in self.processes)

    @property
    def turn_cycles(self) -> int:
        """Those of them in hardware that frames pass several times (estimated)."""
        return PIPELINE_CYCLES * sum(process.passes for process in self.processes if process.passes > 1)

    def cycles(self) -> dict[str, int]:
        """Cycles a frame of every operator and every end: its slowest process (estimated)."""
        found: dict[str, int] = {}
        for process in self.processes:
            found[process.owner] = max(found.get(process.owner, 0), self._cycles(process))
        return found

    @staticmethod
    def _cycles(process: Process) -> int:
        return process.trips + PIPELINE_CYCLES * process.passes


class _Outline(Emitter):
    """Leaves constants empty: trips do not depend on them, and their text takes most of the time."""

    @staticmethod
    def _initialiser(values: np.ndarray) -> str:
        return ""


def schedule(graph: Graph, foldings: Mapping[str, Folding]) -> Schedule:
    """Processes of a network, by the rules that emit it."""
    outline = _Outline(graph, dict(foldings), {}, Identifiers())
    outline.emit(rule_for)
    return Schedule(tuple(outline.processes))
