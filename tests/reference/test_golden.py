"""What reference and lowering must share, held by numbers worked out by hand.

Each check fails on a mutant of its subject.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.formats import Integer, LogPosit, Microscaled, Minifloat, NumberFormat, base, logposit, parse
from pyqkit.graph import conventions, model
from pyqkit.reference import linear
from pyqkit.reference.doubledouble import DoubleDouble

Patch = pytest.MonkeyPatch


def _values(name: str) -> list[float]:
    fmt = parse(name)
    assert isinstance(fmt, NumberFormat)
    return [float(Fraction(fmt.integer(code) or 0) * fmt.unit) for code in range(2**fmt.bits)]


def batch_norm_factor() -> None:
    """3 / sqrt(2 + 2**-3) = 2.057983021710106, which is 8631806.4 * 2**-22."""
    factor = conventions.batch_norm_factor(np.float32([3, -3]), np.float32([2, 2]), 0.125)
    assert factor.dtype == np.float32
    np.testing.assert_array_equal(factor, np.float32([8631806, -8631806]) * np.float32(2.0**-22))


def batch_norm_offset() -> None:
    """bias - factor * mean, where the factor is 1/2 exactly: 5 - 3/2."""
    from pyqkit.reference.node import Node

    given = [np.zeros((1, 1, 1, 1)), *(np.float32([v]) for v in (1, 5, 3, 3))]
    node = Node(
        "norm", "BatchNormalization", given, [True] + [False] * 4, 1, {"epsilon": 1.0}, 1, lambda inputs: []
    )
    factor, offset = linear.batch_norm(node, 4)
    assert (factor.high.item(), offset.high.item()) == (0.5, 3.5)


def log_table() -> None:
    """128 * 2**(i / 8) rounded: 128, 139.58, 152.21, 165.99, 181.01, 197.40, 215.26, 234.75."""
    assert logposit.linear_table(3) == (128, 140, 152, 166, 181, 197, 215, 235)
    assert logposit.linear_table(0) == (1,) and logposit.linear_bits(3) == 7 and logposit.linear_bits(0) == 0


def logarithms() -> None:
    """LP<4, 0, 3>, bits s rrr.

    001 is 2**-2, 010 2**-1, 011 2**-1/2, 100 1, 101 2**1/2, 110 2, 111 4; in halves.
    """
    fmt = LogPosit(4, 0, 3)
    assert [fmt.logarithm(code) for code in range(1, 8)] == [(False, n) for n in (-4, -2, -1, 0, 1, 2, 4)]
    assert fmt.logarithm(0) is None and fmt.logarithm(8) is None


def minifloats() -> None:
    """e2m1, bias 1: 0, 1/2, 1, 3/2, 2, 3, 4, 6, and their negatives."""
    positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert _values("e2m1") == positive + [-v for v in positive]
    assert (
        parse("e4m3fn").maximum == 448 and parse("e4m3").maximum == 480 and parse("e5m2ieee").maximum == 57344
    )


def minifloat_ties() -> None:
    """Half to even on the significand.

    Without significand bits away from zero, but to zero below the smallest.
    """
    np.testing.assert_array_equal(
        parse("e2m1").quantise(np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5])), [0, 1, 1, 2, 2, 4, 4]
    )
    np.testing.assert_array_equal(
        parse("e3m0").quantise(np.array([0.125, 0.375, 0.75, 1.5, -1.5])), [0, 0.5, 1, 2, -2]
    )


def integers() -> None:
    """Two's complement.

    A zero point is subtracted after rounding, and a tie goes to the even stored number.
    """
    assert _values("int3") == [0, 1, 2, 3, -4, -3, -2, -1]
    np.testing.assert_array_equal(parse("uint3z3").quantise(np.array([0.5, 1.5, -9, 9])), [1, 1, -3, 4])
    assert (Integer(4, narrow=True).low, Integer(4, signed=False, narrow=True).high) == (-7, 14)


def block_exponents() -> None:
    """amax 5 of e2m1 (emax 2).

    Floor(log2(5)) - 2 = 0; ceil gives 1; 7.5 rounds to 8 at two significant bits.
    """
    block = np.array([[5.0, -1, 0, 0.5]])
    assert [
        int(Microscaled(parse("e2m1"), 4, rule).scale_exponents(block)[0])
        for rule in ("floor", "ceil", "even")
    ] == [0, 1, 0]
    assert int(Microscaled(parse("e2m1"), 4, "even").scale_exponents(block * 1.5)[0]) == 1


def plain_reading() -> None:
    """Elements of a tensor follow its last axis and keep their signs; attributes keep their order."""
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2])
    tensor.raw_data = bytes.fromhex("0000803f 000000c0 00004040 0000003f")  # float32, the lowest byte first
    np.testing.assert_array_equal(model.constant_array(tensor), [[1, -2], [3, 0.5]])
    node = helper.make_node("Any", [], [], pads=[1, 2, 3, 4], axis=-2, alpha=-0.5, auto_pad="SAME_UPPER")
    found = model.attribute_values(node)
    assert found == {"pads": [1, 2, 3, 4], "axis": -2, "alpha": -0.5, "auto_pad": "SAME_UPPER"}


CHECKS = [
    batch_norm_factor,
    batch_norm_offset,
    log_table,
    logarithms,
    minifloats,
    minifloat_ties,
    integers,
    block_exponents,
    plain_reading,
]

# ---- the same with the subject changed ---------------------------------------------------------------------


def _replaced(owner: Any, name: str, change: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """What a function returns, changed."""

    def mutate(patch: Patch) -> None:
        right = getattr(owner, name)
        patch.setattr(owner, name, lambda *given: change(right(*given)))

    return mutate


def _entry_off(table: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(entry + (i == 6) for i, entry in enumerate(table))


MUTANTS: dict[str, tuple[Callable[[], None], Callable[[Patch], None]]] = {
    "factor_of_a_batch_norm_without_epsilon": (
        batch_norm_factor,
        lambda patch: patch.setattr(
            conventions,
            "batch_norm_factor",
            lambda gain, variance, epsilon: (gain / np.sqrt(np.float64(variance))).astype(np.float32),
        ),
    ),
    "factor_of_a_batch_norm_not_rounded": (
        batch_norm_factor,
        lambda patch: patch.setattr(
            conventions,
            "batch_norm_factor",
            lambda gain, variance, epsilon: np.float64(1) * gain / np.sqrt(variance + epsilon),
        ),
    ),
    "offset_of_a_batch_norm_with_the_mean_added": (
        batch_norm_offset,
        _replaced(linear, "batch_norm", lambda found: (found[0], found[1] + found[0] * DoubleDouble.of(6.0))),
    ),
    "entry_of_the_log_table_one_off": (log_table, _replaced(logposit, "linear_table", _entry_off)),
    "logarithms_one_off": (logarithms, _replaced(LogPosit, "logarithm", lambda e: e and (e[0], e[1] + 1))),
    "minifloats_without_subnormals": (
        minifloats,
        lambda patch: patch.setattr(Minifloat, "integer", lambda self, code: _without_subnormals(self, code)),
    ),
    "ties_of_minifloats_up": (
        minifloat_ties,
        lambda patch: patch.setattr(Minifloat, "tie_goes_up", lambda self, lower, upper: True),
    ),
    "zero_point_added": (
        integers,
        lambda patch: patch.setattr(Integer, "to_integers", _replaced_sign(Integer.to_integers)),
    ),
    "constants_transposed": (plain_reading, _replaced(model, "constant_array", lambda found: found.T)),
    "constants_without_signs": (plain_reading, _replaced(model, "constant_array", abs)),
    "lists_of_attributes_backwards": (
        plain_reading,
        _replaced(
            model,
            "attribute_values",
            lambda found: {
                name: value[::-1] if isinstance(value, list) else value for name, value in found.items()
            },
        ),
    ),
    "block_exponents_one_off": (
        block_exponents,
        _replaced(Microscaled, "scale_exponents", lambda found: found + 1),
    ),
}


def _without_subnormals(fmt: Minifloat, code: int) -> int:
    sign, exponent, significand = fmt.fields(code)
    magnitude = (2**fmt.significand_bits + significand) << max(exponent - 1, 0)
    return -magnitude if sign else magnitude


def _replaced_sign(right: Any) -> Any:
    return lambda self, codes: right(self, codes) + 2 * self.zero_point


def forget_tables() -> None:
    """Formats keep what they have worked out."""
    for table in (base._tables, base._boundaries, base._limits):
        table.cache_clear()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_golden_values(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", MUTANTS)
def test_golden_values_catch_a_mutant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check, mutate = MUTANTS[name]
    check()
    with monkeypatch.context() as patch:
        mutate(patch)
        forget_tables()
        with pytest.raises(AssertionError):
            check()
    forget_tables()
    check()


def test_every_check_has_a_mutant() -> None:
    assert {check for check, _ in MUTANTS.values()} == set(CHECKS)
