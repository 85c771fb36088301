"""Activations, the matrix of elements, accumulators, post-processors and the way out."""

from __future__ import annotations

from pyqkit.array import isa
from pyqkit.array.execute import item_words
from pyqkit.array.families import of as family
from pyqkit.array.isa import Table
from pyqkit.array.machine import Memory
from pyqkit.array.rtl.control import row_bits
from pyqkit.array.rtl.elements import of as elements
from pyqkit.array.rtl.parameters import CODED, SCALED, planes
from pyqkit.array.rtl.writer import CLOCKED, Writer
from pyqkit.array.timing import depths
from pyqkit.errors import UserError


def activations(out: Writer) -> None:
    """The memory that words of activations are read from, by RUN and by STORE."""
    machine, address = out.machine, out.bits(isa.Run, "base")
    sides = machine.rows, planes(machine)
    out.declare(codes=8 * sides[0], code_write=sides[0] * sides[1], code_address=sides[0] * address)
    out.declare(code_data=8 * sides[0], store_read=1, store_address=address)
    ports = {
        "clock": "clock",
        "enable": elements(machine).step(machine),
        "address": "store_read ? store_address : position_address",
        "outside": "!store_read && position_outside",
        "pad": "run_pad",
        "codes": "codes",
        "write": "code_write",
        "write_address": "code_address",
        "write_data": "code_data",
    }
    sizes = {"ROWS": sides[0], "DEPTH": machine.activation_words, "PARTS": sides[1]}
    out.block("activations", "activations", sizes, ports)
    if family(machine).shift_bits:
        _exponents(out)


def _exponents(out: Writer) -> None:
    """What stands behind the slots of a word."""
    machine, shift, address = out.machine, family(out.machine).shift_bits, out.bits(isa.Run, "base")
    out.declare(exponent_stored=shift, exponent_at_foot=shift)
    part, place = divmod(8 * machine.rows, machine.stream_bits)
    sizes = {"ROWS": machine.rows, "DEPTH": machine.activation_words, "SHIFT": shift, "PART": part}
    sizes |= {"PLACE": place, "STREAM": machine.stream_bits, "STORE": machine.rows}
    made, stages = elements(machine), family(machine).stages(machine)
    late = stages - 1 if made.waits(machine) else 0  # what does not wait, behind the last row's products
    sizes |= {"FOOT": machine.rows + stages + 3 - late, "BEHIND": late}
    ports = {
        "clock": "clock",
        "enable": made.step(machine),
        "address": "store_read ? store_address : position_address",
        "outside": "!store_read && position_outside",
        "pad": f"run_pad[{shift - 1}:0]",
        "stored": "exponent_stored",
        "at_foot": "exponent_at_foot",
        "load": "place_write",
        "load_address": f"place_address[{address - 1}:0]",
        "load_part": "place_part[3:0]",
        "load_data": "place_data",
        "write": "code_write",
        "write_address": "code_address",
    }
    out.block("exponents", "exponents", sizes, ports)


def matrix(out: Writer) -> None:
    """Elements, which get a position's activations a cycle after its address."""
    machine, made = out.machine, elements(out.machine)
    out.declare(column_sums=machine.columns * made.columns(machine).bits)
    modes = [made.mode_bits(mode) for mode in machine.modes]
    out.choose("matrix_mode", "run_mode", modes, int(made.parameters(machine)["MODE"]))
    rows = {"weight_write": 1, "write_row": row_bits(machine)}
    step = made.step(machine)
    out.delay("weights_come", "weight_read, weight_row", rows, 1, step)
    out.delay("swap_comes", "position_valid && position_first", {"swap": 1}, 1, step)
    made.matrix(out)


def accumulators(out: Writer) -> None:
    """One for each column, which reads a sum two cycles before what it adds."""
    machine, made = out.machine, elements(out.machine)
    columns, lane = made.columns(machine), made.accumulator_lane(machine)
    width, wide = columns.bits, 2 * columns.segments * lane
    address = out.bits(isa.Run, "accumulator")
    out.declare(post_address=address, all_sums=machine.columns * wide)
    _places(out, address)
    ports = {
        "clock": "clock",
        "quarters": made.quarters,
        "bank": "run_bank",
        "read": "sum_read",
        "address": "sum_address",
        "valid": "sum_valid",
        "replace": "sum_replace",
        "shift": "{1'b0, run_weight_high} + {1'b0, run_activation_high}",
        "place": "sum_place",
        "other_address": "post_address",
    }
    sizes = {"SEGMENTS": columns.segments, "SEGMENT": columns.segment, "LANE": lane}
    sizes |= {"DEPTH": machine.accumulators, "SHIFTS": int(made.shifted)}
    for c in range(machine.columns):
        own = {"term": f"column_sums[{c * width}+:{width}]", "sums": f"all_sums[{c * wide}+:{wide}]"}
        out.block("accumulator", f"accumulator_{c}", sizes, ports | own)


def _places(out: Writer, address: int) -> None:
    """Where sums belong, as they come; steps of rows that wait end before networks and feet of columns."""
    machine, made = out.machine, elements(out.machine)
    stages, valid = family(machine).stages(machine), "position_valid"
    replace, place, late = "position_replace", "position_place", machine.rows + 5 + stages
    if made.waits(machine):
        step, wires = made.step(machine), {"made_valid": 1, "made_replace": 1, "made_place": address}
        out.delay("terms_made", ", ".join((valid, replace, place)), wires, machine.rows + 5, step)
        valid, replace, place, late = f"made_valid && {step}", "made_replace", "made_place", stages
    read = {"sum_read": 1, "sum_address": address}
    out.delay("sums_near", f"{valid}, {place}", read, late - 2)
    terms = {"sum_valid": 1, "sum_replace": 1, "sum_place": address}
    out.delay("sums_come", f"{valid}, {replace}, {place}", terms, late)


def post(out: Writer) -> None:
    """Counters of POST; sums of a step come two cycles later, as do its parameters."""
    machine = out.machine
    phase = (machine.post_cycles - 1).bit_length()
    held = {"mode": out.bits(isa.Post, "mode"), "bank": 1, "maximum": 1, "raw": 1, "stages": 4}
    steps = {"valid": 1, "phase": phase, "lane": 4, "first": 1, "last": 1, "ends": 1}
    out.declare(**{f"post_{name}": bits for name, bits in held.items()}, raw_sent=1)
    out.declare(**{f"step_{name}": bits for name, bits in steps.items()})
    sizes = {"SERVED": machine.post_cycles, "MODE": held["mode"], "SIZE": isa.SIZE_BITS}
    sizes |= {"ACCUMULATOR": out.bits(isa.Post, "accumulator"), "PARAMETER": out.bits(isa.Post, "parameters")}
    sizes |= {"DRAIN": depths(machine).post - 2}
    names = "mode bank accumulator pitch rows columns lanes terms maximum raw parameters stages"
    ports = CLOCKED | out.fields(isa.Post, names) | {"start": "start && is_post", "busy": "post_busy"}
    ports |= {f"post_{name}": f"post_{name}" for name in held} | {name: f"step_{name}" for name in steps}
    ports |= {"address": "post_address", "parameter_address": "parameter_address", "raw_sent": "raw_sent"}
    out.block("post", "post", sizes, ports)


def processors(out: Writer) -> None:
    """One for every `post_cycles` columns."""
    machine, made = out.machine, elements(out.machine)
    columns, lane = made.columns(machine), made.accumulator_lane(machine)
    served, y, m = machine.post_cycles, machine.offset_bits, machine.multiplier_bits
    count, phase = -(-machine.columns // served), (served - 1).bit_length()
    wide = 2 * columns.segments * lane
    late = {"scale_phase": phase, "scale_lane": 4, "scale_first": 1}
    out.delay("sums_read", "step_phase, step_lane, step_first", late, 2)
    out.delay("parameters_read", "parameters", {"scale_parameters": machine.columns * (m + y)}, 1)
    out.choose("post_lanes", "post_mode", [made.post_bits(mode) for mode in machine.modes], 2)
    out.declare(scaled=count * y, found_codes=count * 8)
    # The last processor may serve fewer columns: it finds zeros in the others.
    out.declare(served_sums=count * served * wide, served_parameters=count * served * (m + y))
    out.write(
        f"assign served_sums = {count * served * wide}'(all_sums);",
        f"assign served_parameters = {count * served * (m + y)}'(scale_parameters);",
    )
    sizes = {"SERVED": served, "SEGMENTS": columns.segments, "SEGMENT": columns.segment, "M": m, "Y": y}
    sizes |= {"LANE": lane}
    ports = {
        "clock": "clock",
        "quarters": "post_lanes[0]",
        "halves": "post_lanes[1]",
        "lane": "scale_lane[1:0]",
    }
    ports |= {name: f"post_{name}" for name in ("bank", "maximum", "stages")}
    ports |= {name: f"scale_{name}" for name in ("phase", "first")}
    ports |= {"write_boundary": f"table_write[{Table.BOUNDARIES:d}]"}
    ports |= {"write_code": f"table_write[{Table.CODES:d}]", "index": "table_index"}
    ports |= {"entry": f"table_entry[{y - 1}:0]"}
    for p in range(count):
        own = {
            "sums": f"served_sums[{p * served * wide}+:{served * wide}]",
            "parameters": f"served_parameters[{p * served * (m + y)}+:{served * (m + y)}]",
            "y": f"scaled[{p * y}+:{y}]",
            "code": f"found_codes[{p * 8}+:8]",
        }
        out.block("post_processor", f"processor_{p}", sizes, ports | own)


def codes(out: Writer) -> None:
    """Where codes go, and what LOAD brings."""
    machine, address = out.machine, out.bits(isa.Post, "base")
    phase = (machine.post_cycles - 1).bit_length()
    arrived = {"code_valid": 1, "code_phase": phase}
    out.delay("codes_come", "step_valid && step_last && !post_raw, step_phase", arrived, CODED - 1)
    sizes = {"ROWS": machine.rows, "COLUMNS": machine.columns, "SERVED": machine.post_cycles}
    sizes |= {"PARTS": planes(machine), "ADDRESS": address, "SIZE": isa.SIZE_BITS}
    sizes |= {"STREAM": machine.stream_bits}
    names = "base step_row step_column columns lanes slot plane planes code_bits channels"
    ports = {"clock": "clock", "start": "start && is_post"} | out.fields(isa.Post, names)
    ports |= {"valid": "code_valid", "phase": "code_phase", "codes": "found_codes"}
    ports |= {"load": "place_write", "load_address": f"place_address[{address - 1}:0]"}
    ports |= {"load_part": "place_part[3:0]", "load_data": "place_data"}
    ports |= {"write": "code_write", "write_address": "code_address", "write_data": "code_data"}
    out.block("codes", "placing", sizes, ports)


def outputs(out: Writer) -> None:
    """Scaled sums and words of activations, which share a queue."""
    machine, stream, y = out.machine, out.machine.stream_bits, out.machine.offset_bits
    if y > stream:
        raise UserError(
            f"scaled sums of at most {stream} bits, a word of the stream, were expected, but "
            f"{machine.name} has {y} bits; take a wider stream"
        )
    phase, room = (machine.post_cycles - 1).bit_length(), 2 * machine.rows + 16
    arrived = {"raw_comes": 1, "raw_phase": phase, "raw_ends": 1}
    given = "step_valid && step_last && post_raw, step_phase, step_ends"
    out.delay("scaled_come", given, arrived, SCALED)
    out.declare(raw_valid=1, raw_ready=1, raw_data=y, raw_last=1)
    sizes = {"COLUMNS": machine.columns, "SERVED": machine.post_cycles, "Y": y, "SIZE": isa.SIZE_BITS}
    ports = CLOCKED | out.fields(isa.Post, "channels lanes") | {"start": "start && is_post"}
    ports |= {
        "valid": "raw_comes",
        "phase": "raw_phase",
        "ends": "raw_ends",
        "y": "scaled",
        "sent": "raw_sent",
    }
    ports |= {f"out_{name}": f"raw_{name}" for name in ("valid", "ready", "data", "last")}
    out.block("raw", "raw", sizes, ports)

    out.declare(store_valid=1, store_data=stream, store_last=1, store_full=1)
    shift = family(machine).shift_bits  # what stands behind the slots leaves as one more
    words = f"{{{8 - shift}'b0, exponent_stored, codes}}" if shift else "codes"
    sizes = {"ROWS": machine.rows + (shift > 0), "ADDRESS": out.bits(isa.Store, "address")}
    sizes |= {"COUNT": isa.COUNT_BITS} | {"STREAM": stream, "ROOM": room}
    address = out.bits(isa.Store, "address")
    step = f"is_copy ? {out.field(isa.Copy, 'step')} : {address}'d1"
    ports = CLOCKED | out.fields(isa.Store) | {"start": "start && (is_store || is_copy)", "step": step}
    ports |= {"busy": "store_busy"}
    ports |= {"read": "store_read", "read_address": "store_address", "codes": words, "full": "store_full"}
    ports |= {"taken": "(out_tvalid && out_tready) || copies", "other": "raw_valid && raw_ready"}
    ports |= {f"out_{name}": f"store_{name}" for name in ("valid", "data", "last")}
    out.block("store", "store", sizes, ports)
    _copy(out)
    _queue(out, room)


def _copy(out: Writer) -> None:
    """Words of activations that become weights: they leave as those do that are stored, but not for long."""
    machine = out.machine
    words, kept = item_words(machine, Memory.ACTIVATIONS), item_words(machine, Memory.WEIGHTS)
    bits, part = out.bits(isa.Copy, "weights"), max(1, (words - 1).bit_length())
    out.declare(copying=1, copies=1, stores=1, copy_write=1, copy_address=bits, copy_part=part)
    out.write("assign copies = store_valid && copying;", "assign stores = store_valid && !copying;")
    started = "start && (is_store || is_copy)"
    out.register("copying", {"clock": "clock", "enable": started, "d": "is_copy", "q": "copying"})
    ports = {"clock": "clock", "start": "start && is_copy", "weights": out.field(isa.Copy, "weights")}
    ports |= {"valid": "copies", "write": "copy_write", "address": "copy_address", "part": "copy_part"}
    out.block("copy", "copy", {"WEIGHTS": bits, "PARTS": words, "KEPT": kept}, ports)


def _queue(out: Writer, room: int) -> None:
    stream, y = out.machine.stream_bits, out.machine.offset_bits
    names = ("compute_last", "post_last", "queue_ready", "word_last")
    out.declare(**dict.fromkeys(names, 1), word=stream)
    raw = f"{{{{{stream - y + 1}{{raw_data[{y - 1}]}}}}, raw_data[{y - 2}:0]}}"  # sign and all
    out.write(
        f"assign word = stores ? store_data : {raw};",
        "assign word_last = stores ? store_last && compute_last : raw_last && post_last;",
        "assign raw_ready = queue_ready && !store_full && !stores;",
    )
    # A transfer ends with the last word of an instruction that says so.
    for name, kind in (("compute_last", "store"), ("post_last", "post")):
        ports = {"clock": "clock", "enable": f"start && is_{kind}", "d": "last", "q": name}
        out.register(name, ports)
    ports = CLOCKED | {"stall": "1'b0", "in_valid": "stores || (raw_valid && !store_full)"}
    ports |= {"in_ready": "queue_ready", "in_data": "{word_last, word}", "out_valid": "out_tvalid"}
    ports |= {"out_ready": "out_tready", "out_data": "{out_tlast, out_tdata}"}
    out.queue("answers", stream + 1, room + 2, ports)
