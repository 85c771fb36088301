"""What issues instructions, and the units LOAD, FILL and RUN."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.array import isa
from pyqkit.array.execute import item_bits, item_words
from pyqkit.array.isa import Table, Unit, word_bits
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.rtl.elements import of as elements
from pyqkit.array.rtl.writer import CLOCKED, Writer
from pyqkit.array.timing import depths, table_entries

PART_BITS = 7  # of the number of a stream word within an item


def issue(out: Writer) -> None:
    """Instructions from the stream and from the program, and which unit each is for."""
    word, program = word_bits(out.machine), out.bits(isa.Repeat, "first")
    busy = ("load_busy", "place_busy", "run_busy", "post_busy", "store_busy", "fill_busy")
    out.declare(
        **dict.fromkeys(("issue_ready", "start", "moves", "last_repeat", "last", "to_place", *busy), 1)
    )
    out.declare(unit=len(Unit), busy=len(Unit), instruction=word, program_word=word, program_address=program)
    for kind in isa.KINDS:
        name = f"is_{kind.__name__.lower()}"
        out.declare(**{name: 1})
        out.write(f"assign {name} = instruction[{isa.OPCODE_BITS - 1}:0] == {kind.number};")
    out.write(
        f"assign to_place = is_load && {out.field(isa.Load, 'memory')} == {Memory.ACTIVATIONS:d};",
        "assign unit[0] = is_load && !to_place;",
        "assign unit[1] = is_run || is_store || is_copy;",
        "assign unit[2] = is_post || to_place;",
        "assign unit[3] = is_fill;",
        "assign busy[0] = load_busy;",
        "assign busy[1] = run_busy || store_busy;",
        "assign busy[2] = post_busy || place_busy;",
        "assign busy[3] = fill_busy;",
        f"assign last = {out.field(isa.Run, 'last')} && last_repeat;",
        "assign idle = issue_ready && busy == 0;",
        f"assign mark = moves && {out.field(isa.Run, 'mark')};",
        "assign in_tready = issue_ready || load_ready || place_ready;",
    )
    bits = out.machine.stream_bits
    sizes = {
        "UNITS": len(Unit),
        "WORD": word,
        "HEAD": bits,
        "STREAM": bits,
        "PROGRAM": program,
        "COUNT": isa.COUNT_BITS,
    }
    ports = CLOCKED | out.fields(isa.Repeat) | {"in_valid": "in_tvalid", "in_ready": "issue_ready"}
    ports |= {"in_data": "in_tdata", "read_address": "program_address", "read_data": "program_word"}
    ports |= {"waits": out.field(isa.Run, "wait")}
    same = ("instruction", "unit", "is_end", "is_repeat", "busy", "start", "moves", "last_repeat")
    out.block("issue", "issue", sizes, ports | {name: name for name in same})


@dataclass(frozen=True)
class _Kept:
    """A memory, the wire that addresses it, and that of its item."""

    memory: Memory
    address: str
    item: str


_MEMORIES = (
    _Kept(Memory.PROGRAM, "program_address", "program_word"),
    _Kept(Memory.TABLES, "table_address", "table_item"),
    _Kept(Memory.PARAMETERS, "parameter_address", "parameters"),
    _Kept(Memory.WEIGHTS, "weight_address", "slots"),
)


def loads(out: Writer) -> None:
    """What fills memories from the stream."""
    parts = [item_words(out.machine, kept.memory) for kept in _MEMORIES]
    counts = "".join(f"{part:02x}" for part in reversed(parts))
    _load(out, "load", "!to_place", len(_MEMORIES), f"32'h{counts}")
    _load(out, "place", "to_place", 1, f"8'd{item_words(out.machine, Memory.ACTIVATIONS)}")
    for kept in _MEMORIES:
        if kept.memory != Memory.PROGRAM:
            bits = max(1, (out.machine.items(kept.memory) - 1).bit_length())
            out.declare(**{kept.item: item_bits(out.machine, kept.memory), kept.address: bits})
        _memory(out, kept)


def _load(out: Writer, name: str, chosen: str, memories: int, parts: str) -> None:
    address = out.bits(isa.Load, "address")
    stream = out.machine.stream_bits
    sizes: dict[str, int | str] = {"MEMORIES": memories, "PARTS": parts, "STREAM": stream, "MEMORY": 3}
    sizes |= {"ADDRESS": address, "COUNT": isa.COUNT_BITS, "PART": PART_BITS}
    written = {"write": memories, "part": PART_BITS, "address": address, "data": stream}
    out.declare(**{f"{name}_{key}": bits for key, bits in written.items()}, **{f"{name}_ready": 1})
    ports = (
        CLOCKED | out.fields(isa.Load) | {"start": f"start && is_load && {chosen}", "busy": f"{name}_busy"}
    )
    ports |= {"in_valid": "in_tvalid", "in_ready": f"{name}_ready", "in_data": "in_tdata"}
    ports |= {"write": f"{name}_write"} | {f"write_{key}": f"{name}_{key}" for key in list(written)[1:]}
    if memories == 1:
        ports["memory"] = "'0"
    out.block("load", f"{name}_words", sizes, ports)


def _memory(out: Writer, kept: _Kept) -> None:
    machine, stream = out.machine, out.machine.stream_bits
    items, width = machine.items(kept.memory), item_bits(machine, kept.memory)
    address = max(1, (items - 1).bit_length())
    part = max(1, (item_words(machine, kept.memory) - 1).bit_length())
    ports = {
        "clock": "clock",
        "write": f"load_write[{kept.memory:d}]",
        "write_part": f"load_part[{part - 1}:0]",
        "write_address": f"load_address[{address - 1}:0]",
        "write_data": "load_data",
    }
    if kept.memory == Memory.WEIGHTS:  # a COPY writes them, too
        ports["write"] += " || copy_write"
        ports["write_part"] = f"copy_write ? {part}'(copy_part) : {ports['write_part']}"
        ports["write_address"] = f"copy_write ? copy_address : {ports['write_address']}"
        ports["write_data"] = "copy_write ? store_data : load_data"
    ports |= {
        "read": elements(machine).step(machine) if kept.memory == Memory.WEIGHTS else "1'b1",
        "address": kept.address,
        "data": kept.item,
    }
    sizes = {"WIDTH": width, "PART": stream, "DEPTH": items}
    module = elements(machine).items if kept.memory == Memory.WEIGHTS else "items"
    out.block(module, f"{kept.memory.name.lower()}_memory", sizes, ports)


def fill(out: Writer) -> None:
    """What fills tables from the table memory."""
    choice = out.bits(isa.Fill, "choice")
    out.declare(table_write=len(Table), table_choice=choice, table_index=8, table_entry=64)
    entries = "".join(f"{table_entries(out.machine, table):x}" for table in reversed(Table))
    sizes: dict[str, int | str] = {"ADDRESS": out.bits(isa.Fill, "address"), "COUNT": isa.COUNT_BITS}
    sizes |= {"TABLES": len(Table), "ENTRIES": f"16'h{entries}", "CHOICE": choice}
    ports = (
        CLOCKED
        | out.fields(isa.Fill, "choice address count")
        | {"table_number": out.field(isa.Fill, "table")}
    )
    ports |= {"start": "start && is_fill", "busy": "fill_busy", "read_address": "table_address"}
    ports |= {"item": "table_item", "write": "table_write", "index": "table_index", "entry": "table_entry"}
    ports |= {"table_choice": "table_choice"}
    out.block("fill", "fill", sizes, ports)


_HELD = {"bank": 1, "weight_high": 1, "activation_high": 1, "pad": 8}  # while a RUN works
_CHOSEN = ("activation_table", "weight_table")


def row_bits(machine: Machine) -> int:
    """Of the number of a row."""
    return (machine.rows - 1).bit_length()


def run(out: Writer) -> None:
    """Counters and addresses of RUN."""
    mode, address = out.bits(isa.Run, "mode"), out.bits(isa.Run, "base")
    weights, sums = out.bits(isa.Run, "weights"), out.bits(isa.Run, "accumulator")
    choice = out.bits(isa.Run, _CHOSEN[0])
    held = {"mode": mode, **_HELD, **dict.fromkeys(_CHOSEN, choice)}
    position = {"valid": 1, "first": 1, "outside": 1, "replace": 1, "place": sums, "address": address}
    out.declare(**{f"run_{name}": bits for name, bits in held.items()})
    out.declare(**{f"position_{name}": bits for name, bits in position.items()})
    out.declare(weight_read=1, weight_row=row_bits(out.machine))
    sizes = {"ROWS": out.machine.rows, "ADDRESS": address, "WEIGHTS": weights, "ACCUMULATOR": sums}
    sizes |= {
        "SIZE": isa.SIZE_BITS,
        "STEP": isa.STEP_BITS,
        "MODE": mode,
        "CHOICE": choice,
        "DRAIN": depths(out.machine).run - 2,
    }
    ports = CLOCKED | out.fields(isa.Run) | {"start": "start && is_run", "busy": "run_busy"}
    ports |= {"enable": elements(out.machine).step(out.machine)}
    ports |= {f"run_{name}": f"run_{name}" for name in held}
    ports |= {name: f"position_{name}" for name in position}
    ports |= {name: name for name in ("weight_read", "weight_address", "weight_row")}
    out.block("run", "run", sizes, ports)
