"""Cases of the matrix-vector unit: plain, with signs, in blocks, and behind memories that are written."""

from __future__ import annotations

from functools import partial
from math import gcd, lcm

import numpy as np

from pyqkit.formats import parse
from pyqkit.rtl.emitter import instance
from pyqkit.rtl.products.packed import GROUP, packed_block
from tests.rtl.bench import FRAMES, Case, Parameters, packed, table, words


def units() -> list[Case]:
    """Matrix-vector units: products as they are, or magnitudes and signs; blocks; a source that is loaded."""
    plain = {
        "vector": _unit("vector", 1, 1, 5),
        "matrix": _unit("matrix", 2, 3, 2),
        "vector_signs": _unit("vector_signs", 1, 1, 5, signs=True),
        "matrix_signs": _unit("matrix_signs", 2, 3, 2, signs=True),
        "wide_signs": _unit("wide_signs", 1, 8, 2, signs=True),
        "wide_sums": _unit("wide_sums", 2, 20, 2, signs=True, reading=2, multiplying=2, least=50),
        "loaded": _unit("loaded", 2, 3, 2, loaded=True),
        "deep": _unit("deep", 2, 3, 2, signs=True, reading=2, multiplying=2),
        "halves": _unit("halves", 2, 2, 3, reading=2, memory="lut"),
        "blocks_deep": _unit("blocks_deep", 2, 2, 6, block=8, signs=True, reading=2, multiplying=1),
        "blocks_whole": _unit("blocks_whole", 2, 4, 1, block=8),
        "blocks_span": _unit("blocks_span", 2, 2, 6, block=8, signs=True),
        "blocks_within": _unit("blocks_within", 2, 8, 2, block=4),
        "blocks_across": _unit("blocks_across", 1, 6, 3, block=4, signs=True),
        "blocks_loaded": _unit("blocks_loaded", 2, 4, 2, block=2, loaded=True, reading=2),
    }
    return [*plain.values(), _packed_unit()]


def _packed_unit() -> Case:
    """A unit whose products share DSPs: int4, columns of three lanes, two memories of weights."""
    outputs, pe, simd, folds, random = 4, 2, 6, 2, np.random.default_rng(9)
    weights = random.integers(-8, 8, (outputs, folds * simd))
    weights[0] = -8
    x = random.integers(-8, 8, (FRAMES, 3, folds * simd))
    x[0], x[1, 0] = -8, 7
    fmt, depth = parse("int4"), folds * outputs // pe
    block = packed_block(fmt, fmt, 2, pe, simd, 3)
    order = weights.reshape(-1, pe, folds, simd).transpose(0, 2, 1, 3).reshape(depth, pe, simd)
    parameters: Parameters = {"PRODUCT_BITS": block.width, "PE": pe, "SIMD": block.columns, "LANES": simd}
    parameters |= {"FOLDS": folds, "DEPTH": depth, "SUM_BITS": 11}
    parameters |= {"READ_STAGES": 1, "PRODUCT_STAGES": block.latency}
    before = f"  wire #_read, #_unused;\n  wire [{4 * simd - 1}:0] #_left;\n  wire [1:0] #_address_0;\n"
    before += f"  wire [{pe * block.columns * block.width - 1}:0] #_products;\n"
    before += f"  wire [{sum(block.pairs) * block.pair_bits - 1}:0] #_right;\n"
    tables, place = {}, 0
    for group, memory in enumerate(block.memories(order)):
        width, moving = memory.shape[1] * block.pair_bits, {"clock": "clock", "enable": "#_read"}
        file = f"packed_{group}.hex"
        tables[file] = table([packed(row, block.pair_bits) for row in memory], width)
        if group:
            before += f"  wire [1:0] #_address_{group};\n"
            ends = {"d": f"#_address_{group - 1}", "q": f"#_address_{group}"}
            before += instance("delay", f"#_delay_{group}", {"WIDTH": 2, "STAGES": GROUP}, moving | ends)
        ports = {"address": f"#_address_{group}", "data": f"#_right[{place}+:{width}]"}
        sizes: Parameters = {"WIDTH": width, "DEPTH": depth, "FILE": f'"{file}"', "STAGES": 1}
        before += instance("rom", f"#_rom_{group}", sizes, moving | ports)
        place += width
    ports = {"left": "#_left", "right": "#_right", "sums": "#_products"}
    before += instance(block.module, "#_multiply", block.parameters, moving | ports)
    wires = {wire: f"#_{wire}" for wire in ("left", "read", "products")}
    wires |= {"address": "#_address_0", "exponent_address": "#_unused", "exponents": "1'b0", "negate": "'0"}
    repeated = x.reshape(FRAMES, 3, 1, -1).repeat(outputs // pe, axis=2)
    given, taken = {"in": words(4, repeated, simd)}, {"out": words(11, x @ weights.T, pe)}
    return Case("packed", "matrix_vector", parameters, given, taken, tables, wires, before)


def _unit(
    name: str,
    pe: int,
    simd: int,
    folds: int,
    block: int = 0,
    signs: bool = False,
    loaded: bool = False,
    exponent_bits: int = 2,
    reading: int = 1,
    multiplying: int = 0,
    least: int = 1,
    memory: str = "auto",
) -> Case:
    """A unit of four outputs and one kernel position with int4 weights, in blocks of `block` inputs or none.

    Its memories are constants in `memory`, or `loaded`: written before the first word of input is let in.
    `reading` and `multiplying` are the steps until weights and products come. Sums have `least` bits.
    """
    outputs, inputs, random = 4, simd * folds, np.random.default_rng(simd)
    weights = random.integers(-8, 8, (outputs, inputs))
    weights[0] = -8
    x = random.integers(-8, 8, (FRAMES, 3, inputs))
    x[0], x[1, 0] = -8, 7
    depth, largest = folds * outputs // pe, 0
    order = weights.reshape(-1, pe, folds, simd).transpose(0, 2, 1, 3).reshape(depth, pe * simd)
    memories = {"right": ("address", order, 4)}
    parameters: Parameters = {"PRODUCT_BITS": 8, "PE": pe, "SIMD": simd, "FOLDS": folds, "DEPTH": depth}
    parameters |= {"READ_STAGES": reading, "PRODUCT_STAGES": multiplying}
    scaled = weights
    if block:
        largest = 2**exponent_bits - 1
        exponents = random.integers(0, largest + 1, (outputs, -(-inputs // block)))
        exponents[0] = largest
        scaled = weights << exponents.repeat(block, axis=1)[:, :inputs]
        served = min(lcm(simd, block), inputs)
        held, words_of_exponents = -(-served // block), -(-inputs // served)
        filled = np.zeros((outputs, words_of_exponents * held), int)
        filled[:, : exponents.shape[1]] = exponents
        order = filled.reshape(-1, pe, words_of_exponents, held).transpose(0, 2, 1, 3).reshape(-1, pe * held)
        memories["exponents"] = ("exponent_address", order, exponent_bits)
        parameters |= {"EXPONENT_BITS": exponent_bits, "EXPONENT_DEPTH": len(order), "BLOCK": block}
        parameters |= {"SEGMENT": simd if block >= inputs else gcd(simd, block), "HELD": held}
        parameters |= {"SPAN": served // simd, "ROW": folds}
    expected = x @ scaled.T
    # 64 * inputs is reached.
    bits = max(least, int(max(abs(expected).max(), 64 * inputs << largest)).bit_length() + 1)
    parameters |= {"SUM_BITS": bits, "SIGNS": int(signs)}
    wires = {wire: f"#_{wire}" for wire in ("left", "read", "products", "negate", "exponents")}
    before, tables = _multiplied(pe, simd, signs, multiplying), {}
    for port, (address, values, width) in memories.items():
        wires |= {address: f"#_{address}"}
        rows = [packed(row, width) for row in values]
        tables[f"{name}_{port}.hex"] = table(rows, values.shape[1] * width)
        made = _written if loaded else partial(_constants, memory=memory)
        file = f"{name}_{port}.hex"
        before += made(port, address, len(rows), values.shape[1] * width, file, reading)
    if not block:
        wires |= {"exponents": "1'b0", "exponent_address": "#_unused"}
        before += "  wire #_unused;\n"
    if loaded:  # the stream waits for the memories
        ready = " && ".join(f"#_{port}_loaded" for port in memories)
        before += f"  wire #_taken, #_loaded = {ready};\n  assign #_in_ready = #_taken && #_loaded;\n"
        wires |= {"in_valid": "(#_in_valid && #_loaded)", "in_ready": "#_taken"}
    repeated = x.reshape(FRAMES, 3, 1, inputs).repeat(outputs // pe, axis=2)
    given, taken = {"in": words(4, repeated, simd)}, {"out": words(bits, expected, pe)}
    return Case(name, "matrix_vector", parameters, given, taken, tables, wires, before)


def _multiplied(pe: int, simd: int, signs: bool, steps: int) -> str:
    """Products of int4 outside a unit, with signs of their own or as they are."""
    negate = f"#_left[i%{simd}*4+3] ^ #_right[4*i+3]" if signs else "1'b0"
    return (
        f"  wire #_read;\n  wire [{4 * simd - 1}:0] #_left;\n  wire [{4 * pe * simd - 1}:0] #_right;\n"
        f"  wire [{8 * pe * simd - 1}:0] #_products;\n  wire [{pe * simd - 1}:0] #_negate;\n"
        f"  for (genvar i = 0; i < {pe * simd}; i++) begin : #_g\n    assign #_negate[i] = {negate};\n"
        f"    wire signed [7:0] product = $signed(8'($signed(#_left[i%{simd}*4+:4]))) * "
        "$signed(8'($signed(#_right[4*i+:4])));\n"
        "    wire [7:0] magnitude = #_negate[i] ? -product : product;\n"
        f"    {_later('#_made', 8, steps, '#_read', 'magnitude', '#_products[8*i+:8]')}\n  end\n"
    )


def _later(name: str, width: int, steps: int, enable: str, given: str, taken: str) -> str:
    ports = f".clock, .enable({enable}), .d({given}), .q({taken})"
    return f"pqk_delay #(.WIDTH({width}), .STAGES({steps})) {name} ({ports});"


def _port(port: str, address: str, depth: int, width: int) -> str:
    declared = "" if port == "right" else f"  wire [{width - 1}:0] #_{port};\n"
    return f"{declared}  wire [{max(1, (depth - 1).bit_length()) - 1}:0] #_{address};\n"


def _constants(port: str, address: str, depth: int, width: int, file: str, steps: int, memory: str) -> str:
    """A ROM behind a memory port."""
    parameters: Parameters = {"WIDTH": width, "DEPTH": depth, "FILE": f'"{file}"', "STAGES": steps}
    parameters["MEMORY"] = f'"{memory}"'
    wires = {"clock": "clock", "enable": "#_read", "address": f"#_{address}", "data": f"#_{port}"}
    return _port(port, address, depth, width) + instance("rom", f"#_{port}_rom", parameters, wires)


def _written(port: str, address: str, depth: int, width: int, file: str, steps: int) -> str:
    """A RAM behind a memory port that is written word by word, the last one first."""
    ram = f"#_{port}"
    return _port(port, address, depth, width) + (
        f"  reg [{width - 1}:0] {ram}_given[{depth}], {ram}_memory[{depth}], {ram}_word;\n"
        f"  reg [31:0] {ram}_left;\n  wire {ram}_loaded = {ram}_left == 0;\n"
        f'  initial $readmemh("{file}", {ram}_given);\n'
        f"  {_later(f'{ram}_behind', width, steps - 1, '#_read', f'{ram}_word', ram)}\n"
        f"  always_ff @(posedge clock) begin\n    if (reset) {ram}_left <= {depth};\n"
        f"    else if (!{ram}_loaded) begin\n      {ram}_left <= {ram}_left - 1;\n"
        f"      {ram}_memory[{ram}_left-1] <= {ram}_given[{ram}_left-1];\n    end\n"
        f"    if (#_read) {ram}_word <= {ram}_memory[#_{address}];\n  end\n"
    )
