"""Several products of one multiplication: the arithmetic of packed words, stated with whole numbers."""

from itertools import product as pairs_of

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.formats import parse
from pyqkit.formats.products.packed import DSP48E1, DSP48E2, Packing, packing, packing_refusal

FORMATS = [f"{sign}int{bits}" for bits in (4, 5, 6, 7, 8) for sign in ("", "u")]
FORMATS += ["e2m1", "ue2m1", "ue2m2", "e2m2", "e2m3", "ue3m1", "e3m1", "int8narrow"]
PORTS = {"DSP48E1": DSP48E1, "DSP48E2": DSP48E2}
SEEN = 9  # integers of a side with which all of the others are multiplied


def field(word: np.ndarray, index: int, bits: int) -> np.ndarray:
    """A field of a sum as a signed number, as wires give it."""
    value = word >> (index * bits) & ((1 << bits) - 1)
    return value - ((value >> (bits - 1)) << bits)


def unpacked(found: Packing, total: np.ndarray, count: int) -> list[np.ndarray]:
    """Sums of `count` products out of the result port: half a field comes off by turning its highest bit."""
    corrected, width = total + found.correction, found.sum_bits(count)
    turned = [corrected >> (i * found.field_bits) ^ (1 << (found.field_bits - 1)) for i in range(found.ways)]
    turned[-1] = corrected >> ((found.ways - 1) * found.field_bits)
    return [field(value, 0, width) for value in turned]


def few(values: np.ndarray) -> np.ndarray:
    """Every value where there are not many, else the ends, zero's neighbours and some others."""
    values = np.unique(values)
    return (
        values
        if len(values) <= SEEN
        else values[np.unique(np.linspace(0, len(values) - 1, SEEN).round().astype(int))]
    )


@pytest.mark.parametrize("ports", PORTS)
@pytest.mark.parametrize("ways", [2, 4])
def test_every_operand_pair_of_every_pair_that_packs(ways: int, ports: str) -> None:
    """Each activation times each weight, beside some other weights and activations."""
    packed = 0
    for left, right in pairs_of(FORMATS, FORMATS):
        found = packing(parse(left), parse(right), ways, PORTS[ports])
        if found is None:
            continue
        packed += 1
        a, w = (np.unique(parse(name).integers) for name in (left, right))
        for own, other in ((w, few(w)), (few(w), w)):
            low, high = own[:, None, None], other[None, :, None]
            word = low + (high << found.right_step)
            parts = found.parts(low, high)
            below = parts[0] & ((1 << found.right_step) - 1)
            assert_array_equal(below + (parts[1] << found.right_step), word)
            fits(word, PORTS[ports].wide)
            activations = [a] if ways == 2 else [few(a), few(a)[::-1]]
            value = sum(
                (n << (i * found.left_step) for i, n in enumerate(activations)), np.zeros((), np.int64)
            )
            fits(value, PORTS[ports].narrow)
            result = word * value
            fits(result + found.correction, PORTS[ports].result)
            fields = unpacked(found, result, 1)
            products = [weight * numbers for weight in (low, high) for numbers in activations]
            for given, wanted in zip(fields, products):
                assert_array_equal(given, np.broadcast_to(wanted, result.shape))
    assert packed > 20


def fits(values: np.ndarray, bits: int) -> None:
    assert -(1 << (bits - 1)) <= values.min() and values.max() < 1 << (bits - 1)


@pytest.mark.parametrize("ways", [2, 4])
@pytest.mark.parametrize("more", [0, 1])
def test_sums_are_exact_up_to_their_bound_and_no_further(ways: int, more: int) -> None:
    """As many of the largest and of the smallest product as a field may hold, in every mixture of fields."""
    for left, right in pairs_of(FORMATS, FORMATS):
        found = packing(parse(left), parse(right), ways)
        if found is None:
            continue
        count, ends, bits = found.sums + more, (found.low, found.high), found.field_bits
        exact = True
        for wanted in pairs_of(ends, repeat=ways):
            total = sum(count * value << (i * bits) for i, value in enumerate(wanted)) + found.correction
            given = [(total >> (i * bits)) - (1 << (bits - 1)) for i in range(ways)]
            lower = [(total >> (i * bits)) % (1 << bits) - (1 << (bits - 1)) for i in range(ways - 1)]
            exact &= [*lower, given[-1] + (1 << (bits - 1))] == [count * value for value in wanted]
        assert exact == (not more), (left, right)


@pytest.mark.parametrize(
    ("left", "right", "ways", "wanted"),
    [
        ("int4", "int4", 2, (20, 8191)),
        ("ue2m2", "e2m1", 2, (20, 1560)),
        ("int8", "int8", 2, (16, 1)),
        ("int4", "int4", 4, (10, 7)),
        ("e2m1", "e2m1", 4, (10, 3)),
        ("ue2m2", "e2m1", 4, (10, 1)),
    ],
)
def test_fields_and_sums(left: str, right: str, ways: int, wanted: tuple[int, int]) -> None:
    found = packing(parse(left), parse(right), ways)
    assert found is not None and (found.field_bits, found.sums) == wanted
    assert packing_refusal(parse(left), parse(right), ways) == ""


@pytest.mark.parametrize(
    ("left", "right", "ways", "refusal"),
    [
        ("lp4_0_3", "lp4_0_3", 2, "multiplications were expected, but lp4_0_3 times lp4_0_3 adds logarithms"),
        ("e4m3", "e4m3", 2, "fit 25 times 18 bits were expected, but those of e4m3 and e4m3 have 19 and 19"),
        ("e3m2", "e3m2", 2, "15 bits, one of 2 fields, were expected at most, but e3m2 times e3m2 has 19"),
        ("int8", "int8", 4, "8 bits, one of 4 fields, were expected at most, but int8 times int8 has 16"),
    ],
)  # fmt: skip
def test_pairs_that_do_not_pack(left: str, right: str, ways: int, refusal: str) -> None:
    assert packing(parse(left), parse(right), ways) is None
    assert packing_refusal(parse(left), parse(right), ways).endswith(refusal)
