"""Products of Logarithmic Posits through every carrier that holds them, against the operator's definition."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from pyqkit.emulate import kernels, lookups
from pyqkit.emulate.compute import bound
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.layers import Layer, carriers_of
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Factors
from pyqkit.formats import LogPosit, NumberFormat, parse, product
from pyqkit.graph.graph import to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Threshold
from tests.emulate.networks import Net
from tests.emulate.test_carriers import LEVELS
from tests.emulate.test_engines import needs_compiler

pytestmark = needs_compiler
WIDEST = 62  # bits of products of which a graph has sums
FORMATS = [f for f in LogPosit.examples() if not f.scale_factor and product(f, f).bits <= WIDEST]
MIXED = [
    ("lp8_1_3", "lp4_0_3"),
    ("lp4_0_3", "lp8_2_5"),
    ("lp8_0_7", "lp3_1_2"),
    ("lp6_2_2", "lp5_0_1"),
    ("lp2_0_1", "lp8_1_7"),
]
SIMPLE = "lp8_1_3"
NAME = "int16 lookups"


def sums(layer: Layer, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Of each carrier that is exact, by its name."""
    found = {}
    for name, carrier in carriers_of(layer).items():
        kind = carrier.result_type or np.dtype(np.int64)
        found[name] = np.empty((len(codes), *layer.out.shape), kind)
        bound(carrier.compile(None), [codes.astype(np.uint8)], found[name])()
    return found


def check(net: Net, op: Convolution) -> set[str]:
    """All carriers, with vector instructions and without, give the sums of the definition; which they are."""
    net.add(op)
    tensor, out = net.graph.tensors["x"], net.graph.tensors[op.outputs[0]]
    wanted = to_integers(net.values[op.outputs[0]], out.format)
    names: set[str] = set()
    for level in LEVELS.values():
        for name, found in sums(Layer(op, tensor, out, kernels.load(**level)), net.codes["x"]).items():
            np.testing.assert_array_equal(found, wanted, err_msg=f"{name}, {level}")
            names.add(name)
    return names


def all_pairs(left: NumberFormat, right: NumberFormat) -> tuple[Net, Convolution]:
    """A pixel for each code of the left format, and an output for each of the right one."""
    net = Net(left, right, (1, len(left.codes), 1), frames=2)
    net.codes["x"][...] = np.asarray(left.codes).reshape(1, -1, 1)
    return net, Convolution("y", ["x"], ["y"], np.asarray(right.codes).reshape(-1, 1, 1, 1), right)


@pytest.mark.parametrize("name", [fmt.name for fmt in FORMATS if fmt.bits in (2, 4, 8)])
def test_all_pairs_of_codes(name: str) -> None:
    check(*all_pairs(parse(name), parse(name)))


@pytest.mark.long
@pytest.mark.parametrize("name", [fmt.name for fmt in FORMATS if fmt.bits not in (2, 4, 8)])
def test_all_pairs_of_the_other_formats(name: str) -> None:
    check(*all_pairs(parse(name), parse(name)))


@pytest.mark.parametrize(("left", "right"), MIXED)
def test_all_pairs_of_two_formats(left: str, right: str) -> None:
    check(*all_pairs(parse(left), parse(right)))


def test_the_formats_of_searches_are_looked_up() -> None:
    for name in ("lp8_1_3", "lp4_0_3", "lp6_1_3", "lp8_2_3", "lp8_0_1", "lp7_0_6", "lp3_0_2", "lp2_0_1"):
        assert NAME in check(*all_pairs(parse(name), parse(name))), name


@pytest.mark.parametrize("name", ["lp8_1_3", "lp4_0_3", "lp6_2_2", "lp6_0_2"])
@pytest.mark.parametrize("channels", [3, 64])
def test_largest_sums(name: str, channels: int) -> None:
    """Every product at an end of its range, so that sums reach what the weights allow, of both signs."""
    fmt = parse(name)
    table = product(fmt, fmt).table
    code, other = (int(c) for c in np.unravel_index(table.argmax(), table.shape))
    opposite = int(table[code].argmin())
    net = Net(fmt, fmt, (5, 8, channels), frames=2)
    net.codes["x"][...] = code
    net.codes["x"][1, ::2] = int(table[:, other].argmin())
    net.values["x"] = net.codes["x"]
    weights = np.full((5, 3, 3, channels), other)
    weights[1] = opposite
    weights[2, ..., ::2] = opposite
    weights[3, 0] = int(np.abs(table[code]).argmin())
    op = Convolution("y", ["x"], ["y"], weights, fmt, padding=(1, 1, 1, 1))
    names = check(net, op)
    assert NAME in names
    reached = to_integers(net.values["y"], net.graph.tensors["y"].format)
    assert reached.max() == 9 * channels * int(table.max())


@pytest.mark.parametrize("width", [1, 7, 8, 16, 32])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3)])
def test_windows(width: int, stride: tuple[int, int]) -> None:
    """Tiles that end within a row, at its end and beyond a frame, borders, channels turned in blocks."""
    fmt = parse(SIMPLE)
    for channels, outputs, kernel in ((16, 16, 3), (5, 3, 1), (32, 9, 2)):
        net = Net(fmt, fmt, (4, width, channels), frames=3, seed=width)
        weights = net.random.choice(fmt.codes, (outputs, kernel, kernel, channels))
        op = Convolution("y", ["x"], ["y"], weights, fmt, stride, (1, 2, 0, 1))
        assert NAME in check(net, op)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (1, 21), (8, 8), (1, 65), (3, 37)])
def test_windows_of_one_pixel(shape: tuple[int, int]) -> None:
    """Pixels of all frames in tiles: fewer than one, whole ones, and a rest of each number of vectors."""
    fmt = parse(SIMPLE)
    for channels, outputs, frames in ((16, 16, 3), (5, 3, 2), (33, 17, 4)):
        net = Net(fmt, fmt, (*shape, channels), frames=frames, seed=shape[1])
        weights = net.random.choice(fmt.codes, (outputs, 1, 1, channels))
        assert NAME in check(net, Convolution("y", ["x"], ["y"], weights, fmt))


def test_weights_in_blocks() -> None:
    """Shifts of blocks are added to those of the weights."""
    fmt = parse(SIMPLE)
    net = Net(fmt, fmt, (4, 5, 6))
    weights = net.random.choice(fmt.codes, (5, 3, 3, 6))
    exponents = net.random.integers(0, 5, (5, 3, 3, 3))
    border = (1, 1, 1, 1)
    op = Convolution("y", ["x"], ["y"], weights, fmt, padding=border, block=2, exponents=exponents)
    assert NAME in check(net, op)


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("alike", [False, True])
def test_ties_of_thresholds(bits: int, joined: bool, alike: bool) -> None:
    """Thresholds at sums that occur, and next to them, where float32 has one number for many sums.

    Channels have their own, or all have those of the first.
    """
    fmt = parse(SIMPLE)
    out = next(f for f in FORMATS if f.bits == bits)
    net = Net(fmt, fmt, (6, 16, 8), frames=2, seed=bits)
    weights = np.where(net.random.random((16, 3, 3, 8)) < 0.5, fmt.codes[-1], fmt.codes[len(fmt.codes) // 2])
    total = net.add(Convolution("sums", ["x"], ["sums"], weights, fmt, padding=(1, 1, 1, 1)))
    if joined:
        other = net.threshold("other", total, fmt)
        factors = net.random.integers(-9, 10, (2, 16))
        total = net.add(Add("join", [net.conv("more", "x", 16), other], ["join"], factors))
    tensor = net.graph.tensors[total]
    values = to_integers(net.values[total], tensor.format)
    steps = len(out.codes) - 1
    table = np.empty((16, steps), np.int64)
    for channel in range(16):
        near = values[..., channel].ravel()[
            np.abs(values[..., channel].ravel()).argsort()[-max(3, steps // 9) :]
        ]
        table[channel] = np.sort(net.random.choice(near, steps) + net.random.integers(-2, 3, steps))
    table = np.clip(table, tensor.low, tensor.high + 1)
    down = np.arange(16) % 3 == 0
    if alike:
        table[:], down[:] = table[0], False
    op = Threshold("y", [total], ["y"], out, table, down)
    net.finish(net.add(op))
    tensors = net.graph.tensors
    requantiser = Requantiser(op, tensor, tensors["y"])
    conv = next(o for o in net.graph.operators if o.outputs == ["more" if joined else "sums"])
    assert isinstance(conv, Convolution)
    branch: Factors | None = None
    others = []
    if joined:
        add = next(o for o in net.graph.operators if isinstance(o, Add))
        branch = Factors(add.multipliers[0], add.multipliers[1], tensors["other"], np.dtype(np.uint8))
        others = [net.values["other"].astype(np.uint8)]
    tried = set()
    for level in LEVELS.values():
        layer = Layer(conv, tensors["x"], tensors[conv.outputs[0]], kernels.load(**level))
        for name, carrier in carriers_of(layer).items():
            if branch is None or carrier.fits_join(branch, requantiser):
                found = np.empty((2, *tensors["y"].shape), requantiser.out_type)
                bound(
                    carrier.compile(requantiser, branch), [net.codes["x"].astype(np.uint8), *others], found
                )()
                np.testing.assert_array_equal(found, net.values["y"], err_msg=f"{name}, {level}")
                tried.add(name)
    assert NAME in tried
    engine = ExactEngine(net.graph)
    np.testing.assert_array_equal(engine.run(net.codes)["y"], net.values["y"])


def everywhere() -> None:
    """What sanitizers watch."""
    for name in ("lp8_1_3", "lp8_0_1", "lp8_2_3", "lp3_1_2"):
        check(*all_pairs(parse(name), parse(name)))
    for width in (1, 7, 8, 32):
        for stride in ((1, 1), (2, 3)):
            test_windows(width, stride)
    for shape in ((1, 1), (5, 3), (8, 8), (1, 65)):
        test_windows_of_one_pixel(shape)
    for bits in (2, 6, 8):
        for joined, alike in itertools.product((False, True), repeat=2):
            test_ties_of_thresholds(bits, joined, alike)


CHANGES = {
    ("Weights", "rows"): lambda rows: rows + (np.arange(rows.shape[1]) == 3)[:, None].astype(np.int16),
    ("Weights", "shift"): lambda shift: np.maximum(shift - 1, 0),
    ("Activations", "power"): lambda power: np.roll(power, 1),
}


@pytest.mark.parametrize(("kind", "field"), CHANGES)
def test_mutants_of_tables_are_seen(monkeypatch: pytest.MonkeyPatch, kind: str, field: str) -> None:
    make = getattr(lookups, kind).of

    def mutant(*given: object) -> object:
        right = make(*given)
        return dataclasses.replace(right, **{field: CHANGES[kind, field](getattr(right, field))})

    monkeypatch.setattr(getattr(lookups, kind), "of", mutant)
    with pytest.raises(AssertionError, match=NAME):
        check(*all_pairs(parse(SIMPLE), parse(SIMPLE)))


def test_a_chunk_of_more_than_32_bits_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_chunk", lambda bounds, most: bounds.shape[1])
    with pytest.raises(AssertionError, match=NAME):
        test_largest_sums(SIMPLE, 64)
