"""Programs are checked before they are sent: what they touch is there, and nothing meets that must not.

A machine has no interlock beside the units that an instruction waits for, so a wrong program would compute
wrong codes, or wait for ever.
"""

from __future__ import annotations

from pyqkit.array.families import of
from pyqkit.array.isa import (
    OPERANDS,
    Copy,
    End,
    Fill,
    Instruction,
    Load,
    Post,
    ProgramError,
    Repeat,
    Run,
    Table,
    Unit,
    encode,
)
from pyqkit.array.machine import SLOT_BITS, Machine, Memory
from pyqkit.array.program import Program, Segment
from pyqkit.array.touches import Touch, touched

ENTRIES = {Table.BOUNDARIES: 255, Table.CODES: 256}  # those of codes have what the family says
MOST_STAGES = 8


def check(program: Program, machine: Machine | None = None) -> None:
    """Refuse a program that its machine, or the one given, would not run as it was meant.

    Raises
    ------
    ProgramError
        With the instruction, its layer and what to do.
    """
    if machine is not None and machine.digest != program.machine.digest:
        raise ProgramError(
            f"a program for the array {machine.name} ({machine.digest}) was expected, but it is for "
            f"{program.machine.name} ({program.machine.digest}); compile the network for this one"
        )
    ends = [0, *(segment.last for segment in program.segments)]
    firsts = [segment.first for segment in program.segments]
    if firsts != ends[:-1] or ends[-1] != len(program.instructions) or not firsts:
        raise ProgramError("segments of all instructions were expected of a program; compile it again")
    for items in (program.weights, *(some for segment in program.segments for some in segment.streamed)):
        fault = of(program.machine).fault(program.machine, items) if len(items) else None
        if fault is not None:
            raise ProgramError(
                f"weights as the compiler stores them were expected, but {fault}; compile the network again"
            )
    for segment in program.segments:
        _check_order(program, segment)
        _check_loads(program, segment)


def _check_loads(program: Program, segment: Segment) -> None:
    """LOADs take what comes with a frame."""
    for memory, given in (
        (Memory.ACTIVATIONS, [one.layout.words for one in segment.inputs]),
        (Memory.WEIGHTS, [len(items) for items in segment.streamed]),
    ):
        taken = [load.count for load in program.loads(segment) if load.memory == memory]
        if taken != given:
            raise ProgramError(
                f"LOADs of {given} items of {memory.name.lower()} were expected from instruction "
                f"{segment.first} to {segment.last - 1}, but they take {taken}; compile the network again"
            )


def _check_order(program: Program, segment: Segment) -> None:
    """One END, and nothing meets that must not."""
    instructions = program.instructions[segment.first : segment.last]
    if any(isinstance(i, End) != (i is instructions[-1]) for i in instructions):
        raise ProgramError("one END, behind all others, was expected of a segment; compile it again")
    working: dict[Unit, tuple[int, list[Touch]]] = {}
    for index, instruction in enumerate(instructions, segment.first):
        found = _checked(program, index)
        for unit in Unit:
            if unit & (instruction.wait | instruction.unit):
                working.pop(unit, None)
        for other, before in working.values():
            met = next((a.what for a in found for b in before if a.meets(b)), None)
            if met is not None:
                raise _error(
                    program, index, f"no use of {met} while instruction {other} has it", "it does not wait"
                )
        working[instruction.unit] = index, found


def _error(program: Program, index: int, expected: str, came: str) -> ProgramError:
    layer = next((s.layers[-1] for s in program.sections if s.first <= index < s.last), "no layer")
    name = type(program.instructions[index]).__name__.upper()
    return ProgramError(
        f"{expected} was expected, but instruction {index} ({name} of {layer}): {came}; compile it again"
    )


def _checked(program: Program, index: int) -> list[Touch]:
    """What an instruction touches, all of which is there."""
    machine, instruction = program.machine, program.instructions[index]
    try:
        encode(machine, instruction)
    except ProgramError as error:
        raise _error(program, index, "fields that fit", str(error)) from None
    fault = _fault(machine, instruction)
    if fault is not None:
        raise _error(program, index, *fault)
    found = list(touched(machine, instruction))
    for touch in found:
        size = _size(machine, touch.what)
        if touch.last > size or touch.first < 0:
            came = f"it touches {touch.first} to {touch.last - 1}"
            raise _error(program, index, f"at most {size} items of {touch.what}", came)
    return found


def _fault(machine: Machine, instruction: Instruction) -> tuple[str, str] | None:
    """What was expected and what came, of fields that do not go together."""
    if isinstance(instruction, Repeat):
        return "a REPEAT over the stream", "it stands in the program"
    if isinstance(instruction, (Run, Post)):
        counts = instruction.rows, instruction.columns
        if instruction.mode >= len(machine.modes) or not all(counts):
            return "a mode and counts from 1", f"mode {instruction.mode}, {counts} rows and columns"
    if isinstance(instruction, Run) and not (instruction.tiles and instruction.height and instruction.width):
        return "counts from 1", f"{instruction.tiles} tiles"
    if isinstance(instruction, Post):
        lanes = of(machine).lanes(machine.modes[instruction.mode])
        inside = instruction.planes * instruction.code_bits <= 8 and instruction.plane < instruction.planes
        sound = 1 <= instruction.lanes <= lanes and instruction.terms and inside
        if not sound or instruction.stages > MOST_STAGES or instruction.slot >= machine.rows:
            return f"1 to {lanes} lanes, and places within a slot", "they are not"
        if not 1 <= instruction.channels <= instruction.lanes * machine.columns:
            return "channels of its lanes", f"{instruction.channels} channels"
    if isinstance(instruction, Fill):
        choices = machine.operand_tables if instruction.table in OPERANDS else 1
        if instruction.table not in tuple(Table) or instruction.choice >= choices:
            return "a table that exists", f"table {instruction.table}, choice {instruction.choice}"
    if isinstance(instruction, Run):
        chosen = instruction.activation_table, instruction.weight_table
        if max(chosen) >= machine.operand_tables:
            return f"tables of codes below {machine.operand_tables}", f"{max(chosen)}"
    if isinstance(instruction, Copy) and of(machine).weight_bits(machine) != machine.columns * SLOT_BITS:
        return "a LOAD of weights", f"activations are no weights of family {machine.family}"
    if isinstance(instruction, Load) and instruction.memory not in (Memory.WEIGHTS, Memory.ACTIVATIONS):
        return "weights or activations", f"memory {instruction.memory}"
    return None


def _size(machine: Machine, what: str) -> int:
    """Items of what an instruction touches."""
    if what.startswith("bank"):
        return machine.accumulators
    if what.startswith("table "):
        table = Table[what.partition(" ")[2]]
        return ENTRIES.get(table, machine.operand_tables * of(machine).table_entries)
    return machine.items(Memory[what]) if what in Memory.__members__ else 1
