"""The search of `rtl/pqk_row_search.sv`: its memories, its depth, and what it grows with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from pyqkit.dataflow.row_search import RowSearch
from pyqkit.rtl.emitter import Emitter
from pyqkit.rtl.features import Features, delay, grows_with, left_to_size, rom
from pyqkit.rtl.parts import Parameters, Part
from pyqkit.rtl.pipelining import CARRY_NS, booth_digits, booth_ns, booth_rows, chunk, stages

_DECODED = 14  # bits from which on digits stand decoded in registers, as in `rtl/pqk_product_booth.sv`


def multiply_stages(recoded_bits: int, other_bits: int, clock_mhz: float) -> int:
    """Registers inside a multiplier of integers of so many bits that has one behind it."""
    rows = booth_rows(recoded_bits, recoded_bits)
    delays = [booth_ns(ceil(rows / parts), other_bits) for parts in range(1, rows + 1)]
    return stages(delays, clock_mhz)


def held(limit_bits: int, factors: Sequence[int], clock_mhz: float) -> int:
    """Registers between products with limits and the sums with what lies below, as few as the clock allows.

    There is a row and a sum in a step without. Digits for narrow rows come out of shift registers, which are
    slow.
    """
    delays = [
        (3.6 if factor >= _DECODED else 4.4) + CARRY_NS * (limit_bits + factor + 2) for factor in factors[1:]
    ]
    return stages([max(delays, default=0.0), 0.0], clock_mhz)


def search_parameters(
    e: Emitter, name: str, search: RowSearch, compared: int, total_bits: int, out_bits: int
) -> Parameters:
    """Parameters of a search among numbers of so many bits, and its files."""
    stem, bits = e.names.new(f"{name}_limits"), search.bits
    for place, entries in enumerate(search.memories()):
        words = [(entry >> 1) & ((1 << bits) - 1) | (entry & 1) << bits for entry in entries]
        e.file(f"{stem}_{place}", np.array(words, object)[:, None], bits + 1)
    found: Parameters = {"LIMIT_BITS": bits, "BITS_OUT": out_bits, "STEPS": search.steps}
    found |= {"IN_TURN": 1} if search.in_turn else {}
    found["CHUNK"] = size = chunk(compared, e.clock_mhz, bits)
    factors = [min(size, total_bits - low) for low in range(0, total_bits, size)]
    found["MULTIPLY_STAGES"] = multiply_stages(bits, factors[0] + 1, e.clock_mhz)
    found["HELD"] = held(bits, factors, e.clock_mhz)
    found["LIMITS"] = f'"{e.prefix}{stem}"'
    return found | {"CODES": e.table(f"{name}_codes", search.codes, out_bits)}


def search_steps(p: Parameters, bits: int) -> int:
    """Steps from a number of so many bits to its code."""
    steps, compared = int(p["STEPS"]), _compared(p, bits)
    return steps * (_round(steps, compared) if p.get("IN_TURN") else compared) + 1


def _compared(p: Mapping[str, int | str], bits: int) -> int:
    """Steps of a comparison."""
    return _inside(p) + 3 + ceil(bits / int(p["CHUNK"]))


def _round(steps: int, compared: int) -> int:
    """Steps of a round, as `rtl/pqk_row_search.sv` has it."""
    return -(-(compared - 1) // steps) * steps + 1


def _inside(p: Mapping[str, int | str]) -> int:
    """Registers of a product before the one behind it."""
    return int(p["MULTIPLY_STAGES"]) + int(p["HELD"])


def search_parts(
    p: Parameters, search: RowSearch, bits: int, total_bits: int, lanes: int, zeros: int = 0
) -> tuple[Part, ...]:
    """What the searches of all lanes are made of; the lowest `zeros` bits of what is compared are none."""
    parts = ceil(bits / int(p["CHUNK"]))
    products = []
    for entries in search.memories():
        limits = [entry >> 1 for entry in entries]
        sizes = total_bits, search.bits, int(p["CHUNK"]), parts
        registers = int(p["MULTIPLY_STAGES"]), int(p["HELD"])
        products.append(wide_product(sizes, registers, limits, lanes))
    names = "LIMIT_BITS", "STEPS", "MULTIPLY_STAGES", "HELD", "CHUNK", "BITS_OUT"
    whole: Parameters = {name: p[name] for name in names}
    whole |= {"BITS": bits, "TOTAL_BITS": total_bits, "ZEROS": zeros}
    whole |= {"IN_TURN": 1} if search.in_turn else {}
    return Part("row_search", whole, lanes), *products


def wide_product(
    sizes: tuple[int, int, int, int], registers: tuple[int, int], factors: Sequence[int], count: int
) -> Part:
    """Multipliers of `rtl/pqk_product_wide.sv` by one of some factors; of these few rows may be left.

    `sizes` are its A, B, CHUNK and PARTS, `registers` its STAGES and HELD.
    """
    (a_bits, b_bits, size, parts), (inside, waiting) = sizes, registers
    rows = sum(any(digits) for digits in zip(*(booth_digits(factor, b_bits) for factor in factors)))
    found: Parameters = {"A": a_bits, "B": b_bits, "CHUNK": size, "PARTS": parts}
    found |= {"STAGES": inside, "HELD": waiting}
    return Part("product_wide", found | {"ROWS": rows, "FIXED": int(len(set(factors)) == 1)}, count)


def multiplier(a_bits: int, b_bits: int, stages_in: int, count: int) -> Part:
    """Multipliers of integers."""
    return Part("product_booth", {"A": a_bits, "B": b_bits, "STAGES": stages_in}, count)


def search_features(p: Parameters) -> Features:
    """Memories, comparisons and what waits beside the products, which are counted apart."""
    numbers = {name: int(value) for name, value in p.items()}
    bits, total, steps, inside = (numbers[n] for n in ("BITS", "TOTAL_BITS", "STEPS", "MULTIPLY_STAGES"))
    inside += numbers["HELD"]
    limit, size = numbers["LIMIT_BITS"] + 1, numbers["CHUNK"]
    parts = ceil(bits / size)
    if numbers.get("IN_TURN"):
        return _in_turn(numbers)
    found = Features({"one": 1, "comparators": steps * bits})
    for step in range(steps):
        found += rom(limit, 2**step, left_to_size(limit, 2**step))
        found += delay(bits - numbers["ZEROS"], inside + 3 + parts) + delay(step, inside + 2 + parts)
        found["flip-flops"] += 2 * total + limit + parts
    # Behind the last step nothing goes on but the code.
    found += delay(total * (steps - 1), inside + 1 + parts)
    found["flip-flops"] += numbers["BITS_OUT"]
    found["codes"] = numbers["BITS_OUT"] * ceil(2**steps / 64)
    return found


def _in_turn(p: Mapping[str, int]) -> Features:
    """One memory, one comparison, and what goes round."""
    bits, total, steps, limit = p["BITS"], p["TOTAL_BITS"], p["STEPS"], p["LIMIT_BITS"] + 1
    compared = _compared(p, bits)
    found = Features({"one": 1, "comparators": bits, "choosing": bits + total + steps})
    found += rom(limit, 2**steps, left_to_size(limit, 2**steps))
    found += delay(bits, compared) + delay(total, compared - 2) + delay(steps, compared - 1)
    found += delay(bits + total + steps, _round(steps, compared) - compared)
    found["flip-flops"] += 2 * total + limit + ceil(bits / p["CHUNK"]) + steps + p["BITS_OUT"]
    found["codes"] = p["BITS_OUT"] * ceil(2**steps / 64)
    return found


@grows_with("product_wide")
def _product_wide(p: Mapping[str, int]) -> Features:
    """Rows that are left of a multiplier, sums of parts, and what waits for those below."""
    rows, b = p["ROWS"], p["B"]
    found = Features()
    for part in range(p["PARTS"] if rows else 0):
        left = p["A"] - part * p["CHUNK"]
        factor = max(1, min(left, p["CHUNK"]))
        cuts = min(p["STAGES"], rows - 1)
        held = b + factor + 2
        found["adders"] += held if part else 0
        found["flip-flops"] += held
        if left <= 0:
            continue
        found["rows"] += rows * (factor + 3)
        found["flip-flops"] += cuts * (2 * factor + 3) + p["HELD"] * (factor + b)
        found += delay(factor + 3, p["STAGES"] - cuts)
        if not p["FIXED"]:
            found += delay(max(0, b - 4), cuts // 2)
        if part:
            found += delay(factor + b, part - 1)
            found["flip-flops"] += factor + b
    return found


@grows_with("product_booth")
def _product_booth(p: Mapping[str, int]) -> Features:
    """Rows as wide as the wider factor, and what goes on from one to the next."""
    narrow, wide = sorted((p["A"], p["B"]))
    rows = booth_rows(narrow, wide)
    cuts = min(p["STAGES"], rows - 1)
    found = Features({"rows": rows * (wide + 3), "flip-flops": cuts * (2 * wide + 3)})
    return found + delay(narrow, cuts // 2) + delay(wide + narrow, p["STAGES"] - cuts)
