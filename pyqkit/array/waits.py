"""Cycles of programs whose rows wait for each other: what weights add to the closed forms of `timing`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyqkit.array.contention import Contention, shared
from pyqkit.array.families import of
from pyqkit.array.isa import Load, Run
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.program import Program
from pyqkit.array.timing import Span, depths, schedule


def runs(program: Program) -> Iterator[tuple[int, Run, np.ndarray]]:
    """Every RUN: its number, itself and the items of its tiles, (tiles * rows, bytes of an item)."""
    memory = np.zeros((program.ends[3], program.weights.shape[1]), np.uint8)
    origin = program.origins[3]
    memory[origin : origin + len(program.weights)] = program.weights
    for segment in program.segments:
        streamed = iter(segment.streamed)
        for index in range(segment.first, segment.last):
            instruction = program.instructions[index]
            if isinstance(instruction, Load) and instruction.memory == Memory.WEIGHTS:
                memory[instruction.address : instruction.address + instruction.count] = next(streamed)
            elif isinstance(instruction, Run):
                count = (1 if instruction.same else instruction.tiles) * program.machine.rows
                yield index, instruction, memory[instruction.weights : instruction.weights + count].copy()


def contended(machine: Machine, run: Run, items: np.ndarray) -> Contention:
    """What a RUN takes if rows of a machine share as many networks as it has.

    Parameters
    ----------
    items : numpy.ndarray, uint8, shape (tiles * rows, bytes of an item of weights)
        Of all tiles, or of the one that all positions have.
    """
    requests = of(machine).requests(machine.modes[run.mode], items)
    assert requests is not None  # weights that have outliers say who needs a network
    flags = requests.reshape(-1, machine.rows, requests.shape[1])
    return shared(np.broadcast_to(flags, (run.tiles, *flags.shape[1:])), run.positions, machine.networks)


def waits(program: Program) -> tuple[int, ...]:
    """Cycles that each instruction of a program takes longer than the closed form."""
    found = [0] * len(program.instructions)
    if program.machine.merge == "butterfly":
        for index, run, items in runs(program):
            found[index] = contended(program.machine, run, items).waits
    return tuple(found)


def spans(program: Program) -> list[list[Span]]:
    """When the instructions of each segment work, one segment after the other."""
    longer, found, start = waits(program), list[list[Span]](), 0
    for segment in program.segments:
        part = slice(segment.first, segment.last)
        found.append(schedule(program.machine, program.instructions[part], start, longer[part]))
        start = found[-1][-1].start + depths(program.machine).repeat
    return found


def segment_cycles(program: Program) -> tuple[int, ...]:
    """Of each segment: cycles from its first instruction to that of its next repetition."""
    depth = depths(program.machine).repeat
    return tuple(found[-1].start - found[0].start + depth for found in spans(program))
