"""Products of two streams of Logarithmic Posits that are looked up, against the operator's definition."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pyqkit.emulate import kernels, stream_lookups
from pyqkit.emulate.carrier import carrier_type
from pyqkit.emulate.compute import bound
from pyqkit.emulate.operators.matrix_product import MatrixProductRunner
from pyqkit.emulate.requantiser import Requantiser
from pyqkit.emulate.runner import Context
from pyqkit.emulate.stream_lookups import StreamLookups
from pyqkit.formats import parse, product
from pyqkit.graph.graph import Tensor, to_integers
from pyqkit.graph.ops.matrix_product import MatrixProduct
from pyqkit.graph.ops.requantise import Threshold
from tests.emulate.test_carriers import LEVELS
from tests.emulate.test_engines import needs_compiler
from tests.emulate.test_lookup import MIXED, SIMPLE

pytestmark = needs_compiler
NAME = "int16 lookups"
FRAMES = 3
WIDE = "lp4_0_3", "lp8_2_5"  # rows of more than 16 bits
SUITED = [*((name, name) for name in ("lp8_1_3", "lp8_0_1", "lp4_0_3")), *(p for p in MIXED if p != WIDE)]


@dataclasses.dataclass
class Pair:
    """Codes of two streams, and the sums of the definition."""

    op: MatrixProduct
    tensors: list[Tensor]
    codes: list[np.ndarray]

    def __post_init__(self) -> None:
        (self.out,) = self.op.infer(self.tensors)
        self.found = self.op.execute(self.codes, self.tensors)[0]

    @classmethod
    def random(
        cls, names: tuple[str, str], tokens: tuple[int, int], width: int, heads: int, across: bool
    ) -> Pair:
        """Any codes, in `width` channels of each head."""
        draw = np.random.default_rng(tokens[0] + width)
        channels = heads * (tokens[1] if across else width), heads * width
        tensors, codes = [], []
        for name, pixels, count in zip(names, tokens, channels):
            fmt = parse(name)
            tensors.append(Tensor.of(name + str(len(tensors)), (1, pixels, count), fmt))
            codes.append(draw.choice(fmt.codes, (FRAMES, 1, pixels, count)))
        return cls(MatrixProduct("y", [t.name for t in tensors], ["y"], heads, across), tensors, codes)

    def runner(self, level: dict[str, bool]) -> MatrixProductRunner:
        types = {tensor.name: carrier_type(tensor) for tensor in (*self.tensors, self.out)}
        return MatrixProductRunner(self.op, Context(self.tensors, self.out, types, kernels.load(**level)))

    def check(self, carrier: str = NAME) -> None:
        """With vector instructions and without."""
        wanted = to_integers(self.found, self.out.format)
        for name, level in LEVELS.items():
            runner = self.runner(level)
            assert runner.carrier == carrier
            result = np.empty(wanted.shape, runner.result_type())
            bound(runner.alone(), [codes.astype(np.uint8) for codes in self.codes], result)()
            np.testing.assert_array_equal(result, wanted, err_msg=f"{NAME}, {name}")

    def check_requantised(self, op: Threshold) -> None:
        (tensor,) = op.infer([self.out])
        (wanted,) = op.execute([self.found], [self.out])
        assert len(np.unique(wanted)) > 2
        for name, level in LEVELS.items():
            requantiser = Requantiser(op, self.out, tensor, kernels.load(**level))
            compute = self.runner(level).fused(requantiser)
            assert compute is not None
            result = np.empty(wanted.shape, requantiser.out_type)
            bound(compute, [codes.astype(np.uint8) for codes in self.codes], result)()
            integers = wanted if tensor.format.is_logarithmic else to_integers(wanted, tensor.format)
            np.testing.assert_array_equal(result, integers, err_msg=f"{NAME}, {name}")


def all_pairs(left: str, right: str) -> Pair:
    """A pixel of each stream for each of its codes."""
    pair = Pair.random((left, right), (len(parse(left).codes), len(parse(right).codes)), 1, 1, False)
    for codes, tensor in zip(pair.codes, pair.tensors):
        codes[...] = np.asarray(tensor.format.codes).reshape(1, 1, -1, 1)
    return Pair(pair.op, pair.tensors, pair.codes)


@pytest.mark.parametrize(("left", "right"), SUITED)
def test_all_pairs_of_codes(left: str, right: str) -> None:
    all_pairs(left, right).check()


def test_rows_of_more_than_16_bits_are_not_looked_up() -> None:
    all_pairs(*WIDE).check("float64 streams")


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("tokens", [(1, 1), (5, 7), (16, 15), (33, 2), (65, 65), (130, 80)])
def test_sizes(tokens: tuple[int, int], across: bool) -> None:
    """Tiles and fours that are full and not, odd numbers of terms, several chunks."""
    for width, heads in ((1, 1), (5, 3), (16, 2)):
        Pair.random((SIMPLE, SIMPLE), tokens, width, heads, across).check()


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("name", ["lp8_1_3", "lp8_2_3", "lp8_0_7"])
def test_largest_sums(name: str, across: bool) -> None:
    """Every product at an end of its range, of one sign, with codes of every shift."""
    table = product(parse(name), parse(name)).table
    left, right = (int(code) for code in np.unravel_index(table.argmax(), table.shape))
    lookups = StreamLookups.of(*Pair.random((name, name), (1, 1), 1, 1, across).tensors)
    assert lookups is not None
    pair = Pair.random((name, name), (17, 90), 90, 1, across)
    pair.codes[0][...] = left
    pair.codes[1][...] = right
    for index, row in enumerate(lookups.row):  # the largest product of each shift
        best = np.where(row[: table.shape[1]] != 0, table[left], -1).argmax()
        pair.codes[1][1, :, :, index::2] = best
        pair.codes[1][2, :, index::2] = best
    wanted = Pair(pair.op, pair.tensors, pair.codes)
    assert to_integers(wanted.found, wanted.out.format).max() == 90 * int(table.max())
    wanted.check()


@pytest.mark.parametrize("out", ["lp8_1_3", "lp4_0_3", "int4", "e4m3"])
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("across", [False, True])
def test_ties_of_thresholds(out: str, alike: bool, across: bool) -> None:
    """Thresholds at sums that occur and next to them; of each channel, or of all."""
    pair = Pair.random((SIMPLE, SIMPLE), (37, 20), 6, 3, across)
    draw, fmt = np.random.default_rng(1), parse(out)
    values, channels = to_integers(pair.found, pair.out.format), pair.out.shape[2]
    steps = len(fmt.codes) - 1
    table = np.empty((channels, steps), np.int64)
    for channel in range(channels):
        near = draw.choice(values[..., channel].ravel(), steps)
        table[channel] = np.sort(near + draw.integers(-1, 2, steps))
    table = np.clip(table, pair.out.low, pair.out.high + 1)
    down = np.arange(channels) % 3 == 0
    if alike:
        table[:], down[:] = table[0], False
    pair.check_requantised(Threshold("z", ["y"], ["z"], fmt, table, down))


def everywhere() -> None:
    """What sanitizers watch."""
    all_pairs(*MIXED[0]).check()
    for across in (False, True):
        for tokens in ((1, 1), (33, 2), (65, 65)):
            test_sizes(tokens, across)
        test_largest_sums("lp8_2_3", across)
        for out in ("lp8_1_3", "int4"):
            test_ties_of_thresholds(out, across, across)


CHANGES = {
    "row": lambda row: np.where(row == 3, 4, row).astype(np.uint16),
    "shifts": lambda shifts: np.maximum(shifts - 1, 0),
    "chunk": lambda chunk: 4 * chunk,
}


@pytest.mark.parametrize("field", CHANGES)
def test_mutants_of_tables_are_seen(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    make = StreamLookups.of

    def mutant(left: Tensor, right: Tensor) -> StreamLookups | None:
        found = make(left, right)
        return found and dataclasses.replace(found, **{field: CHANGES[field](getattr(found, field))})

    monkeypatch.setattr(stream_lookups.StreamLookups, "of", mutant)
    with pytest.raises(AssertionError, match=NAME):
        all_pairs(SIMPLE, SIMPLE).check()
        test_largest_sums(SIMPLE, False)
