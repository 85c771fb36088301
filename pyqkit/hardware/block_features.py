"""What the resources of every block of ``rtl/`` grow with: a few counts for each module, weighed by
coefficients fitted to Yosys.

A feature is named after the part of the hardware it counts; one whose name is in `EXACT` is not weighed.
Memories follow Yosys' own rule: whichever of logic, LUT memory and block RAM costs least in its cell library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import ceil

from pyqkit.hardware.folding_types import MEMORIES

Features = Counter[str]
Rule = Callable[[Mapping[str, int]], Features]
EXACT = {"memory LUTs": "lut", "half blocks": "bram18", "DSPs": "dsp"}
_rules: dict[str, Rule] = {}

# words and width of a block RAM's shapes, in halves of 36 kbit, and Yosys' price of each
_SHAPES = [(2 ** (14 - i), w, 1, 129) for i, w in enumerate((1, 2, 4, 9, 18, 36))]
_SHAPES += [(2 ** (15 - i), w, 2, 257) for i, w in enumerate((1, 2, 4, 9, 18, 36, 72))]
_LUTRAM_PRICE, _ROM_BITS_A_LUT = 8, 64
_SIGNIFICAND_BITS = 8  # of the table of 2**f in product_logposit


def grows_with(module: str) -> Callable[[Rule], Rule]:
    """Decorator that announces the features of a module; the rule takes its whole-numbered parameters."""

    def announce(rule: Rule) -> Rule:
        _rules[module] = rule
        return rule

    return announce


def features(module: str, parameters: Mapping[str, int]) -> Features:
    """Features of one copy of a module, each named ``module: part``."""
    found = Features()
    for name, amount in _rules[module](parameters).items():
        found[name if name in EXACT else f"{module}: {name}"] += amount
    return found


def bits_for(count: int) -> int:
    """Bits of a counter of `count` states."""
    return max(1, (count - 1).bit_length())


def _blocks(width: int, words: int) -> tuple[int, int]:
    """Price and number of halves of the cheapest block RAMs."""
    options = [(ceil(width / w) * ceil(words / d), halves, price) for d, w, halves, price in _SHAPES]
    return min((n * price, n * halves) for n, halves, price in options)


def left_to_size(width: int, words: int) -> str:
    """Where constants go for which no memory is chosen, as in `Folding.memory`."""
    return "block" if _blocks(width, words)[0] < width * words / _ROM_BITS_A_LUT else "lut"


def rom(width: int, words: int, memory: str = "auto") -> Features:
    """Constants behind a registered read: logic and flip-flops, or block RAM. One word alone is nothing."""
    if words <= 1:
        return Features()
    if (left_to_size(width, words) if memory == "auto" else memory) == "block":
        return Features({"half blocks": _blocks(width, words)[1]})
    found = Features({"flip-flops": width})
    if words > 2 * _ROM_BITS_A_LUT:
        found["deep constants"] = ceil(width * words / _ROM_BITS_A_LUT)
    elif words > 4:
        found["constants"] = ceil(width * max(0.5, words / _ROM_BITS_A_LUT))
    return found


def ram(width: int, words: int) -> Features:
    """Memory with a port for writing and one for reading, that one registered."""
    if words <= 1:
        return Features({"flip-flops": 2 * width})
    small, large = ceil(width / 6) * ceil(words / 32), ceil(width / 3) * ceil(words / 64)
    price, halves = _blocks(width, words)
    if price < _LUTRAM_PRICE * min(small, large):
        return Features({"half blocks": halves})
    banks = ceil(words / 64) if large <= small else ceil(words / 32)
    return Features({"flip-flops": width, "memory LUTs": 4 * min(small, large), "banks": width * (banks - 1)})


def _decoding(p: Mapping[str, int], bits: int, width: int) -> int:
    """LUTs that make an integer of a code."""
    if p.get("TABLE"):
        return width * ceil(2**bits / 64)
    return width if p.get("ZERO_POINT") else 0


@grows_with("fifo")
def _fifo(p: Mapping[str, int]) -> Features:
    words = p["DEPTH"] - 1 if p["DEPTH"] >= 3 else 1
    address = bits_for(words)
    found = ram(p["WIDTH"], words)
    found["flip-flops"] += 2 + (words + 1).bit_length() + 2 * address
    return found + Features({"one": 1, "address": address})


@grows_with("matrix_vector")
def _matrix_vector(p: Mapping[str, int]) -> Features:
    pe, simd, sum_bits, shift, signs = (
        p["PE"],
        p["SIMD"],
        p["SUM_BITS"],
        p.get("SHIFT_BITS", 0),
        p.get("SIGNS", 0),
    )
    term = min(p["PRODUCT_BITS"] + (2**shift - 1 if shift else 0), sum_bits)
    memory, in_dsp = MEMORIES[p.get("MEMORY", 0)], p.get("DSP") and not shift
    found = rom(pe * simd * p["RIGHT_BITS"], p["DEPTH"], memory) + rom(pe * simd * shift, p["DEPTH"], memory)
    adders, held, level = 0, 0 if in_dsp else simd * (term + signs), 1
    while simd > 1 and (simd - 1) >> (level - 1):
        width, below = min(term + level, sum_bits), ceil(simd / 2 ** (level - 1))
        if (
            level > 1 or not in_dsp
        ):  # a DSP has the register behind a product, an adder and the register behind that
            adders, held = adders + below // 2 * width, held + ceil(below / 2) * (width + signs)
        level += 1
    stages = 3 * (bits_for(simd) + 3 if simd > 1 else 3)
    operands = 0 if p.get("DSP") and not p["DECODED"] else p.get("LANES", simd) * p["LEFT_BITS"]
    found["flip-flops"] += (
        operands + pe * (held + sum_bits) + stages // 2 + bits_for(p["DEPTH"]) + bits_for(p["FOLDS"])
    )
    kind = "subtracting " if signs else "DSP " if p.get("DSP") else ""
    found[f"{kind}adders"] = pe * adders
    found[f"{kind}accumulators"] = pe * sum_bits if p["FOLDS"] > 1 else 0
    found["counters"] = bits_for(p["DEPTH"]) + bits_for(p["FOLDS"])
    found["shifters"] = pe * simd * term * shift
    found["signs"] = pe * simd * signs
    return found + Features({"one": 1})


@grows_with("threshold")
def _threshold(p: Mapping[str, int]) -> Features:
    lanes, steps, width, depth = p["LANES"], p["STEPS"], p["WIDTH"], p["DEPTH"]
    found = Features()
    for step in range(steps):
        stage = rom(width + (step == 0), depth << step)
        for name, amount in stage.items():
            found[name] += lanes * amount
    found["flip-flops"] += lanes * (steps * width + steps * (steps - 1) // 2 + steps + p["BITS_OUT"])
    found["flip-flops"] += steps + 1 + steps * bits_for(depth)
    found["comparators"] = lanes * steps * width
    found["codes"] = lanes * p["BITS_OUT"] * ceil(2**steps / 64) + lanes * _decoding(p, p["BITS_IN"], width)
    return found + Features({"one": 1})


@grows_with("rescale")
def _rescale(p: Mapping[str, int]) -> Features:
    lanes, product, width = p["LANES"], p["PRODUCT_BITS"], p["WIDTH"]
    found = rom(2 * lanes * product, p["DEPTH"])
    found["flip-flops"] += lanes * (width + 2 * product + p["BITS_OUT"]) + 4
    # the other side of a multiplier has about as many bits as the product has more
    found["multipliers" if p["DEPTH"] > 1 else "fixed multipliers"] = lanes * width * max(product - width, 1)
    found["adders"] = lanes * 2 * product
    return found + Features({"one": 1})


@grows_with("add")
def _add(p: Mapping[str, int]) -> Features:
    lanes, width = p["LANES"], p["SUM_BITS"]
    found = Features({"one": 1, "adders": lanes * width, "flip-flops": lanes * width + 2})
    for side in ("LEFT", "RIGHT"):
        table = {"TABLE": p.get(f"{side}_TABLE", 0), "ZERO_POINT": p.get(f"{side}_ZERO_POINT", 0)}
        found["decoders"] += lanes * _decoding(table, p[f"{side}_BITS"], min(width, 2 * p[f"{side}_BITS"]))
        found["flip-flops"] += lanes * p[f"{side}_BITS"]
        if p[f"{side}_DEPTH"] > 1:
            found += rom(lanes * 4, p[f"{side}_DEPTH"])
            found["multipliers"] += lanes * width * p[f"{side}_BITS"]
    return found


@grows_with("sliding_window")
def _sliding_window(p: Mapping[str, int]) -> Features:
    words = p["CHANNELS"] // p["LANES_IN"]
    size, parts, width = p["LINE_PIXELS"] * words, p["LANES_IN"] // p["LANES_OUT"], p["BITS"] * p["LANES_IN"]
    found = ram(width, size)
    y = bits_for(p["HEIGHT"] + p["TOP"] + p["ROWS"] * p["STRIDE_ROWS"] + p["KERNEL_ROWS"]) + 1
    x = bits_for(p["WIDTH"] + p["LEFT"] + p["COLUMNS"] * p["STRIDE_COLUMNS"] + p["KERNEL_COLUMNS"]) + 1
    address = bits_for(size)
    units = p["CHANNELS"] // p["GROUPS"] // p["LANES_OUT"]
    loops = (
        units,
        p["KERNEL_COLUMNS"],
        p["KERNEL_ROWS"],
        p["REPEAT"],
        p["GROUPS"],
        p["COLUMNS"],
        p["ROWS"],
        words,
        parts,
    )
    counters = sum(bits_for(n) for n in loops if n > 1)
    found["places"] = x + y
    found["addresses"] = address
    found["counters"] = counters
    found["choosing"] = p["LANES_OUT"] * p["BITS"] * parts if parts > 1 else 0
    found["border"] = p["LANES_OUT"] * p["BITS"] if p["TOP"] or p["LEFT"] else 0
    found["flip-flops"] += 4 * (x + y) + 3 * address + counters + 12 + bits_for(p["LINE_PIXELS"] + 1)
    return found + Features({"one": 1})


@grows_with("max_pool")
def _max_pool(p: Mapping[str, int]) -> Features:
    found = _pool(p, p["BITS"])
    found["comparators"] = p["LANES"] * (p["BITS"] * (1 if p["POSITIONS"] > 1 else 0))
    found["decoders"] = 2 * p["LANES"] * _decoding(p, p["BITS"], p["BITS"]) if p["POSITIONS"] > 1 else 0
    return found


@grows_with("sum_pool")
def _sum_pool(p: Mapping[str, int]) -> Features:
    found = _pool(p, p["SUM_BITS"])
    found["adders"] = p["LANES"] * p["SUM_BITS"]
    found["decoders"] = p["LANES"] * _decoding(p, p["BITS"], p["SUM_BITS"])
    return found


def _pool(p: Mapping[str, int], kept: int) -> Features:
    lanes, depth, positions = p["LANES"], p["DEPTH"], p["POSITIONS"]
    found = ram(lanes * kept, depth)
    if depth <= 1:
        found["flip-flops"] = 2 * lanes * kept if positions > 1 else lanes * kept
    counters = (bits_for(depth) if depth > 1 else 0) + (bits_for(positions) if positions > 1 else 0)
    found["flip-flops"] += lanes * p["BITS"] + 2 + counters
    return found + Features({"one": 1, "counters": counters})


@grows_with("width_converter")
def _width_converter(p: Mapping[str, int]) -> Features:
    width, ratio = (
        p["BITS"] * max(p["LANES_IN"], p["LANES_OUT"]),
        max(p["LANES_IN"], p["LANES_OUT"]) // min(p["LANES_IN"], p["LANES_OUT"]),
    )
    narrows = p["LANES_IN"] > p["LANES_OUT"]
    counter = (ratio + 1 - 1).bit_length()
    return Features(
        {"one": 1, "counters": counter, "shifting": width if narrows else 0, "flip-flops": width + counter}
    )


@grows_with("permute")
def _permute(p: Mapping[str, int]) -> Features:
    channels, bits, lanes = p["CHANNELS_IN"], p["BITS"], p["LANES_OUT"]
    return Features(
        {"one": 1, "choosing": lanes * bits * channels / 4, "flip-flops": 2 * channels * bits + 8}
    )


@grows_with("concat")
def _concat(p: Mapping[str, int]) -> Features:
    counter = bits_for(p["FIRST_WORDS"] + p["SECOND_WORDS"])
    return Features({"one": 1, "choosing": p["BITS"], "flip-flops": counter})


@grows_with("pad")
def _pad(p: Mapping[str, int]) -> Features:
    axes = (("FRONT", "WORDS", "BACK"), ("LEFT", "WIDTH", "RIGHT"), ("TOP", "HEIGHT", "BOTTOM"))
    counters = sum(bits_for(sum(p[name] for name in axis) + 1) for axis in axes)
    return Features({"one": 1, "counters": counters, "choosing": p["BITS"], "flip-flops": counters})


@grows_with("slice")
def _slice(p: Mapping[str, int]) -> Features:
    counters = bits_for(p["WORDS"]) + 2 * bits_for(p["WIDTH"] + 1) + 2 * bits_for(p["HEIGHT"] + 1)
    return Features({"one": 1, "counters": counters, "flip-flops": counters})


@grows_with("from_axis")
def _from_axis(p: Mapping[str, int]) -> Features:
    return Features()


@grows_with("to_axis")
def _to_axis(p: Mapping[str, int]) -> Features:
    counter = bits_for(p["BEATS"]) if p["BEATS"] > 1 else 0
    return Features({"counters": counter, "flip-flops": counter})


@grows_with("fork_stream")
def _fork_stream(p: Mapping[str, int]) -> Features:
    return Features({"readers": p["READERS"]})


# ---- products ----------------------------------------------------------------------------------------------


@grows_with("product_integer")
def _product_integer(p: Mapping[str, int]) -> Features:
    zeros = sum(p[f"{s}_WIDTH"] for s in "AB" if p[f"{s}_ZERO"])
    return _multiplier(p) + Features({"zero points": zeros})


def _multiplier(p: Mapping[str, int]) -> Features:
    """Of two integers."""
    narrow, wide = sorted((p["A_WIDTH"], p["B_WIDTH"]))
    return Features({"DSPs": 1} if p.get("DSP") else {"rows": _rows(wide, narrow)})


def _rows(wide: int, narrow: int) -> int:
    """Bits of all rows of a Booth multiplier."""
    return (narrow + 1) // 2 * (wide + 2)


@grows_with("product_decoded")
def _product_decoded(p: Mapping[str, int]) -> Features:
    return _multiplier(p) + Features({"tables": sum(p[f"{s}_WIDTH"] * ceil(2 ** p[s] / 64) for s in "AB")})


@grows_with("product_table")
def _product_table(p: Mapping[str, int]) -> Features:
    return Features({"table": p["W"] * ceil(2 ** (p["A"] + p["B"]) / 64)})


def _aligned(magnitude: int, shift_bits: int, p: Mapping[str, int]) -> Features:
    """Of `product_align`: stages of two bits of the shift, each as wide as the word is by then."""
    stages = [min(p["W"], magnitude + 4 ** (stage + 1) - 1) for stage in range(ceil(shift_bits / 2))]
    return Features({"shifter": sum(stages), "signs": 0 if p.get("MAGNITUDE") else p["W"]})


@grows_with("product_minifloat")
def _product_minifloat(p: Mapping[str, int]) -> Features:
    a, b, exponents = p["A_SIGNIFICAND"] + 1, p["B_SIGNIFICAND"] + 1, p["A_EXPONENT"] + p["B_EXPONENT"]
    if a + b - 2 + exponents <= 6:  # every bit is one LUT of all bits of both codes
        return Features({"small products": p["W"], "signs": 0 if p.get("MAGNITUDE") else p["W"]})
    shift = (2 ** p["A_EXPONENT"] + 2 ** p["B_EXPONENT"] - 4).bit_length()
    found = _aligned(a + b, shift, p)
    found["exponents"] = shift if exponents > 2 else 0
    found["short significands" if a + b <= 6 else "significands"] = (
        a + b if a + b <= 6 else _rows(max(a, b), min(a, b))
    )
    return found


@grows_with("product_logposit")
def _product_logposit(p: Mapping[str, int]) -> Features:
    found = _aligned(_SIGNIFICAND_BITS, p["L"] + 1 - p["F"], p)
    found["logarithms"] = sum(p["L"] * ceil(2 ** (p[s] - 1) / 64) + p[s] for s in "AB")
    found["significands"] = p["L"] + _SIGNIFICAND_BITS * ceil(2 ** p["F"] / 64)
    return found


@grows_with("accumulate")
def _accumulate(p: Mapping[str, int]) -> Features:
    return Features({"adders": p["W"], "flip-flops": p["W"] + p["T"]})


@grows_with("dot_product_sum")
def _dot_product_sum(p: Mapping[str, int]) -> Features:
    levels = range(1, bits_for(p["LANES"]) + 1)
    adders, signs = (
        sum((p["LANES"] >> level) * (p["W"] + level) for level in levels),
        sum(p["LANES"] >> level for level in levels),
    )
    return Features(
        {"subtracting adders" if p["SIGNS"] else "adders": adders, "flip-flops": adders + p["SIGNS"] * signs}
    )
