"""Minifloats against ml_dtypes, against the published limits, and their parameters."""

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import FormatError, Minifloat, parse

PEERS = {
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e5m2ieee": ml_dtypes.float8_e5m2,
    "e4m3ieee": ml_dtypes.float8_e4m3,
    "e3m4ieee": ml_dtypes.float8_e3m4,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m1": ml_dtypes.float4_e2m1fn,
}
# Largest value, smallest normal and smallest subnormal number, as printed in "Shedding the Bits" (FPL 2024).
LIMITS = {
    "e1m1": (3, 2, 1),
    "e2m0": (4, 1, 1),
    "e1m2": (3.5, 2, 0.5),
    "e2m1": (6, 1, 0.5),
    "e3m0": (16, 0.25, 0.25),
    "e2m2": (7, 1, 0.25),
    "e3m1": (24, 0.25, 0.125),
    "e2m3": (7.5, 1, 2**-3),
    "e3m2": (28, 0.25, 2**-4),
    "e4m1": (384, 2**-6, 2**-7),
    "e2m4": (7.75, 1, 2**-4),
    "e3m3": (30, 0.25, 2**-5),
    "e4m2": (448, 2**-6, 2**-8),
    "e2m5": (7.875, 1, 2**-5),
    "e3m4": (31, 0.25, 2**-6),
    "e4m3": (480, 2**-6, 2**-9),
    "e5m2": (114688, 2**-14, 2**-16),
    "e4m3fn": (448, 2**-6, 2**-9),
    "e5m2ieee": (57344, 2**-14, 2**-16),
}


@pytest.mark.parametrize("name", PEERS)
def test_every_code_decodes_as_in_ml_dtypes(name: str) -> None:
    fmt, peer = parse(name), PEERS[name]
    assert parse(peer.__name__) == fmt
    codes = np.arange(2**fmt.bits, dtype=np.uint8)
    assert_array_equal(fmt.decode(codes), codes.view(peer).astype(np.float64) + 0.0)


@pytest.mark.parametrize("name", PEERS)
def test_rounds_as_ml_dtypes(name: str) -> None:
    """Every midpoint, every value and their neighbours, and 40,000 random numbers, inside the finite range.

    float32 only: ml_dtypes rounds float64 to float32 first, which is one rounding too many.
    """
    dtype = np.float32
    fmt, peer = parse(name), PEERS[name]
    near = np.concatenate([fmt.values, (fmt.values[1:] + fmt.values[:-1]) / 2]).astype(dtype)
    spread = np.random.default_rng(0).standard_normal(40_000) * np.exp2(
        np.random.default_rng(1).uniform(-18, 18, 40_000)
    )
    points = np.concatenate(
        [near, np.nextafter(near, dtype(-np.inf)), np.nextafter(near, dtype(np.inf)), spread.astype(dtype)]
    )
    points = points[np.abs(points) <= fmt.maximum]
    assert len(points) > 10_000
    assert_array_equal(fmt.quantise(points), points.astype(peer).astype(np.float64) + 0.0)


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_the_published_ones(name: str) -> None:
    fmt = parse(name)
    assert isinstance(fmt, Minifloat)
    largest, normal, smallest = LIMITS[name]
    positive = fmt.values[fmt.values > 0]
    assert (fmt.maximum, fmt.minimum, positive[0]) == (largest, -largest, smallest)
    assert 2.0 ** (1 - fmt.bias) in positive
    if fmt.significand_bits:
        assert 2.0 ** (1 - fmt.bias) == normal
        assert fmt.unit_exponent == np.log2(smallest)


@pytest.mark.parametrize("width", range(3, 9))
def test_one_exponent_bit_is_the_uniform_grid(width: int) -> None:
    fmt, integer = parse(f"e1m{width - 2}"), parse(f"int{width}narrow")
    step = 2.0 ** (3 - width)
    assert_array_equal(fmt.values, integer.values * step)
    x = np.linspace(-2.5, 2.5, 10_001)
    assert_array_equal(fmt.quantise(x), integer.quantise(x / step) * step)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "e0m3",
            "a minifloat of 3 to 8 bits with at least 1 exponent bit was expected, but e0m3 has 4 "
            "bits and 0 exponent bits",
        ),
        (
            "e5m3",
            "a minifloat of 3 to 8 bits with at least 1 exponent bit was expected, but e5m3 has 9 "
            "bits and 5 exponent bits",
        ),
        (
            "e1m0",
            "a minifloat of 3 to 8 bits with at least 1 exponent bit was expected, but e1m0 has 2 "
            "bits and 1 exponent bits",
        ),
        ("ue4m3fn", "the suffix 'fn' or 'ieee' of a signed minifloat was expected, but ue4m3fn came"),
        ("e1m2ieee", "at least 2 exponent bits were expected for the suffix 'ieee', but e1m2ieee came"),
    ],
)
def test_illegal_parameters(name: str, sentence: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse(name)
    assert str(raised.value) == sentence
