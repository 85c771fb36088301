"""The search of `rtl/pqk_row_search.sv`: its memories, its depth, and what it grows with."""

from __future__ import annotations

from math import ceil

import numpy as np

from pyqkit.dataflow.row_search import RowSearch
from pyqkit.rtl.emitter import Emitter
from pyqkit.rtl.features import Features, delay, left_to_size, rom
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import booth_ns, booth_rows, chunk, stages


def multiply_stages(a_bits: int, b_bits: int, clock_mhz: float) -> int:
    """Registers inside a multiplier of two integers of so many bits that has one behind it."""
    rows = booth_rows(a_bits, b_bits)
    delays = [booth_ns(ceil(rows / parts), max(a_bits, b_bits)) for parts in range(1, rows + 1)]
    return stages(delays, clock_mhz)


def search_parameters(
    e: Emitter, name: str, search: RowSearch, compared: int, total_bits: int, out_bits: int
) -> Parameters:
    """Parameters of a search among numbers of so many bits, and its files."""
    stem, bits = e.names.new(f"{name}_limits"), search.bits
    for stage in range(search.steps):
        entries = search.of_step(search.steps - 1 - stage)
        words = [(entry >> 1) & ((1 << bits) - 1) | (entry & 1) << bits for entry in entries]
        e.file(f"{stem}_{stage}", np.array(words, object)[:, None], bits + 1)
    found: Parameters = {"LIMIT_BITS": bits, "BITS_OUT": out_bits, "STEPS": search.steps}
    found["CHUNK"] = chunk(compared, e.clock_mhz)
    factor = min(int(found["CHUNK"]), total_bits)
    found["MULTIPLY_STAGES"] = multiply_stages(bits, factor + 1, e.clock_mhz)
    found["LIMITS"] = f'"{e.prefix}{stem}"'
    return found | {"CODES": e.table(f"{name}_codes", search.codes, out_bits)}


def search_steps(p: Parameters, bits: int) -> int:
    """Steps from a number of so many bits to its code."""
    return int(p["STEPS"]) * (int(p["MULTIPLY_STAGES"]) + 2 + ceil(bits / int(p["CHUNK"]))) + 1


def search_parts(p: Parameters, bits: int, total_bits: int, lanes: int) -> tuple[Part, ...]:
    """What the searches of all lanes are made of."""
    limit, stages_in, size = (int(p[name]) for name in ("LIMIT_BITS", "MULTIPLY_STAGES", "CHUNK"))
    factors = [min(size, total_bits - low) for low in range(0, total_bits, size)]
    products = (multiplier(limit, factor + 1, stages_in, lanes * int(p["STEPS"])) for factor in factors)
    names = "LIMIT_BITS", "STEPS", "MULTIPLY_STAGES", "CHUNK", "BITS_OUT"
    whole: Parameters = {name: p[name] for name in names}
    return Part("row_search", whole | {"BITS": bits, "TOTAL_BITS": total_bits}, lanes), *products


def multiplier(a_bits: int, b_bits: int, stages_in: int, count: int) -> Part:
    """Multipliers of integers."""
    sizes: Parameters = {"A": a_bits, "B": b_bits, "A_WIDTH": a_bits, "B_WIDTH": b_bits}
    return Part("product_integer", sizes | {"A_ZERO": 0, "B_ZERO": 0, "STAGES": stages_in}, count)


def search_features(p: Parameters) -> Features:
    """Memories, comparisons and what waits beside the products, which are counted apart."""
    numbers = {name: int(value) for name, value in p.items()}
    bits, total, steps, inside = (numbers[n] for n in ("BITS", "TOTAL_BITS", "STEPS", "MULTIPLY_STAGES"))
    limit, size = numbers["LIMIT_BITS"] + 1, numbers["CHUNK"]
    parts = ceil(bits / size)
    found = Features({"one": 1, "comparators": steps * bits, "adders": steps * (parts - 1) * (size + limit)})
    for step in range(steps):
        found += rom(limit, 2**step, left_to_size(limit, 2**step))
        found += delay(bits + total + steps, inside + 2 + parts) + delay(total, 1)
        for part in range(1, parts):
            found += delay(limit + size, part)
        found["flip-flops"] += total + parts * (limit + size) + limit + parts
    found["flip-flops"] += numbers["BITS_OUT"]
    found["codes"] = numbers["BITS_OUT"] * ceil(2**steps / 64)
    return found
