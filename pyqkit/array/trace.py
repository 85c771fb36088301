"""Programs that send, too, what each layer has left in the activation memory: to find the first wrong one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.array.execute import item_words
from pyqkit.array.isa import ALL_UNITS, End, Instruction, Load, Post, Repeat, Store, decode, encode, word_bits
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.marks import RESULTS
from pyqkit.array.program import Call, Program
from pyqkit.array.touches import touched
from pyqkit.errors import UserError


@dataclass(frozen=True)
class Trace:
    """A call in whose stead another program runs, which sends more.

    Attributes
    ----------
    call : Call
    pieces : tuple of (tuple of str, int)
        What comes of each frame, in its order: whose it is, and how many bytes.
    """

    call: Call
    pieces: tuple[tuple[tuple[str, ...], int], ...]


def traces(program: Program, call: Call, frames: int) -> list[Trace]:
    """A call of a program, as often as it takes until every layer of it has been sent.

    Raises
    ------
    UserError
        If no layer's instructions fit behind the program's.
    """
    machine = program.machine
    repeat = decode(machine, call.content[: word_bits(machine) // 8])
    assert isinstance(repeat, Repeat)
    first = repeat.first - program.origins[0]
    last = next(
        i for i in range(first, len(program.instructions)) if isinstance(program.instructions[i], End)
    )
    ends = {section.last: section.layers for section in program.sections if first < section.last <= last}
    room = machine.program_words - repeat.first - (last + 1 - first)
    if room < 1:
        raise UserError(
            f"room for one instruction more was expected in the program memory of {machine.name}, but the "
            "program fills it; load it alone, or take an array with a larger memory"
        )
    groups = [list(ends)[at : at + room] for at in range(0, len(ends), room)] or [[]]
    return [_trace(program, call, frames, range(first, last + 1), group) for group in groups]


def _trace(program: Program, call: Call, frames: int, own: range, chosen: Collection[int]) -> Trace:
    machine = program.machine
    instructions: list[Instruction] = []
    owners, of = [], _owners(program)
    for index in own:
        if index in chosen:
            left = _left(program, index)
            instructions += left
            owners += [of[index - 1]] * len(left)
        waits = ALL_UNITS if index in chosen else program.instructions[index].wait
        instructions.append(replace(program.instructions[index], last=0, wait=waits))
        owners.append(of[index])
    sent = [_bytes(machine, instruction) for instruction in instructions]
    behind = max(index for index, count in enumerate(sent) if count)
    instructions[behind] = replace(instructions[behind], last=1)
    pieces = tuple((owner, count) for owner, count in zip(owners, sent) if count)
    content = _loaded(machine, own.start + program.origins[0], instructions) + call.content
    return Trace(Call(content, frames * sum(sent)), pieces)


def _owners(program: Program) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [(RESULTS,)] * len(program.instructions)
    for section in program.sections:
        found[section.first : section.last] = [section.layers] * (section.last - section.first)
    return found


def _left(program: Program, last: int) -> list[Instruction]:
    """Sends what the section that ends at `last` has written; nothing, if it sends its results itself."""
    section = next(section for section in program.sections if section.last == last)
    written = [
        touch
        for instruction in program.instructions[section.first : last]
        if isinstance(instruction, Post)
        for touch in touched(program.machine, instruction)
        if touch.what == Memory.ACTIVATIONS.name and touch.writes
    ]
    if not written:
        return []
    low, high = min(touch.first for touch in written), max(touch.last for touch in written)
    return [Store(wait=ALL_UNITS, address=low, count=high - low)]


def _bytes(machine: Machine, instruction: Instruction) -> int:
    """That an instruction sends."""
    words = 0
    if isinstance(instruction, Store):
        words = instruction.count * item_words(machine, Memory.ACTIVATIONS)
    elif isinstance(instruction, Post) and instruction.raw:
        words = instruction.positions * instruction.channels
    return words * machine.stream_bits // 8


def _loaded(machine: Machine, address: int, instructions: Sequence[Instruction]) -> bytes:
    """Instructions in the place of others, and zeros in all activations: programs leave some as they were."""
    words = machine.activation_words
    zeros = np.zeros(words * item_words(machine, Memory.ACTIVATIONS) * machine.stream_bits // 8, np.uint8)
    own = b"".join(encode(machine, instruction) for instruction in instructions)
    load = Load(memory=Memory.PROGRAM, address=address, count=len(instructions))
    clear = Load(memory=Memory.ACTIVATIONS, address=0, count=words)
    return encode(machine, load) + own + encode(machine, clear) + zeros.tobytes()
