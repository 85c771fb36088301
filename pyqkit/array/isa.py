"""The instruction set of arrays: fields, encoding, decoding. `docs/array.md` has the meaning.

An instruction is one word of `word_bits` bits, least significant bit first: the number of its kind, then the
fields of all instructions and those of its class in the order in which they stand there. Their widths follow
from the machine. The same words lie in the program memory and come over the stream.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import ClassVar

from pyqkit.array.machine import Machine, Memory
from pyqkit.errors import UserError

SIZE_BITS = 10  # rows, columns, taps and words of a tensor
STEP_BITS = 5  # strides and dilations
COUNT_BITS = 21  # items of a memory


class ProgramError(UserError):
    """An instruction or a program that the machine would not understand."""


class Unit(IntFlag):
    """What works on one instruction at a time, beside the others."""

    LOAD = 1
    COMPUTE = 2
    POST = 4
    FILL = 8


ALL_UNITS = sum(Unit)


class Table(IntEnum):
    """Tables that a machine works with; a FILL fills them from the table memory."""

    ACTIVATIONS = 0
    WEIGHTS = 1
    BOUNDARIES = 2
    CODES = 3


OPERANDS = (Table.ACTIVATIONS, Table.WEIGHTS)  # tables of codes, of which there are several at a time


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())  # of a number below it


# Kinds of fields: those of fixed width, and numbers below what a field of the machine says.
_FIXED = {"flag": 1, "unit": 3, "nibble": 4, "step": STEP_BITS, "byte": 8, "size": SIZE_BITS}
_FIXED |= {"units": len(Unit), "place": SIZE_BITS + 2, "count": COUNT_BITS}  # a place is signed
_BELOW = {"slot": "rows", "accumulator": "accumulators", "activation": "activation_words"}
_BELOW |= {"weight": "weight_words", "parameter": "parameter_words"}
_BELOW |= {"table": "table_words", "program": "program_words", "choice": "operand_tables"}


def _width(machine: Machine, kind: str) -> int:
    """Bits of a field of a kind."""
    if kind == "mode":
        return _bits(len(machine.modes))
    if kind == "address":
        return max(_bits(machine.items(memory)) for memory in Memory)
    return _FIXED[kind] if kind in _FIXED else _bits(getattr(machine, _BELOW[kind]))


def _of(kind: str, default: int | None = None) -> int:
    """A field of a kind."""
    return field(default=MISSING if default is None else default, metadata={"kind": kind})  # type: ignore


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """What all instructions have.

    Attributes
    ----------
    wait : int
        Units, beside its own, that have to be idle before it starts: a sum of `Unit`.
    last : int
        1 if the last word that it sends is the last of a transfer, in the last repetition of the program.
    mark : int
        1 to record the cycle in which it starts; see `pyqkit.array.marks`.
    """

    number: ClassVar[int]
    works: ClassVar[Unit] = Unit.LOAD
    wait: int = _of("units", 0)
    last: int = _of("flag", 0)
    mark: int = _of("flag", 0)

    @property
    def unit(self) -> Unit:
        """What works on it."""
        return self.works


@dataclass(frozen=True, kw_only=True)
class End(Instruction):
    """The program, or its repetition, has come to its end: waits for all units."""

    number = 0


@dataclass(frozen=True, kw_only=True)
class Repeat(Instruction):
    """Runs the program from instruction `first` to its END, `count` times; comes over the stream alone."""

    number = 1
    first: int = _of("program")
    count: int = _of("count")


@dataclass(frozen=True, kw_only=True)
class Load(Instruction):
    """Fills `count` items of a memory, from `address` on, from the stream."""

    number = 2
    memory: int = _of("unit")
    address: int = _of("address")
    count: int = _of("count")

    @property
    def unit(self) -> Unit:
        return Unit.POST if self.memory == Memory.ACTIVATIONS else Unit.LOAD


@dataclass(frozen=True, kw_only=True)
class Fill(Instruction):
    """Fills a table, of those of codes the one of its `choice`, with `count` items of the table memory."""

    number, works = 3, Unit.FILL
    table: int = _of("unit")
    choice: int = _of("choice", 0)
    address: int = _of("table")
    count: int = _of("count")


@dataclass(frozen=True, kw_only=True)
class Run(Instruction):
    """Multiplies activation words by weight tiles, one word a cycle, and adds up.

    Tiles are counted by `taps_y`, `taps_x` and `words` (innermost), the positions of each tile by `rows` and
    `columns` (innermost); counts are at least 1.

    Attributes
    ----------
    mode : int
        Of the machine.
    activation_table, weight_table : int
        Which tables of codes it takes.
    weights : int
        Address of the first tile; the next one follows, unless `same`.
    same : int
        1 for one tile of weights throughout.
    bank, accumulator : int
        Where the first position's sums are; the next positions' follow.
    keep : int
        1 to add to what is there, 0 for the first tile to replace it.
    spread : int
        1 for each tile to replace sums of its own, behind those of the tile before.
    weight_high, activation_high : int
        1 to multiply the upper four bits of a slot (family `integer`): products count 16 times each.
    base : int
        Address of the word at row 0, column 0.
    step_row, step_column, step_tap_y, step_tap_x, step_word : int
        What a step of each counter adds to the address, modulo its width.
    row, column : int
        Of the first position and tile, from the tensor's first ones; negative in the padding.
    stride_y, stride_x, dilation_y, dilation_x : int
        What a step of `rows`, `columns`, `taps_y`, `taps_x` adds to row and column.
    height, width : int
        Of the tensor; what lies outside is read as `pad` in every slot.
    """

    number, works = 4, Unit.COMPUTE
    mode: int = _of("mode")
    activation_table: int = _of("choice", 0)
    weight_table: int = _of("choice", 0)
    weights: int = _of("weight")
    same: int = _of("flag", 0)
    bank: int = _of("flag", 0)
    accumulator: int = _of("accumulator", 0)
    keep: int = _of("flag", 0)
    spread: int = _of("flag", 0)
    weight_high: int = _of("flag", 0)
    activation_high: int = _of("flag", 0)
    pad: int = _of("byte", 0)
    base: int = _of("activation")
    step_row: int = _of("activation", 0)
    step_column: int = _of("activation", 0)
    step_tap_y: int = _of("activation", 0)
    step_tap_x: int = _of("activation", 0)
    step_word: int = _of("activation", 0)
    row: int = _of("place", 0)
    column: int = _of("place", 0)
    height: int = _of("size")
    width: int = _of("size")
    rows: int = _of("size", 1)
    columns: int = _of("size", 1)
    taps_y: int = _of("size", 1)
    taps_x: int = _of("size", 1)
    words: int = _of("size", 1)
    stride_y: int = _of("step", 1)
    stride_x: int = _of("step", 1)
    dilation_y: int = _of("step", 1)
    dilation_x: int = _of("step", 1)

    @property
    def positions(self) -> int:
        """Words that each tile is multiplied by."""
        return self.rows * self.columns

    @property
    def tiles(self) -> int:
        """Tiles of weights, one after the other."""
        return self.taps_y * self.taps_x * self.words


@dataclass(frozen=True, kw_only=True)
class Post(Instruction):
    """Takes sums of a bank to codes in the activation memory, or to scaled sums on the stream.

    Attributes
    ----------
    mode : int
        Which lanes an accumulator has.
    bank, accumulator : int
        Of the first position's first term.
    pitch : int
        Accumulators from a term to the next.
    rows, columns : int
        Positions.
    lanes : int
        Lanes that are taken of each accumulator.
    terms : int
        Sums of each result.
    maximum : int
        1 for the largest of the terms, 0 for their sum.
    raw : int
        1 to send scaled sums to the stream, one a word.
    parameters : int
        Address of the first; there is one for each lane, and for each term within unless `maximum`.
    stages : int
        The table of boundaries has ``2**stages - 1`` entries.
    base, step_row, step_column : int
        Address of the first result, and what a step of each counter adds, modulo its width.
    slot, plane, planes, code_bits : int
        Where in its word the first lane's first column goes; codes of a slot, and bits of each.
    channels : int
        Columns of all lanes that are kept, from the first one on.
    """

    number, works = 5, Unit.POST
    mode: int = _of("mode")
    bank: int = _of("flag", 0)
    accumulator: int = _of("accumulator", 0)
    pitch: int = _of("accumulator", 0)
    rows: int = _of("size", 1)
    columns: int = _of("size", 1)
    lanes: int = _of("nibble", 1)
    terms: int = _of("size", 1)
    maximum: int = _of("flag", 0)
    raw: int = _of("flag", 0)
    parameters: int = _of("parameter")
    stages: int = _of("nibble", 0)
    base: int = _of("activation", 0)
    step_row: int = _of("activation", 0)
    step_column: int = _of("activation", 0)
    slot: int = _of("slot", 0)
    plane: int = _of("unit", 0)
    planes: int = _of("unit", 1)
    code_bits: int = _of("nibble", 8)
    channels: int = _of("size")

    @property
    def positions(self) -> int:
        """Accumulators of each term."""
        return self.rows * self.columns


@dataclass(frozen=True, kw_only=True)
class Store(Instruction):
    """Sends `count` words of the activation memory, from `address` on, to the stream."""

    number, works = 6, Unit.COMPUTE
    address: int = _of("activation")
    count: int = _of("count")


@dataclass(frozen=True, kw_only=True)
class Copy(Instruction):
    """Makes weights of `count` activation words, `step` apart, the first C slots of each an item."""

    number, works = 7, Unit.COMPUTE
    address: int = _of("activation")
    count: int = _of("count")
    step: int = _of("activation", 1)
    weights: int = _of("weight")


KINDS: tuple[type[Instruction], ...] = (End, Repeat, Load, Fill, Run, Post, Store, Copy)
OPCODE_BITS = 3  # every number is a kind


@dataclass(frozen=True)
class Place:
    """Where a field lies in the word: its lowest bit, and its width."""

    name: str
    low: int
    bits: int
    signed: bool


def layout(machine: Machine, kind: type[Instruction]) -> tuple[Place, ...]:
    """Fields of an instruction, from the lowest bit on; the number of its kind stands below them."""
    return _layout(machine, kind.number)


@lru_cache(maxsize=256)
def _layout(machine: Machine, number: int) -> tuple[Place, ...]:
    found, low = [], OPCODE_BITS
    for entry in fields(KINDS[number]):
        kind = entry.metadata["kind"]
        bits = _width(machine, kind)
        found.append(Place(entry.name, low, bits, kind == "place"))
        low += bits
    return tuple(found)


@lru_cache(maxsize=64)
def word_bits(machine: Machine) -> int:
    """Bits of an instruction: those of the longest one, in whole words of the stream."""
    ends = [layout(machine, kind)[-1] for kind in KINDS]
    needed = max(place.low + place.bits for place in ends)
    return -(-needed // machine.stream_bits) * machine.stream_bits


def encode(machine: Machine, instruction: Instruction) -> bytes:
    """An instruction as the bytes of its word, the lowest first.

    Raises
    ------
    ProgramError
        If a field does not hold its value.
    """
    word = instruction.number
    for place in layout(machine, type(instruction)):
        value = getattr(instruction, place.name)
        low, high = (-(1 << place.bits - 1), 1 << place.bits - 1) if place.signed else (0, 1 << place.bits)
        if not low <= value < high:
            raise ProgramError(
                f"{place.name} from {low} to {high - 1} was expected in a {_name(instruction)}, but {value} "
                f"came; use a machine with larger memories than {machine.name}, or a smaller layer"
            )
        word |= (value & (1 << place.bits) - 1) << place.low
    return word.to_bytes(word_bits(machine) // 8, "little")


def decode(machine: Machine, content: bytes) -> Instruction:
    """The instruction of a word.

    Raises
    ------
    ProgramError
        If no instruction is encoded so.
    """
    word = int.from_bytes(content, "little")
    number = word & (1 << OPCODE_BITS) - 1
    if len(content) * 8 != word_bits(machine):
        came = f"{word_bits(machine)} bits was expected, but {len(content) * 8} bits came"
        raise ProgramError(f"an instruction of {came}; compile the program again")
    kind, values = KINDS[number], {}
    places = layout(machine, kind)
    for place in places:
        value = word >> place.low & (1 << place.bits) - 1
        values[place.name] = value - (1 << place.bits) if place.signed and value >> place.bits - 1 else value
    if word >> places[-1].low + places[-1].bits:
        raise ProgramError(
            f"zeros behind the fields of a {kind.__name__.upper()} were expected, but others came; compile "
            "the program again"
        )
    return kind(**values)


def _name(instruction: Instruction) -> str:
    return type(instruction).__name__.upper()
