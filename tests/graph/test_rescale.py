"""Rescale in the place of thresholds.

Equal on every integer, found for any scale, refused where it cannot be equal.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqkit.emulate import kernels
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.formats import Integer, parse
from pyqkit.graph.graph import Tensor, to_integers
from pyqkit.graph.lowering.functions import Clip
from pyqkit.graph.lowering.real import Real, Term, fractions
from pyqkit.graph.lowering.rescale import FEW_BITS, FEW_VALUES, MULTIPLIER_BITS, Scaling, equal_to_thresholds
from pyqkit.graph.lowering.thresholds import thresholds_of
from pyqkit.graph.ops.requantise import Rescale, Threshold

RANGE = Integer(13)


def lowered(
    name: str,
    factors: list[Fraction],
    offsets: list[Fraction],
    relu: bool = False,
    top: Fraction | None = None,
) -> tuple[Tensor, Threshold, Scaling | None]:
    """Thresholds of ``factor * x + offset`` rounded to a format, and the rescale found for them."""
    fmt, channels = parse(name), len(factors)
    tensor = Tensor.of("x", (1, 1, channels), RANGE)
    functions = (Clip(Fraction(0), top),) if relu or top is not None else ()
    slope = fractions(np.array(factors, dtype=object))
    real = Real(
        (Term("x", slope),), fractions(np.array(offsets, dtype=object)), (1, 1, channels), None, functions
    )  # type: ignore[arg-type]
    thresholds, falling = thresholds_of(tensor, real, fmt.boundaries("nearest"), fractions(1, channels))
    return (
        tensor,
        Threshold("t", ["x"], ["y"], fmt, thresholds, falling),
        equal_to_thresholds(tensor, fmt, thresholds, falling, slope),
    )


def check_equal(tensor: Tensor, threshold: Threshold, scaling: Scaling) -> np.ndarray:
    """Both operators on every integer of the range, by definition and by kernels; returns the codes."""
    every = np.arange(tensor.low, tensor.high + 1)
    codes = tensor.format.from_integers(np.repeat(every[:, None], tensor.shape[2], axis=1)).reshape(
        len(every), *tensor.shape
    )
    rescale = Rescale("t", ["x"], ["y"], threshold.format, **vars(scaling))
    (expected,), (found,) = threshold.execute([codes], [tensor]), rescale.execute([codes], [tensor])
    np.testing.assert_array_equal(found, expected)
    ends, wanted = rescale.infer([tensor])[0], threshold.infer([tensor])[0]
    assert (ends.low, ends.high) == (wanted.low, wanted.high)
    library = kernels.load()
    for wide in (np.int32, np.int64):
        sums = to_integers(codes, tensor.format).astype(wide)
        values = Requantiser(rescale, tensor, ends).apply(sums, library)
        np.testing.assert_array_equal(threshold.format.from_integers(values.astype(np.int64)), expected)
    return expected


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["int8", "uint8", "int5", "uint6", "int8narrow"]),
    st.lists(st.fractions(min_value=-1, max_value=1, max_denominator=5000), min_size=1, max_size=3),
    st.fractions(min_value=-40, max_value=40, max_denominator=997),
    st.booleans(),
)
def test_found_rescales_equal_thresholds_everywhere(
    name: str, factors: list[Fraction], offset: Fraction, relu: bool
) -> None:
    tensor, threshold, scaling = lowered(name, factors, [offset] * len(factors), relu)
    if scaling is not None:
        check_equal(tensor, threshold, scaling)
        assert int(abs(scaling.multiplier).max()).bit_length() <= MULTIPLIER_BITS


@pytest.mark.parametrize("name", ["int8", "uint8", "int4", "uint4"])
@pytest.mark.parametrize("relu", [False, True])
def test_powers_of_two_are_always_found(name: str, relu: bool) -> None:
    # ties at every second sum in the first channel, none in the second (its offset is no half), a falling
    # third
    factors = [Fraction(1, 2), Fraction(1, 64), Fraction(-1, 16)]
    tensor, threshold, scaling = lowered(name, factors, [Fraction(1), Fraction(5, 7), Fraction(3)], relu)
    assert scaling is not None
    magnitudes = abs(scaling.multiplier)
    assert not (magnitudes & (magnitudes - 1)).any() and magnitudes.max() <= 2**FEW_BITS
    codes = check_equal(tensor, threshold, scaling)
    integers = to_integers(codes, threshold.format)
    assert integers.min() == (0 if relu else threshold.format.low) and integers.max() == threshold.format.high


def test_scales_that_are_no_powers_of_two_are_found_for_eight_bits() -> None:
    random = np.random.default_rng(0)
    factors = [Fraction(float(f)) for f in random.uniform(0.01, 0.2, 16).astype(np.float32)]
    offsets = [Fraction(float(f)) for f in random.normal(0, 20, 16).astype(np.float32)]
    tensor, threshold, scaling = lowered("int8", factors, offsets)
    assert scaling is not None and int(scaling.multiplier.max()).bit_length() <= MULTIPLIER_BITS
    check_equal(tensor, threshold, scaling)


def test_few_values_keep_thresholds_unless_a_shift_does() -> None:
    assert len(parse("int4").codes) <= FEW_VALUES
    assert lowered("int4", [Fraction(3, 100)], [Fraction(0)])[2] is None


def test_what_cannot_be_equal_is_refused() -> None:
    # A clip inside the range.
    assert lowered("uint8", [Fraction(1, 8)], [Fraction(0)], relu=True, top=Fraction(100))[2] is None
    tensor, threshold, scaling = lowered("int8", [Fraction(1, 8)], [Fraction(0)])
    assert scaling is not None
    moved = threshold.thresholds.copy()
    moved[0, 100] += 1  # one step in the wrong place
    assert (
        equal_to_thresholds(
            tensor,
            threshold.format,
            moved,
            threshold.falling,
            fractions(np.array([Fraction(1, 8)], dtype=object)),
        )
        is None
    )
    assert lowered("e2m1", [Fraction(1, 8)], [Fraction(0)])[2] is None


@pytest.mark.parametrize("change", ["offset", "shift", "multiplier"])
def test_mutants_differ(change: str) -> None:
    tensor, threshold, scaling = lowered("int8", [Fraction(3, 64)], [Fraction(1, 2)])
    assert scaling is not None
    wrong = {**vars(scaling), change: getattr(scaling, change) + 1}
    with pytest.raises(AssertionError):
        check_equal(tensor, threshold, Scaling(**wrong))
