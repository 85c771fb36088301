"""Cases for what works on whole rows: terms and codes of a softmax; moments, roots and codes of a norm."""

from __future__ import annotations

from math import isqrt

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, Words, packed, signed, table, unsigned, words

_LIMITS, _STRICT = [-2, 0, 3], [0, 1, 0]  # of the searches, whose places are codes
_SEARCH: Parameters = {"LIMIT_BITS": 3, "BITS_OUT": 2, "STEPS": 2, "MULTIPLY_STAGES": 1}


def rows() -> list[Case]:
    """Rows of several words and of one."""
    return [
        _terms("softmax_terms", 3, 2),
        _terms("softmax_terms_point", 1, 3),
        _terms("softmax_terms_causal", 2, 2, heads=1),
        _terms("softmax_terms_causal_heads", 2, 1, heads=2),
        _codes("softmax_codes", 3, 2, 9),
        _codes("softmax_codes_point", 1, 2, 5),
        _codes("softmax_codes_passes", 2, 1, 5, (5, 3)),
        _codes("softmax_codes_wide", 2, 1, 1, (33,)),
        _moments("norm_moments", True),
        _moments("norm_moments_rms", False),
        _moments("norm_moments_passes", True, (17, 40)),
        _root("norm_root", 3),
        _root("norm_root_digit", 1),
        _root("norm_root_parts", 3, 3),
        _norm("norm_codes", 2, 16),
        _norm("norm_codes_point", 1, 6),
        _norm("norm_codes_parts", 2, 3, 5),
        _norm("norm_codes_wide_gain", 2, 16, gain_bits=49),
        _norm("norm_codes_in_turn", 3, 16, in_turn=True),
        _norm("norm_codes_in_turn_parts", 2, 3, 5, in_turn=True),
    ]


def _search(name: str, chunk: int, *, in_turn: bool = False) -> tuple[Parameters, dict[str, str]]:
    entries = [limit & 7 | strict << 3 for limit, strict in zip(_LIMITS, _STRICT)]
    tables = {f"{name}_0.hex": table(entries[1:2], 4), f"{name}_1.hex": table(entries[::2], 4)}
    if in_turn:  # by a 1 and the bits so far; what stands at 0 would be reached
        tables = {f"{name}_0.hex": table([4, entries[1], *entries[::2]], 4)}
    tables[f"{name}_codes.hex"] = table(range(4), 2)
    return _SEARCH | {
        "HELD": int(chunk < 4),
        "CHUNK": chunk,
        "LIMITS": f'"{name}"',
        "CODES": f'"{name}_codes.hex"',
    }, tables


def _places(x: np.ndarray, total: np.ndarray) -> np.ndarray:
    found = np.zeros(np.broadcast_shapes(x.shape, total.shape), np.int64)
    for limit, strict in zip(_LIMITS, _STRICT):
        found += x >= limit * total + strict
    return found


def _terms(name: str, count: int, lanes: int, heads: int = 0) -> Case:
    x = unsigned(6 + 4, 4 * count, lanes, 21)
    column = (np.arange(4 * count) % count)[:, None] * lanes + np.arange(lanes)
    token = (np.arange(4 * count) // count // max(heads, 1))[:, None]
    seen = np.where(column <= token, x.codes, 0) if heads else x.codes
    significands, exponents = seen & 63, seen >> 6
    apart = exponents.reshape(FRAMES, 4, -1).max(axis=2).repeat(count, axis=1)[..., None] - exponents
    parameters: Parameters = {"TERM_BITS": 6, "EXPONENT_BITS": 4, "LANES": lanes, "WORDS": count}
    parameters["HEADS"] = heads
    return Case(name, "softmax_terms", parameters, {"in": x}, {"out": Words(6, significands >> apart)})


def _codes(name: str, count: int, lanes: int, chunk: int, factors: tuple[int, ...] = (5,)) -> Case:
    """Frames are passes, each with its factor."""
    x, (search, tables) = unsigned(5, 8 * count, lanes, 22), _search(name, chunk)
    x.codes[0] = 1  # no row adds up to 0
    x.codes[2, : 2 * count] = 0  # but for one: its share is 1
    x.codes[2, : 2 * count : count, 0] = 7
    sums = x.codes.reshape(FRAMES, 8, -1).sum(axis=2).repeat(count, axis=1)[..., None]
    factor_bits = max(factors).bit_length() + 1
    bits = max(9, factor_bits + 5)
    parameters: Parameters = {"TERM_BITS": 5, "SUM_BITS": 8, "BITS": bits}
    parameters["FACTOR"] = f"{bits * len(factors)}'d{packed(factors, bits)}"
    parameters |= {"REPEAT": 8 * count, "PASSES": len(factors)} if len(factors) > 1 else {}
    each = np.resize(factors, FRAMES)[:, None, None]
    parameters |= {"FACTOR_BITS": factor_bits, "FACTOR_STAGES": int(count > 1 and len(factors) == 1)}
    parameters |= {"LANES": lanes, "WORDS": count} | search
    out = Words(2, _places(each * x.codes, sums))
    return Case(name, "softmax_codes", parameters, {"in": x}, {"out": out}, tables)


def _moments(name: str, centred: bool, epsilons: tuple[int, ...] = (17,)) -> Case:
    """Frames are passes, each with its epsilon."""
    x = unsigned(4, 5 * 3, 2, 23)
    integers = (signed(x.codes, 4) - 3).reshape(FRAMES, 5, 6)
    sums = integers.sum(axis=2) * centred
    radicand = 3 * (6 * (integers**2).sum(axis=2) - sums**2) + np.resize(epsilons, FRAMES)[:, None]
    parameters: Parameters = {"BITS_IN": 4, "WIDTH": 5, "SIGNED": 1, "ZERO_POINT": 3, "LANES": 2, "WORDS": 3}
    parameters |= {"SQUARE_STAGES": int(centred), "SPREAD_STAGES": 2 * centred}
    parameters |= {"CENTRED": int(centred), "SUM_BITS": 8, "SPREAD_BITS": 13, "RADICAND_BITS": 15}
    parameters |= {"SCALE": "15'd3", "EPSILON": f"{15 * len(epsilons)}'d{packed(epsilons, 15)}"}
    parameters |= {"REPEAT": 5, "PASSES": len(epsilons)} if len(epsilons) > 1 else {}
    out = words(23, sums & 255 | radicand << 8, 1)
    return Case(name, "norm_moments", parameters, {"in": x}, {"out": out})


def _root(name: str, digits: int, parts: int = 1) -> Case:
    """From the first digit on: the root of the highest bits, and what is left."""
    radicand = unsigned(8, 9, 1, 24).codes
    top = radicand >> 8 - 2 * digits
    root = np.vectorize(isqrt)(top)
    left = radicand << 2 * digits & 255
    begun = radicand << 10 + 3 | 1 << 9 + 3 | 5
    remainder = top - root**2 - np.where(root % 2 == 0, 2 * root + 1, 0)  # negative behind a digit of 0
    ended = left << 10 + 3 | (remainder & 63 ^ 32) << 4 + 3 | root << 3 | 5  # its sign turned
    parameters: Parameters = {"SUM_BITS": 3, "ROOT_BITS": 4, "RADICAND_BITS": 8, "DIGITS": digits}
    parameters |= {"FOUND": digits, "PARTS": parts}
    return Case(name, "norm_root", parameters, {"in": Words(21, begun)}, {"out": Words(21, ended)})


def _norm(
    name: str,
    count: int,
    chunk: int,
    sum_chunk: int | None = None,
    gain_bits: int = 4,
    *,
    in_turn: bool = False,
) -> Case:
    x, (search, tables) = unsigned(4, 5 * count, 2, 25), _search(name, chunk, in_turn=in_turn)
    draw = np.random.default_rng(26)
    integers = signed(x.codes, 4).reshape(FRAMES, 5, -1)
    sums, roots = integers.sum(axis=2, keepdims=True), draw.integers(1, 64, (FRAMES, 5, 1))
    gains, offsets = draw.integers(-8, 8, (2, 2 * count))
    gains[0], offsets[0] = 0, -6  # always on the first limit
    scaled = (2 * count * integers - sums) * gains * 2 + offsets * roots
    parameters: Parameters = {"BITS_IN": 4, "WIDTH": 4, "SIGNED": 1, "LANES": 2, "WORDS": count}
    parameters |= {"SUM_BITS": 7, "RADICAND_BITS": 2, "ROOT_BITS": 6, "FRACTION_BITS": 1, "MOVED_BITS": 7}
    parameters |= {"GAIN_BITS": gain_bits, "OFFSET_BITS": 4, "SCALE_STAGES": 1}
    parameters |= {"BITS": gain_bits + 12, "SUM_CHUNK": sum_chunk or gain_bits + 12}
    parameters |= {"TOTAL_BITS": 8, "UNIT": "8'd3", "IN_TURN": int(in_turn)}
    width, ones = gain_bits + 4, (1 << gain_bits) - 1
    pairs = [int(gain) & ones | (int(offset) & 15) << gain_bits for gain, offset in zip(gains, offsets)]
    lanes = [left | right << width for left, right in zip(pairs[::2], pairs[1::2])]
    if count > 1:
        parameters["CONSTANTS"] = f'"{name}_constants.hex"'
        tables[f"{name}_constants.hex"] = table(lanes, 2 * width)
    else:
        parameters["CONSTANT"] = f"{2 * width}'d{lanes[0]}"
    root = words(2 + 14 + 7, sums & 127 | roots << 7 | draw.integers(0, 2, roots.shape) << 13, 1)
    out = words(2, _places(scaled, 3 * roots), 2)
    return Case(name, "norm_codes", parameters | search, {"in": x, "root": root}, {"out": out}, tables)
