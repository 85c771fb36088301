"""What the resources of every block of ``rtl/`` grow with.

A few counts for each module, weighed by coefficients fitted to Yosys.

A feature is named after the part of the hardware it counts; one whose name is in `EXACT` is not weighed.
Memories follow Yosys' own rule: whichever of logic, LUT memory and block RAM costs least in its cell library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import ceil

from pyqkit.discovery import Registry

Features = Counter[str]
Rule = Callable[[Mapping[str, int]], Features]
EXACT = {"memory LUTs": "lut", "half blocks": "bram18", "DSPs": "dsp"}
_rules = Registry[Rule]("pyqkit.rtl.features", "pyqkit.rtl.operators")

# words and width of a block RAM's shapes, in halves of 36 kbit, and Yosys' price of each
_SHAPES = [(2 ** (14 - i), w, 1, 129) for i, w in enumerate((1, 2, 4, 9, 18, 36))]
_SHAPES += [(2 ** (15 - i), w, 2, 257) for i, w in enumerate((1, 2, 4, 9, 18, 36, 72))]
_LUTRAM_PRICE, _ROM_BITS_A_LUT = 8, 64
_SHIFT_REGISTER = 3  # registers of which Yosys makes one


def grows_with(module: str) -> Callable[[Rule], Rule]:
    """Decorator that announces the features of a module; the rule takes its whole-numbered parameters.

    The modules of an operator have theirs in the file that emits it, all others in a file of this package.
    """
    return _rules.register(module)


def features(module: str, parameters: Mapping[str, int]) -> Features:
    """Features of one copy of a module, each named ``module: part``."""
    rule = _rules.get(module)
    if rule is None:
        raise TypeError(f"module {module} does not say what it grows with; announce it by grows_with")
    found = Features()
    for name, amount in rule(parameters).items():
        found[name if name in EXACT else f"{module}: {name}"] += amount
    return found


def bits_for(count: int) -> int:
    """Bits of a counter of `count` states."""
    return max(1, (count - 1).bit_length())


def levels_of(count: int) -> int:
    """Levels of a tree of adders over `count` terms."""
    return (count - 1).bit_length()


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


def pass_counters(p: Mapping[str, int], prefix: str = "", words: str = "DEPTH") -> Features:
    """Registers of a `pqk_pass_address` beside a counter of the words of a pass."""
    passes, repeat = p.get(f"{prefix}PASSES", 1), p.get(f"{prefix}REPEAT", 1)
    if passes == 1:
        return Features()
    bits = 2 * bits_for(p.get(f"{prefix}{words}", 1) * passes) + bits_for(repeat)
    return Features({"flip-flops": bits, "counters": bits})


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


def delay(width: int, stages: int) -> Features:
    """What comes out `stages` steps later: flip-flops, or shift registers in LUTs from the third step on."""
    if stages < _SHIFT_REGISTER:
        return Features({"flip-flops": width * stages})
    return Features({"memory LUTs": width * ceil(stages / 32)})


def decoding_luts(p: Mapping[str, int], bits: int, width: int) -> int:
    """LUTs that make an integer of a code; half a table and a negation where it mirrors itself."""
    if p.get("TABLE"):
        return width * (ceil(2 ** (bits - _halved(p)) / 64) + _halved(p))
    return width if p.get("ZERO_POINT") else 0


def decoding_registers(p: Mapping[str, int], bits: int, width: int) -> int:
    """Bits of registers inside a `decode_pipeline`; the last stage of half a table is behind it."""
    stages = p.get("DECODE_STAGES", 0)
    return stages * bits + (_halved(p) and stages - 1 + width + 1 - bits)


def _halved(p: Mapping[str, int]) -> int:
    return int(bool(p.get("TABLE") and p.get("MIRROR") and p.get("DECODE_STAGES")))
