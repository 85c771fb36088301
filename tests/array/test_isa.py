"""Instructions are encoded and decoded without loss, on machines that differ by their description alone."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from pyqkit.array import isa, machine
from pyqkit.array.isa import Unit
from pyqkit.array.listing import listing
from pyqkit.errors import UserError

MACHINES = [machine.named(name) for name in machine.names()]
SMALL = replace(machine.named("lpa4x4"), activation_words=16, weight_words=8, accumulators=4)


def _filled(kind: type[isa.Instruction], array: machine.Machine) -> dict[str, int]:
    """Every field at its largest value."""
    return {p.name: (1 << p.bits - p.signed) - 1 for p in isa.layout(array, kind)}


@pytest.mark.parametrize("kind", isa.KINDS, ids=lambda kind: kind.__name__)
def test_every_value_of_every_field_comes_back(kind: type[isa.Instruction]) -> None:
    """Each field takes all its values while the others are all zeros, and all ones."""
    for others in (dict.fromkeys(_filled(kind, SMALL), 0), _filled(kind, SMALL)):
        for place in isa.layout(SMALL, kind):
            values = range(1 << place.bits) if place.bits <= 10 else (0, 1, 77, (1 << place.bits) - 1)
            for value in values:
                number = value - (1 << place.bits) if place.signed and value >> place.bits - 1 else value
                instruction = kind(**(others | {place.name: number}))
                assert isa.decode(SMALL, isa.encode(SMALL, instruction)) == instruction


@pytest.mark.parametrize("array", MACHINES, ids=lambda array: array.name)
def test_fields_do_not_overlap(array: machine.Machine) -> None:
    assert isa.word_bits(array) % array.stream_bits == 0
    for kind in isa.KINDS:
        places = isa.layout(array, kind)
        assert [place.name for place in places] == [entry.name for entry in fields(kind)]
        ends = [isa.OPCODE_BITS, *(place.low + place.bits for place in places)]
        assert ends[:-1] == [place.low for place in places]


def test_widths_follow_the_machine() -> None:
    wide = {place.name: place.bits for place in isa.layout(MACHINES[0], isa.Run)}
    narrow = {place.name: place.bits for place in isa.layout(SMALL, isa.Run)}
    assert (wide["base"], narrow["base"]) == (13, 4)
    assert (wide["weights"], narrow["weights"]) == (14, 3)


def test_a_value_too_large_is_refused() -> None:
    with pytest.raises(isa.ProgramError, match="base from 0 to 15 was expected in a RUN, but 16 came"):
        isa.encode(SMALL, isa.Run(mode=0, weights=0, base=16, height=1, width=1))


@pytest.mark.parametrize(
    "content",
    [bytes(31), (1 << 255).to_bytes(32, "little")],
    ids=["short", "behind"],
)
def test_what_is_no_instruction_is_refused(content: bytes) -> None:
    with pytest.raises(isa.ProgramError, match="compile the program again"):
        isa.decode(MACHINES[0], content)


def test_listing() -> None:
    run = isa.Run(mode=1, weights=3, base=5, row=-1, height=4, width=4, wait=Unit.POST | Unit.LOAD, last=1)
    assert listing(run) == "RUN mode=1 weights=3 base=5 row=-1 height=4 width=4 wait=load+post last"
    assert listing(isa.End()) == "END"


@pytest.mark.parametrize("array", MACHINES, ids=lambda array: array.name)
def test_machines_are_read_as_they_were_written(array: machine.Machine) -> None:
    assert machine.Machine.from_json(array.to_json()) == array
    assert replace(array, name="other", clock_mhz=50).digest == array.digest
    assert replace(array, rows=array.rows + 1).digest != array.digest


@pytest.mark.parametrize(
    "change, part",
    [
        ({"rows": 0}, "0 rows"),
        ({"columns": 9}, "8 rows and 9 columns"),
        ({"modes": ()}, "no modes"),
        ({"weight_words": 1}, "1 items of WEIGHTS"),
        ({"multiplier_bits": 40}, "parameters of 104 bits"),
    ],
    ids=["rows", "columns", "modes", "weights", "parameters"],
)
def test_a_machine_that_cannot_be_built_is_refused(change: dict, part: str) -> None:
    with pytest.raises(UserError, match=part):
        replace(machine.named("lpa8x8"), **change)


@pytest.mark.parametrize("key, value", [("rows", "8"), ("modes", [{"weight_bits": 4}]), ("other", 1)])
def test_a_damaged_description_is_refused(key: str, value: object) -> None:
    with pytest.raises(UserError, match="the description of a machine was expected"):
        machine.Machine.from_json(machine.named("lpa8x8").to_json() | {key: value})


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(UserError, match="lpa8x8, lpa4x4, int8x8, int16x16, msq8x8, msq16x16 was expected"):
        machine.named("tpu")
