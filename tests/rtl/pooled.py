"""Cases for pools, and for factors of pixels."""

from __future__ import annotations

import numpy as np

from tests.rtl.bench import FRAMES, Case, Parameters, Words, signed, table, unsigned, words


def pools() -> list[Case]:
    """Largest and sum of a table's integers, and of integers."""
    x = unsigned(4, 7 * 3 * 2, 2, 6)
    values = x.codes.reshape(FRAMES, 7, 3, 2, 2)
    ranks = np.random.default_rng(7).permutation(16)
    best = np.argsort(ranks)[ranks[values].max(axis=2)]
    largest: Parameters = {"BITS": 4, "LANES": 2, "POSITIONS": 3, "DEPTH": 2}
    by_table: Parameters = {"TABLE": 1, "RANKS": '"max_pool.hex"'}
    made = {"max_table": (by_table, best), "max_signed": ({"SIGNED": 1}, signed(values, 4).max(axis=2) & 15)}
    made["max_unsigned"] = ({"SIGNED": 0}, values.max(axis=2))
    cases = [
        Case(
            name,
            "max_pool",
            largest | more,
            {"in": x},
            {"out": words(4, out, 2)},
            {"max_pool.hex": table(ranks, 4)},
        )
        for name, (more, out) in made.items()
    ]
    integers = np.random.default_rng(8).integers(-40, 41, 16)
    parameters: Parameters = {
        "BITS": 4,
        "TABLE": 1,
        "INTEGERS": '"sum_pool.hex"',
        "SUM_BITS": 8,
        "LANES": 2,
        "POSITIONS": 3,
        "DEPTH": 2,
    }
    out = words(8, integers[values].sum(axis=2), 2)
    cases.append(
        Case(
            "sum_table", "sum_pool", parameters, {"in": x}, {"out": out}, {"sum_pool.hex": table(integers, 8)}
        )
    )
    parameters = {
        "BITS": 4,
        "SIGNED": 0,
        "ZERO_POINT": 5,
        "SUM_BITS": 6,
        "LANES": 2,
        "POSITIONS": 3,
        "DEPTH": 2,
    }
    factors = np.array([6, 9, 1, 4, 6, 4, 9])
    scaled: Parameters = {
        "BITS_IN": 4,
        "WIDTH": 4,
        "BITS_OUT": 8,
        "SIGNED": 1,
        "FACTOR_BITS": 4,
        "LANES": 2,
        "DEPTH": 2,
    }
    scaled |= {"PIXELS": 7, "FACTORS": '"pixel_scale.hex"'}
    pixels = unsigned(4, 7 * 2, 2, 9)
    products = signed(pixels.codes, 4) * np.repeat(factors, 2)[:, None]
    tables = {"pixel_scale.hex": table(factors, 4)}
    for name, more in (("pixel_scale", {}), ("pixel_scale_deep", {"MULTIPLY_STAGES": 2, "DECODE_STAGES": 1})):
        out = words(8, products, 2)
        cases.append(Case(name, "pixel_scale", scaled | more, {"in": pixels}, {"out": out}, tables))
    return [
        *cases,
        *_mirrored(x, parameters | {"SUM_BITS": 8}),
        Case(
            "sum_zero_point",
            "sum_pool",
            parameters,
            {"in": x},
            {"out": words(6, (values - 5).sum(axis=2), 2)},
        ),
    ]


def _mirrored(x: Words, parameters: Parameters) -> list[Case]:
    """Sums of tables of which one half is the other negated, by the highest bit and by two's complement."""
    half = np.random.default_rng(15).integers(-40, 41, 8) * (np.arange(8) > 0)
    tables = {1: np.concatenate([half, -half]), 2: np.concatenate([half, [0], -half[:0:-1]])}
    cases = []
    for way, integers in tables.items():
        name, file = f"sum_mirror_{way}", f"sum_mirror_{way}.hex"
        more: Parameters = {"ZERO_POINT": 0, "TABLE": 1, "INTEGERS": f'"{file}"', "MIRROR": way}
        out = words(8, integers[x.codes.reshape(FRAMES, 7, 3, 2, 2)].sum(axis=2), 2)
        more["DECODE_STAGES"] = way
        cases.append(
            Case(name, "sum_pool", parameters | more, {"in": x}, {"out": out}, {file: table(integers, 8)})
        )
    return cases
