"""MicroScopiQ's encoding: every code by hand, blocks with 0 to 8 outliers, streams, and edited ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest

from pyqkit.errors import UserError
from pyqkit.formats import FormatError, Minifloat
from pyqkit.formats.microscopiq import (
    Blocks,
    MicroscopiqTensor,
    Plan,
    Slots,
    Window,
    encode,
    from_bytes,
    outliers,
    pack,
    routes,
    spread_window,
    to_bytes,
    unpack,
)
from pyqkit.formats.microscopiq.routing import choices
from pyqkit.formats.microscopiq.tensor import in_micros

SHAPES = [(1, 1), (3, 7), (2, 8), (4, 20), (3, 128), (5, 172), (2, 300)]


def heavy(rows: int, length: int, seed: int = 0) -> np.ndarray:
    """Weights with many outliers."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, length))
    return x * np.where(random.random(x.shape) < 0.05, 12.0, 1.0)


def one_block(values: list[float], bits: int = 2) -> MicroscopiqTensor:
    """The first eight places of a row whose other 120 are small, so that large ones are outliers."""
    row = np.zeros(128)
    row[8:] = np.where(np.arange(120) % 2, 0.01, -0.01)
    row[: len(values)] = values
    return encode(row[None], bits)[0].checked()


@pytest.mark.parametrize("bits", [2, 4])
def test_every_inlier_code(bits: int) -> None:
    most = 2 ** (bits - 1) - 1
    values = np.arange(-most, most + 1)
    plan = Plan(*(np.zeros(shape, np.int16) for shape in ((1, 1), (1, 2), (1, 2, 4), (1, 2, 4))))
    codes = plan.codes(in_micros(values[None].astype(float)), Slots(bits))
    expected = [(v < 0) << bits - 1 | abs(v) for v in values]
    np.testing.assert_array_equal(codes.reshape(-1)[: len(values)], expected)
    np.testing.assert_array_equal(plan.values(codes, Slots(bits)).reshape(-1)[: len(values)], values)


@pytest.mark.parametrize(("bits", "element"), [(2, "e1m2"), (4, "e3m4")])
def test_every_outlier_code_is_a_normal_number_of_its_minifloat(bits: int, element: str) -> None:
    slots, fmt = Slots(bits), Minifloat.parse(element)
    assert fmt is not None
    for code in fmt.codes:
        sign, exponent, significand = fmt.fields(int(code))
        if not exponent:
            continue
        value = float(fmt.decode(np.array([code]))[0])
        shared = exponent - fmt.bias
        plan = Plan(
            np.zeros((1, 1), np.int16),
            np.full((1, 1), shared, np.int16),
            np.array([[[3, 0, 0, 0]]], np.uint8),
            np.array([[[1, 0, 0, 0]]], np.uint8),
        )
        codes = plan.codes(in_micros(np.array([[0, 0, 0, value]])), slots)
        upper, lower = int(codes[0, 0, 3]), int(codes[0, 0, 1])
        assert upper == sign << bits - 1 | significand >> slots.half
        assert lower == sign << bits - 1 | significand & 2**slots.half - 1
        assert plan.values(codes, slots)[0, 0, 3] == value


def test_check_value_of_the_merge() -> None:
    """Weight 1.5, activation 32, sum 8: 56, with the hidden bit's term on the activation itself."""
    tensor = one_block([0, 1.5, 0, 0])
    upper, lower = int(tensor.plan.uppers[0, 0, 0]), int(tensor.plan.lowers[0, 0, 0])
    halves = [int(tensor.codes[0, 0, place]) for place in (upper, lower)]
    assert upper == 1
    assert halves == [1, 0]
    assert 8 + (32 * 4 + halves[0] * 32 * 2 + halves[1] * 32) / 4 == 56
    assert tensor.decode()[0, 1] == 1.5


def test_share_of_pairs_that_route() -> None:
    """As counted for the published network: fixed pairs, and pairs that may be chosen."""
    fixed, free = [], []
    for count in (1, 2, 3, 4):
        ways = []
        for uppers in combinations(range(8), count):
            for lowers in combinations(sorted(set(range(8)) - set(uppers)), count):
                ways.append([routes(uppers, way) for way in permutations(lowers)])
        fixed.append(np.mean(ways))
        free.append(np.mean([any(way) for way in ways]))
    np.testing.assert_allclose(fixed, [0.857, 0.724, 0.590, 0.467], atol=0.0006)
    np.testing.assert_allclose(free, [0.857, 0.981, 1, 1], atol=0.0006)
    assert not routes([0], [5])
    assert not routes([0, 4], [2, 3])  # both cross from column 2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_set_of_outliers_has_room(count: int) -> None:
    for places in combinations(range(8), count):
        values = [(-1) ** place * (1 + place % 4 / 4) if place in places else 0.0 for place in range(8)]
        tensor = one_block(values)
        assert tensor.plan.uppers[0, 0, :count].tolist() == list(places)
        assert set(tensor.plan.lowers[0, 0, :count]).isdisjoint(places)
        np.testing.assert_array_equal(tensor.decode()[0, :8], values)
        assert len(choices(places).lowers)


@pytest.mark.parametrize("given", [5, 6, 7, 8])
def test_more_than_four_outliers_are_demoted_and_counted(given: int) -> None:
    row = np.zeros((1, 128))
    row[0, 8:] = np.where(np.arange(120) % 2, 0.01, -0.01)
    row[0, :given] = 1 + np.arange(given) / 64
    tensor, counts = encode(row, 4)
    assert (counts.outliers, counts.demoted, counts.pruned) == (4, given - 4, 4)
    assert tensor.checked().plan.uppers[0, 0].tolist() == list(range(given - 4, given))
    rest = tensor.decode()[0, : given - 4]
    assert set(rest) <= {0.0, 7 * 2.0 ** int(tensor.plan.inlier_exponents[0, 0])}


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_streams_and_files_say_the_same(bits: int, shape: tuple[int, int]) -> None:
    for seed in range(4):
        tensor, _ = encode(heavy(*shape, seed), bits)
        stream = pack(tensor.checked())
        assert stream.size == -(-tensor.stored_bits // 8)
        for again in (unpack(stream, shape, bits), from_bytes(to_bytes(tensor))):
            np.testing.assert_array_equal(again.decode(), tensor.decode())
            np.testing.assert_array_equal(pack(again), stream)


def test_stored_bits_by_hand() -> None:
    row = np.zeros((2, 172))
    tensor, counts = encode(row, 2)  # 22 micro-blocks and two macro-blocks a row, padded to 176
    assert tensor.stored_bits == 2 * (2 * 8 + 22 * (1 + 16))
    row[0, :] = np.where(np.arange(172) % 2, 0.01, -0.01)
    row[0, 171] = 1.0
    tensor, counts = encode(row, 2)
    assert tensor.stored_bits == 2 * (2 * 8 + 22 * (1 + 16)) + 8 + 24
    assert (counts.outliers, counts.pruned) == (1, 0)  # a place behind the row's end takes the lower half
    assert tensor.effective_bits == tensor.stored_bits / 344
    assert tensor.decode().shape == (2, 172)


def test_a_bit_by_bit_record() -> None:
    tensor = one_block([0, -1.25, 0, 0])
    stream = np.unpackbits(pack(tensor), bitorder="little").tolist()

    def number(first: int, bits: int) -> int:
        return sum(bit << at for at, bit in enumerate(stream[first : first + bits]))

    assert number(0, 8) == 127 + int(tensor.plan.inlier_exponents[0, 0])
    assert number(8, 16) == 1
    assert number(24, 8) == 127
    assert [number(32 + 3 * at, 3) for at in range(8)] == [1, int(tensor.plan.lowers[0, 0, 0]), *[0] * 6]
    assert [number(56 + 2 * at, 2) for at in range(8)] == tensor.codes[0, 0].tolist()


@pytest.mark.parametrize("bits", [2, 4])
def test_rounding_is_to_the_nearest_value(bits: int) -> None:
    x = heavy(6, 300)
    tensor, _ = encode(x, bits)
    np.testing.assert_array_equal(encode(tensor.decode(), bits)[0].decode().shape, x.shape)
    micro = in_micros(x)
    slots, plan = tensor.slots, tensor.plan
    step = np.ldexp(1.0, plan.inlier_exponent_of_micros())[..., None]
    grid = step[..., None] * np.arange(-slots.largest, slots.largest + 1)
    nearest = np.abs(grid - micro[..., None]).min(-1)
    inlier = ~(plan.outliers | plan.pruned)
    error = np.abs(plan.values(tensor.codes, slots) - micro)
    np.testing.assert_array_equal(error[inlier], nearest[inlier])
    assert (plan.values(tensor.codes, slots)[plan.pruned] == 0).all()


def test_pruned_places_are_the_cheapest_that_route() -> None:
    x = heavy(40, 128, 3)
    tensor, _ = encode(x, 2)
    micro = in_micros(x) ** 2
    for row, block in zip(*np.nonzero(tensor.plan.flags)):
        there = tensor.plan.paired[row, block]
        uppers = tensor.plan.uppers[row, block][there].tolist()
        lowers = tensor.plan.lowers[row, block][there]
        free = [place for place in range(8) if place not in uppers]
        costs = [
            micro[row, block][list(way)].sum()
            for way in permutations(free, len(uppers))
            if routes(uppers, way)
        ]
        np.testing.assert_allclose(micro[row, block][lowers].sum(), min(costs))


def test_no_outliers_where_none_can_be() -> None:
    assert not outliers(np.array([[1.0, *[0.0] * 9]])).any()
    assert outliers(np.array([[1.0, *[0.0] * 10]])).sum() == 1


def test_rules_and_windows() -> None:
    x = heavy(8, 256)
    errors = {rule: np.square(encode(x, 2, rule)[0].decode() - x).sum() for rule in ("floor", "mse")}
    assert errors["mse"] < errors["floor"]
    window = spread_window(x, 2, spread=0)
    tensor, counts = encode(x, 2, "mse", window)
    assert counts.clamped > 0
    assert set(tensor.plan.inlier_exponents.ravel()) == {window.highest}
    assert set(tensor.plan.outlier_exponents[tensor.plan.flags]) == {window.highest + 2}
    assert encode(x, 2, "mse", spread_window(x, 2))[1].clamped == 0
    assert spread_window(np.zeros((2, 9)), 2) == Window(-7, 0)


def test_zeros_take_the_lowest_exponent() -> None:
    x = np.zeros((2, 256))
    x[0, 0] = 1.0
    tensor, counts = encode(x, 2, window=Window(-3, 0))
    assert tensor.plan.inlier_exponents.tolist() == [[-3, -3], [-3, -3]]
    assert counts.clamped == 0
    np.testing.assert_array_equal(tensor.decode(), x)


def test_cost_decides_what_is_pruned() -> None:
    x = np.full((1, 128), 0.1)
    x[0, ::2] *= -1
    x[0, 0] = 9.0
    cost = np.ones((1, 128))
    cost[0, 6] = 0.0
    plan, _ = Blocks(Slots(2)).plan(x, cost)
    assert plan.lowers[0, 0, 0] == 6


EDITS = {
    "the halves of an outlier have different signs": lambda t: _code(t, t.plan.uppers[0, 0, 0], 2),
    "an inlier is a negative zero": lambda t: _code(t, _inlier(t), 2),
    "does not route": lambda t: _lists(t, [1, 0, 0, 0], [4, 0, 0, 0]),
    "names a place twice": lambda t: _lists(t, [1, 2, 0, 0], [0, 0, 0, 0]),
    "say nothing before its end": lambda t: _lists(t, [0, 1, 0, 0], [0, 0, 0, 0]),
    "a permutation list is empty": lambda t: _lists(t, [0] * 4, [0] * 4),
    "the exponent of a macro-block is 255": lambda t: _plan(
        t, inlier_exponents=np.full((1, 1), 128, np.int16)
    ),
}


def _inlier(tensor: MicroscopiqTensor) -> int:
    return next(p for p in range(8) if p not in (tensor.plan.uppers[0, 0, 0], tensor.plan.lowers[0, 0, 0]))


def _code(tensor: MicroscopiqTensor, place: int, code: int) -> MicroscopiqTensor:
    codes = tensor.codes.copy()
    codes[0, 0, place] = code
    return replace(tensor, codes=codes)


def _plan(tensor: MicroscopiqTensor, **fields: np.ndarray) -> MicroscopiqTensor:
    plan = replace(tensor.plan, **fields)
    return replace(tensor, plan=plan)


def _lists(tensor: MicroscopiqTensor, uppers: list[int], lowers: list[int]) -> MicroscopiqTensor:
    changed = [tensor.plan.uppers.copy(), tensor.plan.lowers.copy()]
    changed[0][0, 0], changed[1][0, 0] = uppers, lowers
    edited = _plan(tensor, uppers=changed[0], lowers=changed[1])
    edited.plan.__dict__["flags"] = tensor.plan.flags  # the stream keeps the flag that was there
    return edited


@pytest.mark.parametrize("what", EDITS)
def test_edited_streams_are_refused_in_one_sentence(what: str) -> None:
    tensor = one_block([0, 1.75, 0.01, -0.01])
    edited = EDITS[what](tensor)
    with pytest.raises(FormatError, match=what):
        unpack(pack(edited), tensor.shape, 2)


def test_places_behind_the_end_hold_nothing() -> None:
    tensor, _ = encode(np.full((1, 5), 1.0), 2)
    codes = tensor.codes.copy()
    codes[0, 0, 6] = 1
    with pytest.raises(FormatError, match="behind the end of a row"):
        unpack(pack(replace(tensor, codes=codes)), (1, 5), 2)


def test_damaged_files_are_refused() -> None:
    raw = to_bytes(encode(heavy(3, 40), 2)[0])
    for at in range(len(raw)):
        edited = bytearray(raw)
        edited[at] ^= 1
        with pytest.raises(UserError):
            from_bytes(bytes(edited))
    for end in range(len(raw)):
        with pytest.raises(UserError):
            from_bytes(raw[:end])
    with pytest.raises(UserError):
        from_bytes(raw + b"\0")


def test_streams_of_other_lengths_are_refused() -> None:
    tensor, _ = encode(heavy(3, 200), 2)
    stream = pack(tensor)
    for wrong in (stream[:-1], stream[:20], np.append(stream, np.uint8(0)), stream.astype(np.int32)):
        with pytest.raises(FormatError, match="were expected"):
            unpack(wrong, (3, 200), 2)


@pytest.mark.parametrize(
    "x", [np.array([[np.nan, 1.0]]), np.array([[np.inf]]), np.zeros(3), np.zeros((0, 4)), np.array([["a"]])]
)
def test_weights_that_are_none(x: np.ndarray) -> None:
    with pytest.raises(FormatError, match="expected"):
        encode(x, 2)


def test_options_that_are_none() -> None:
    with pytest.raises(FormatError, match="2 or 4 bits"):
        encode(np.ones((1, 1)), 3)
    with pytest.raises(FormatError, match="mse or floor"):
        encode(np.ones((1, 1)), 2, "ceil")  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="a window"):
        Window(3, 2)
