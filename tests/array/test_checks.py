"""Wrong programs: what a machine could not run is refused, and what it could run gives other codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array import isa, machine
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.isa import Copy, Fill, Instruction, Load, Post, ProgramError, Run, Unit
from pyqkit.array.machine import Memory
from pyqkit.array.program import Program
from pyqkit.array.touches import touched
from tests.array.networks import everything, moves
from tests.array.running import run

LPA = machine.named("lpa8x8")
NET = everything("lp4_1_2", "lp4_0_3")
PROGRAM = compile_graph(NET.graph, LPA)
RUNS, POSTS, FILLS, LOADS = (
    [index for index, instruction in enumerate(PROGRAM.instructions) if isinstance(instruction, kind)]
    for kind in (Run, Post, Fill, Load)
)
PADDED = next(i for i in RUNS if PROGRAM.instructions[i].row < 0)  # type: ignore[attr-defined]


def changed(index: int, **values: int) -> Program:
    """The program with other fields of one instruction."""
    instructions: list[Instruction] = list(PROGRAM.instructions)
    instructions[index] = replace(instructions[index], **values)
    return replace(PROGRAM, instructions=tuple(instructions))


def differing(compiled: Program) -> int:
    """Codes that differ from the definitions."""
    found = run(compiled, NET.codes)
    return sum(int((codes != NET.values[name]).sum()) for name, codes in found.items())


def test_a_program_that_was_compiled_passes() -> None:
    check(PROGRAM, LPA)
    assert differing(PROGRAM) == 0


def field(index: int, name: str) -> int:
    return int(getattr(PROGRAM.instructions[index], name))


WRONG_CODES: dict[str, Callable[[], Program]] = {
    "mode": lambda: changed(RUNS[0], mode=0),
    "stale tile": lambda: changed(RUNS[-1], weights=field(RUNS[0], "weights")),
    "address": lambda: changed(PADDED, base=field(PADDED, "base") + 1),
    "zero": lambda: changed(PADDED, pad=3),
    "row": lambda: changed(PADDED, row=5),
    "kept sums": lambda: changed(RUNS[1], keep=1),
    "bank": lambda: changed(POSTS[1], bank=1 - field(POSTS[1], "bank")),
    "parameters": lambda: changed(POSTS[2], parameters=field(POSTS[2], "parameters") + 1),
    "lane": lambda: changed(POSTS[0], mode=0, lanes=1, channels=8),
    "search": lambda: changed(POSTS[0], stages=field(POSTS[0], "stages") - 1),
}


@pytest.mark.parametrize("mutant", WRONG_CODES)
def test_wrong_instructions_give_wrong_codes(mutant: str) -> None:
    assert differing(WRONG_CODES[mutant]()) > 0


def test_instructions_that_do_not_wait_are_refused() -> None:
    """A layer waits for what it meets of the layers before, and its last results for their sums."""
    found = {}
    for index, instruction in enumerate(PROGRAM.instructions):
        if instruction.wait:
            try:
                check(changed(index, wait=0))
            except ProgramError as error:
                found[index] = str(error)
    assert all(found.keys() & set(range(section.first, section.last)) for section in PROGRAM.sections)
    assert f"no use of bank 0 while instruction {RUNS[-1]} has it" in found[POSTS[-1]]
    assert len(found) > len(PROGRAM.sections)


REFUSED: dict[str, tuple[Callable[[], Program], str]] = {
    "weights": (lambda: changed(RUNS[0], weights=LPA.weight_words - 1), "16384 items of WEIGHTS"),
    "accumulators": (lambda: changed(RUNS[0], accumulator=511), "512 items of bank"),
    "parameters": (lambda: changed(POSTS[0], parameters=511, lanes=2), "512 items of PARAMETERS"),
    "tables": (lambda: changed(FILLS[0], address=8191, count=9), "8192 items of TABLES"),
    "mode": (lambda: changed(RUNS[0], mode=3), "a mode and counts"),
    "no rows": (lambda: changed(RUNS[0], rows=0), "a mode and counts"),
    "lanes": (lambda: changed(POSTS[0], lanes=3), "1 to 2 lanes"),
    "channels": (lambda: changed(POSTS[0], channels=17), "channels of its lanes"),
    "field": (lambda: changed(RUNS[0], base=2**13), "base from 0 to 8191"),
    "memory": (lambda: changed(LOADS[0], memory=0), "weights or activations"),
    "choice": (lambda: changed(FILLS[0], choice=3, count=65), "1024 items of table ACTIVATIONS"),
    "table": (lambda: changed(FILLS[0], table=4), "a table that exists"),
    "no end": (
        lambda: replace(PROGRAM, instructions=(*PROGRAM.instructions[:-1], PROGRAM.instructions[-2])),
        "one END",
    ),
}


@pytest.mark.parametrize("mutant", REFUSED)
def test_what_a_machine_has_not_is_refused(mutant: str) -> None:
    make, what = REFUSED[mutant]
    with pytest.raises(ProgramError, match=what):
        check(make())


def test_a_program_for_another_machine_is_refused() -> None:
    other = replace(LPA, name="other", rows=16)
    with pytest.raises(ProgramError, match="a program for the array other"):
        check(PROGRAM, other)
    check(PROGRAM, replace(LPA, name="alike", clock_mhz=50))


@pytest.mark.parametrize("memory", ["weight_words", "accumulators"])
def test_programs_that_stream_weights_pass(memory: str) -> None:
    small = replace(machine.named("int8x8"), program_words=2048, **{memory: 64})
    compiled = compile_graph(everything("int4", "int4").graph, small)
    check(compiled)
    assert any(isinstance(i, Load) and i.unit is Unit.LOAD for i in compiled.instructions) == (
        memory == "weight_words"
    )


def test_words_beyond_the_memory_are_refused() -> None:
    """Where the memory is no power of two, an address can lie behind it."""
    odd = replace(machine.named("int8x8"), activation_words=200)
    compiled = compile_graph(moves("int4", "int4").graph, odd)
    check(compiled)
    index = next(i for i, instruction in enumerate(compiled.instructions) if isinstance(instruction, Run))
    instructions = list(compiled.instructions)
    instructions[index] = replace(instructions[index], base=199)
    with pytest.raises(ProgramError, match="200 items of ACTIVATIONS"):
        check(replace(compiled, instructions=tuple(instructions)))


def test_copies_meet_loads_and_runs_of_weights() -> None:
    """One way leads to the weights, whatever their places."""
    copy = Copy(address=0, step=2, count=4, weights=8)
    for other, meets in (
        (Load(memory=Memory.WEIGHTS, address=100, count=2), True),
        (Load(memory=Memory.ACTIVATIONS, address=7, count=2), False),
        (Load(memory=Memory.ACTIVATIONS, address=6, count=2), True),
    ):
        both = [list(touched(LPA, one)) for one in (copy, other)]
        assert any(mine.meets(its) for mine in both[0] for its in both[1]) == meets


def test_frames_that_do_not_come_whole() -> None:
    state = ArrayState(LPA)
    state.send(PROGRAM.setup())
    content = next(PROGRAM.execution(NET.codes)).content
    with pytest.raises(ProgramError, match="send whole frames"):
        state.send(content[:-8])
    with pytest.raises(ProgramError, match="LOAD or REPEAT was expected"):
        state.send(isa.encode(LPA, isa.End()))
    np.testing.assert_array_equal(differing(PROGRAM), 0)
