"""Energy of a frame: a design's netlists, simulated with real frames, and what their toggles cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pyqkit.emulate.rtl import Simulator
from pyqkit.emulate.verilator import ACTIVITY
from pyqkit.engines import Say
from pyqkit.errors import UserError
from pyqkit.rtl.energy import LABEL, SEVEN_SERIES, Activity, Energy, Technology, energy, static_watts
from pyqkit.rtl.gates import gate_level, netlists
from pyqkit.rtl.generate import Design

_FLAGS = ("-std=c++17", "-O0", "-fPIC", "-w")  # some frames run sooner than g++ would optimise
_INSTANCE = re.compile(r"\s*\(INSTANCE (\S+)")
_NET = re.compile(r"\s*\(n(\d+) \(T0 \d+\) \(T1 (\d+)\).*\(TC (\d+)\)\)")
_CYCLE = 10  # units of time in the file


@dataclass(frozen=True)
class OperatorEnergy:
    """What an operator spends on a frame, with the FIFOs in front of it.

    Attributes
    ----------
    operator : str
        Or a port, or (of a fork) a tensor.
    picojoules : Energy
    """

    operator: str
    picojoules: Energy


@dataclass(frozen=True)
class NetworkEnergy:
    """What a network spends on a frame.

    Attributes
    ----------
    label : str
        How the figures came about.
    frames : int
        That were counted, each right behind the one before.
    cycles : float
        Of a frame.
    picojoules : Energy
        Dynamic, of the accelerator alone: no processor, no memory, no shell.
    static_watts : float or None
        What the part takes when nothing toggles, not contained in the figures; None where it is not known.
    operators : tuple of OperatorEnergy
        In the order of the network.
    """

    label: str
    frames: int
    cycles: float
    picojoules: Energy
    static_watts: float | None
    operators: tuple[OperatorEnergy, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data: the attributes by their names."""
        return asdict(self)


def network_energy(
    design: Design,
    codes: Mapping[str, np.ndarray],
    part: str = "",
    technology: Technology = SEVEN_SERIES,
    cache: Path | None = None,
    say: Say | None = None,
) -> NetworkEnergy:
    """Synthesise a design, simulate its netlists with frames, and model what a frame costs.

    The first frame alone is simulated too: what the others add to it is counted, so that filling and draining
    the pipeline are not.

    Parameters
    ----------
    design : Design
    codes : mapping of str to array of uint
        Frames of each input as raw codes, two at least.
    part : str
        For its static power.
    technology : Technology
    cache : Path, optional
        For netlists and compiled models; the user's by default.
    say : callable, optional
        Called with a word on what is being done.

    Raises
    ------
    MissingToolError
        Without pyosys, Verilator or g++.
    UserError
        If there are less than two frames.
    """
    frames = min(len(array) for array in codes.values())
    if frames < 2:
        raise UserError(f"two frames or more were expected to count toggles, but {frames} came; give more")

    def progress(done: int, of: int) -> None:
        if say is not None:
            say(f"synthesising blocks: {done} of {of}")

    blocks = netlists(design, cache, progress)
    gates = gate_level(design, blocks)
    run = Runs(gates, cache, say)
    first = run({name: array[:1] for name, array in codes.items()})
    whole = run(dict(codes))
    counted = frames - 1
    found: dict[str, Energy] = {}
    for one, netlist in blocks:
        activity = whole[one.block.name].since(first[one.block.name])
        spent = energy(netlist, activity, technology).per(counted)
        found[one.operator] = found.get(one.operator, Energy()) + spent
    cycles = next(iter(whole.values())).cycles - next(iter(first.values())).cycles
    return NetworkEnergy(
        LABEL,
        counted,
        cycles / counted,
        sum(found.values(), Energy()),
        static_watts(part),
        tuple(OperatorEnergy(name, spent) for name, spent in found.items()),
    )


class Runs:
    """A design of netlists, compiled so that toggles are counted.

    Attributes
    ----------
    simulator : Simulator
    """

    def __init__(self, design: Design, cache: Path | None = None, say: Say | None = None) -> None:
        self._folder = TemporaryDirectory()
        self._file = Path(self._folder.name) / "activity.saif"
        self.simulator = Simulator(design, cache, trace=self._file, flags=_FLAGS, say=say, tracing=ACTIVITY)

    def __call__(self, codes: dict[str, np.ndarray]) -> dict[str, Activity]:
        """What the nets of every instance do while these frames go through."""
        self.simulator.run(codes)
        return read_activity(self._file)


def read_activity(path: Path) -> dict[str, Activity]:
    """Nets ``n<number>`` of every instance in a SAIF file, by the name of the instance."""
    found: dict[str, Activity] = {}
    cycles, toggles, high = 0, {}, {}
    with path.open() as lines:
        for line in lines:
            if net := _NET.match(line):
                number = int(net[1])
                high[number], toggles[number] = int(net[2]) // _CYCLE, int(net[3])
            elif instance := _INSTANCE.match(line):
                toggles, high = {}, {}
                found[instance[1]] = Activity(cycles, toggles, high)
            elif line.startswith("(DURATION "):
                cycles = int(line.split()[1].rstrip(")")) // _CYCLE
    return found
