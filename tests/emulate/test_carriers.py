"""Every carrier that can hold a layer's sums gives those of the definition, not only the one that is chosen.

Sums as large as weights allow, both ends of formats, zero, borders, and requantisers on ties; with the
registers of AVX-512, of AVX2 and of none.
"""

from __future__ import annotations

import ctypes
import shutil

import numpy as np
import pytest

from pyqkit.emulate import kernels
from pyqkit.emulate.affine import Staircase
from pyqkit.emulate.carrier import carrier_type, to_carrier
from pyqkit.emulate.carriers.digits import passes
from pyqkit.emulate.compute import bound
from pyqkit.emulate.layers import Layer, carriers_of
from pyqkit.emulate.operands import LANES, Operands
from pyqkit.emulate.pairs import Steps, reach
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Factors
from pyqkit.formats import Integer, NumberFormat, parse
from pyqkit.graph.graph import Tensor, to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Rescale, Threshold

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
LEVELS = {"longest": {}, "AVX2": {"avx512": False}, "none": {"portable": True}}
PAIRS = (
    ("uint4", "int4"),
    ("int4", "odd2"),
    ("uint8", "int8"),
    ("uint6", "int5"),  # sixteen steps of pairs of bytes are added in 16 bits
    ("int8", "int8"),
    ("uint8z128", "int4"),
    ("int12", "int8"),
    ("e2m1", "e2m1"),
    ("e2m3", "e2m3"),
    ("e3m1", "e3m1"),
    ("e3m2", "e3m2"),
    ("e4m3", "e4m3"),
    ("e5m2", "e4m3"),
    ("lp4_0_3", "e2m1"),
    ("lp4_0_3", "lp4_0_3"),
    ("lp5_0_3", "lp4_0_3"),
    ("lp5_1_2", "lp4_0_3"),
    ("lp8_1_3", "lp4_0_3"),
)
WINDOWS = (  # shape, outputs, kernel, stride
    ((5, 19, 16), 35, 3, (1, 1)),
    ((4, 5, 3), 16, 3, (2, 1)),
    ((3, 3, 8), 5, 1, (1, 1)),
)


def layer(left: str, right: str, window: int, level: str) -> tuple[Layer, np.ndarray]:
    """A layer and codes of its input: the first two frames have each output's largest and smallest sum."""
    (height, width, channels), outputs, kernel, stride = WINDOWS[window]
    random = np.random.default_rng(window)
    fmt, weight_format = parse(left), parse(right)
    pad = kernel // 2 if fmt.has_zero else 0
    ends = weight_format.codes[[0, -1]]
    weights = random.choice(weight_format.codes, (outputs, kernel, kernel, channels))
    weights[0], weights[1], weights[2:4] = ends[0], ends[1], random.choice(ends, (2, *weights[0].shape))
    op = Convolution("sums", ["x"], ["sums"], weights, weight_format, stride, (pad,) * 4)
    tensor = Tensor.of("x", (height, width, channels), fmt)
    (out,) = op.infer([tensor])
    codes = random.choice(fmt.codes, (4, height, width, channels))
    codes[0], codes[1] = fmt.codes[0], fmt.codes[-1]
    signs = to_integers(weights[2], weight_format).sum(axis=(0, 1)) > 0
    codes[2] = np.where(signs, fmt.codes[-1], fmt.codes[0])
    return Layer(op, tensor, out, kernels.load(**LEVELS[level])), codes


def test_pairs_have_every_carrier() -> None:
    found = {name for left, right in PAIRS for name in carriers_of(layer(left, right, 0, "longest")[0])}
    for left in ("lp4_0_3", "lp5_0_3", "lp5_1_2"):  # two and four words of a code, few codes and more
        assert {"int16", "int16 lookups"} <= set(carriers_of(layer(left, "lp4_0_3", 0, "longest")[0]))
    names = {"int8", "int16", "int16 digits", "float64", "float32 by BLAS", "float64 by BLAS"}
    assert names <= found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("window", range(len(WINDOWS)))
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_every_carrier_is_exact(left: str, right: str, window: int, level: str) -> None:
    what, codes = layer(left, right, window, level)
    (expected,) = what.op.execute([codes], [what.tensor])
    sums = to_integers(expected, what.out.format)
    found = carriers_of(what)
    assert found, "a pair of formats without a carrier shows nothing"
    requantisers = [rule for rule in (on_ties(what.out, sums), rescale(what.out)) if rule is not None]
    for name, carrier in found.items():
        kind = carrier.result_type or carrier_type(what.out)
        result = np.zeros(sums.shape, kind)
        inputs = [to_carrier(codes, what.tensor)]
        bound(carrier.compile(None), inputs, result)()
        np.testing.assert_array_equal(result, sums, err_msg=name)
        for rule in requantisers:
            compare_requantised(what, carrier, rule, inputs, expected, name)


def compare_requantised(
    what: Layer,
    carrier: object,
    rule: Threshold | Rescale,
    inputs: list[np.ndarray],
    sums: np.ndarray,
    name: str,
) -> None:
    """The sums through a requantiser, and those with another branch that joins them."""
    (tensor,) = rule.infer([what.out])
    requantiser = Requantiser(rule, what.out, tensor, what.library)
    if requantiser.fits_kernels:
        result = np.zeros(sums.shape, requantiser.out_type)
        bound(carrier.compile(requantiser), inputs, result)()  # type: ignore[attr-defined]
        (expected,) = rule.execute([sums], [what.out])
        np.testing.assert_array_equal(result, to_carrier(expected, tensor), err_msg=f"{name}, {rule.kind}")
    if carrier.joins:  # type: ignore[attr-defined]
        join(what, carrier, inputs, sums, name)


def join(what: Layer, carrier: object, inputs: list[np.ndarray], sums: np.ndarray, name: str) -> None:
    """One of integers, of codes whose table is a register of kernels, and of more codes."""
    for fmt in map(parse, ("int8", "lp4_0_3", "lp5_0_3")):
        join_with(what, carrier, inputs, sums, fmt, f"{name}, joined by {fmt}")


def join_with(
    what: Layer,
    carrier: object,
    inputs: list[np.ndarray],
    sums: np.ndarray,
    fmt: NumberFormat,
    name: str,
) -> None:
    random = np.random.default_rng(1)
    other = Tensor.of("other", what.out.shape, fmt)
    factors = random.integers(-3, 4, (2, what.out.shape[2]))
    add = Add("add", ["sums", "other"], ["add"], factors)
    codes = random.choice(fmt.codes, sums.shape)
    (total,), tensors = add.infer([what.out, other]), [what.out, other]
    rule = rescale(total)
    if rule is None:
        return
    (tensor,) = rule.infer([total])
    requantiser = Requantiser(rule, total, tensor, what.library)
    branch = Factors(factors[0], factors[1], other, carrier_type(other))
    if not carrier.fits_join(branch, requantiser):  # type: ignore[attr-defined]
        return
    result = np.zeros(sums.shape, requantiser.out_type)
    compute = carrier.compile(requantiser, branch)  # type: ignore[attr-defined]
    arrays = [*inputs, to_carrier(codes, other)]  # which outlive the call
    bound(compute, arrays, result)()
    (expected,) = rule.execute(add.execute([sums, codes], tensors), [total])
    np.testing.assert_array_equal(result, to_carrier(expected, tensor), err_msg=name)


def on_ties(out: Tensor, sums: np.ndarray) -> Threshold:
    """Thresholds at sums that occur, of e2m1: no line goes through them."""
    fmt, random = parse("e2m1"), np.random.default_rng(2)
    rows = random.choice(sums.ravel(), (out.shape[2], len(fmt.codes) - 1)) + random.integers(-1, 2)
    rows = np.sort(np.clip(rows, out.low, out.high), axis=1)
    return Threshold("rule", ["sums"], ["rule"], fmt, rows, random.random(len(rows)) < 0.3)


def rescale(out: Tensor) -> Rescale | None:
    """A rescale to 8 bits whose channels are steep, flat, falling and constant, with ties."""
    reach = max(-out.low, out.high).bit_length()
    if reach > 52:
        return None
    multiplier = np.resize([1, -1, 3, 0, 2], out.shape[2])
    shift = max(1, reach - 7)
    offset = np.resize([0, 1 << (shift - 1), 5, 300], out.shape[2])
    return Rescale("rule", ["sums"], ["rule"], Integer(8), multiplier, offset, shift)


# ---- requantisers by arithmetic ----------------------------------------------------------------------------


def on_a_line(fmt: NumberFormat, channels: int, reach: int, seed: int) -> Threshold:
    """Thresholds of a format's boundaries on lines, in every other channel with ties to even."""
    random = np.random.default_rng(seed)
    values = [int(v) for v in fmt.integers[fmt.codes]]
    rows = np.empty((channels, len(values) - 1), np.int64)
    falling = np.arange(channels) % 3 == 2
    for channel in range(channels):
        ties = channel % 2 == 1
        scale = 2 ** int(random.integers(1, 6)) if ties else int(random.integers(3, 50))
        for place in range(len(values) - 1):
            twice = (values[place] + values[place + 1]) * scale  # of the boundary, in units of a sum
            above = (place + 1 - values.index(0)) % 2  # a tie stays below an odd place
            rows[channel, place] = twice // 2 + above if ties else -(-(3 * twice + 2) // 6)
        if falling[channel]:
            rows[channel] = 1 - rows[channel][::-1]
        rows[channel] += int(random.integers(-reach // 8, reach // 8 + 1))
    return Threshold("rule", ["x"], ["y"], fmt, np.clip(rows, -reach, reach + 1), falling)


def behind_relu(rule: Threshold, reach: int) -> Threshold:
    """The same without negative values, which channels that fall pass last."""
    negative = [int(v) for v in rule.format.integers[rule.format.codes]].index(0)
    rows = rule.thresholds.copy()
    rows[~rule.falling, :negative] = -reach
    rows[rule.falling, rows.shape[1] - negative :] = reach + 1
    return Threshold("rule", ["x"], ["y"], rule.format, rows, rule.falling)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["e2m1", "e2m3", "e3m2", "e4m3", "int4", "uint4", "int8"])
@pytest.mark.parametrize("bits", [11, 20, 28, 45])
def test_lines_are_proven_and_right_on_every_side(name: str, bits: int, level: str) -> None:
    lines_are_proven(on_a_line(parse(name), 19, 2**bits, bits), 2**bits, level)


@pytest.mark.parametrize("name", ["e3m2", "int8"])
def test_lines_behind_a_relu_are_proven_too(name: str) -> None:
    rule = behind_relu(on_a_line(parse(name), 19, 2**20, 20), 2**20)
    requantiser = lines_are_proven(rule, 2**20, "longest")
    assert requantiser.affine is not None and requantiser.affine.structure.low == 0


def lines_are_proven(rule: Threshold, reach: int, level: str) -> Requantiser:
    """A requantiser by arithmetic gives the codes of its definition."""
    channels = len(rule.thresholds)
    source = Tensor.accumulator("x", (1, 1, channels), -reach, reach)
    (out,) = rule.infer([source])
    requantiser = Requantiser(rule, source, out, kernels.load(**LEVELS[level]))
    assert requantiser.affine is not None or out.low == out.high
    random = np.random.default_rng(3)
    near = rule.thresholds.T[:, None] + np.arange(-3, 4)[None, :, None]
    sums = np.concatenate([near.reshape(-1, channels), random.integers(-reach, reach + 1, (500, channels))])
    sums = np.clip(sums, source.low, source.high)[:, None, None]
    found = requantiser.apply(sums, kernels.load(**LEVELS[level]))
    (expected,) = rule.execute([source.format.from_integers(sums)], [source])
    np.testing.assert_array_equal(found, to_carrier(expected, out))
    return requantiser


def test_a_step_off_the_line_is_no_line() -> None:
    """Negative control: the comparison on both sides of thresholds sees one that is moved."""
    reach, channels = 2**14, 16
    source = Tensor.accumulator("x", (1, 1, channels), -reach, reach)
    rule = on_a_line(parse("int4"), channels, reach, 0)
    place = int(np.flatnonzero(np.abs(rule.thresholds[1]) < reach)[7])
    rule.thresholds[1, place] += np.diff(rule.thresholds[1]).max() // 2
    (out,) = rule.infer([source])
    library = kernels.load()
    requantiser = Requantiser(rule, source, out, library)
    assert requantiser.affine is None
    sums = np.sort(np.random.default_rng(0).integers(-reach, reach + 1, (4000, 1, 1, channels)), axis=0)
    (expected,) = rule.execute([source.format.from_integers(sums)], [source])
    np.testing.assert_array_equal(requantiser.apply(sums, library), to_carrier(expected, out))


def test_a_definition_with_other_steps_is_not_proven() -> None:
    """Negative control: thresholds that are not those of the definition prove nothing."""
    stairs = Staircase(np.array([[0, 10]]), np.array([False]), np.array([0, 1, 2]), -50, 50)
    probes = stairs.probes()
    assert stairs.is_of((probes >= 0).astype(int) + (probes >= 10))
    assert not stairs.is_of((probes >= 1).astype(int) + (probes >= 10))
    assert not stairs.is_of((probes >= 0).astype(int) + (probes >= 9))


# ---- bounds ------------------------------------------------------------------------------------------------


def test_digits_do_not_pass_what_they_hold() -> None:
    """Sums at the bound of 32 bits are taken in one pass, larger ones in several."""
    rows = np.full((1, 1, 1, 2), 2**14)
    single = passes(Operands(rows, 0, 2**15 - 1))
    assert single is not None and len(single) == 1
    more = passes(Operands(np.full((1, 1, 1, 5), 2**14), 0, 2**15 - 1))
    assert more is not None and len(more) > 1
    for each in more:
        assert each.fits(0, 2**15 - 1)


@pytest.mark.parametrize("high", [255, 127, 15, 1, 0])
@pytest.mark.parametrize("largest", [-128, 127, 7, 0])
def test_steps_of_pairs_of_bytes_fit_16_bits(largest: int, high: int) -> None:
    """Steps add up to the weights, and sums of their pairs stay below 2**15."""
    random = np.random.default_rng(high)
    low, top = min(largest, 0), max(largest, 0)
    panels = random.integers(low, top + 1, (2, 3, 5, LANES, 4)).astype(np.int8)
    panels[0, 0, :2], panels[1, 1, 2] = largest, 0
    steps = Steps.of(panels, high, 100)
    found = np.zeros(panels.shape, np.int64)
    begins = [0, *steps.ends[:-1]]
    for block, (begin, end) in enumerate(zip(begins, steps.ends)):
        row, group = steps.places[begin:end] // 100, steps.places[begin:end] % 100 // 4
        np.add.at(found[block], (row, group), steps.weights[begin:end])
        for first in range(begin, end, steps.together):
            taken = steps.weights[first : min(first + steps.together, end)]
            assert reach(taken).sum(axis=1).max() * high < 2**15
    np.testing.assert_array_equal(found, panels)


def test_a_pair_too_large_takes_several_steps() -> None:
    """255 times 127, twice, is more than 16 bits hold; of other signs they are not added."""
    panels = np.full((1, 1, 1, LANES, 4), 127, np.int8)
    assert len(Steps.of(panels, 255, 4).weights) == 2
    assert len(Steps.of(panels, 127, 4).weights) == 1
    panels[..., 1::2] = -127
    assert len(Steps.of(panels, 255, 4).weights) == 1


def test_as_many_steps_are_added_in_16_bits_as_fit() -> None:
    """64 times 7, twice, is 896: 36 of them fit 16 bits, of 37 a half."""
    assert Steps.of(np.full((1, 1, 36, LANES, 4), 7, np.int8), 64, 4).together == 36
    assert Steps.of(np.full((1, 1, 37, LANES, 4), 7, np.int8), 64, 4).together == 19


def test_steps_are_added_two_by_two_where_most_find_another() -> None:
    """Largest with smallest: 100 and 28 reach 128, which 255 still fit; one that is left over gets zeros."""
    panels = np.zeros((2, 1, 5, LANES, 4), np.int8)
    panels[..., 0] = np.array([100, 28, 90, 38, 30], np.int8)[:, None]
    steps = Steps.of(panels, 255, 4)
    assert steps.together == 2
    assert steps.weights[:6, 0, 0].tolist() == [100, 28, 90, 38, 30, 0]
    assert steps.places[:5].tolist() == [0, 4, 8, 12, 16]
    assert steps.ends.tolist() == [6, 12]
    panels[..., 0] = 100
    assert Steps.of(panels, 255, 4).together == 1


def test_structures_have_the_size_of_their_kernels() -> None:
    from pyqkit.emulate.carriers.digits import _Digits
    from pyqkit.emulate.carriers.narrow import _Convolution

    assert ctypes.sizeof(_Convolution) == 15 * 4 + 6 * 4 + 4 + 7 * 8
    assert ctypes.sizeof(_Digits) == 15 * 4 + 5 * 4 + 7 * 8
