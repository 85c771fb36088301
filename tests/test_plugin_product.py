"""A kind of product that pyqkit does not have: what engines and generators make of it, no file changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.errors import UserError
from pyqkit.formats import Integer, NumberFormat, parse, product
from pyqkit.formats.products import DecodedProduct, Product, multiplies, pairs
from pyqkit.formats.products.decoded import unit_and_range
from pyqkit.formats.products.dsp import dsp_refusal
from pyqkit.hls.generate import generate
from pyqkit.rtl.products import product_block
from tests.emulate.networks import Net


@dataclass(frozen=True)
class Doubling(NumberFormat):
    """Powers of two by their exponent."""

    name = "doubling"
    bits = 2
    unit_exponent = 0

    def integer(self, code: int) -> int:
        return 1 << code


@dataclass(frozen=True, eq=False)
class Shifted(Product):
    """The left integer is shifted by the right code."""

    operation = "shifts"

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        return self.left.integers[:, None], 1 << np.arange(2**self.right.bits)[:, None]

    def of(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return self.left.integers[left] << np.asarray(right, np.int64)

    def _all_products(self) -> np.ndarray:
        return self.of(np.arange(2**self.left.bits)[:, None], np.arange(2**self.right.bits)).astype(object)


class Known(DecodedProduct):
    """A kind that refines one that everybody knows."""


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Product]]:
    """The kind of products of integers and `Doubling`, while a test runs."""
    monkeypatch.setattr(pairs, "_rules", dict(pairs._rules))
    found: type[Product] = request.param

    @multiplies(Integer, Doubling)
    def rule(left: Integer, right: Doubling) -> Product:
        return found(left, right, *unit_and_range(left, right))

    yield found
    for cached in (product, dsp_refusal, product_block):
        cached.cache_clear()


def network() -> Net:
    """One layer of it."""
    net = Net(parse("int4"), Doubling())
    net.finish(net.conv("layer", "x", 4))
    return net


def test_a_family_without_a_rule_is_decoded() -> None:
    pair = product(parse("int4"), Doubling())
    assert type(pair) is DecodedProduct
    np.testing.assert_array_equal(pair.integers[1], [1, 2, 4, 8])


@pytest.mark.parametrize("kind", [Shifted, Known], indirect=True, ids=lambda k: k.__name__)
def test_exact_reads_the_factors(kind: type[Product]) -> None:
    assert type(product(parse("int4"), Doubling())) is kind
    assert type(product(Doubling(), parse("int4"))) is DecodedProduct, "a rule is for left and right"
    net = network()
    for portable in (True, False):
        found = ExactEngine(net.graph, portable=portable).run(net.codes)
        np.testing.assert_array_equal(found["layer"], net.values["layer"])


@pytest.mark.parametrize("kind", [Shifted], indirect=True, ids=lambda k: k.__name__)
def test_generators_take_what_they_do_not_know_by_its_table_or_refuse(kind: type[Product]) -> None:
    left, right = parse("int4"), Doubling()
    block = product_block(left, right)
    assert block.module == "product_table" and block.width == product(left, right).bits == 7
    table = int(str(block.parameters["TABLE"]).partition("'h")[2], 16)
    entries = np.array([table >> 7 * i & 127 for i in range(64)])
    np.testing.assert_array_equal(
        np.where(entries < 64, entries, entries - 128), product(left, right).table.ravel()
    )
    assert dsp_refusal(left, right) == (
        "products that are multiplications were expected, but int4 times doubling shifts"
    )
    with pytest.raises(
        UserError, match="^a product with a C\\+\\+ type was expected, but int4 times doubling shifts; "
    ):
        generate(network().graph)


@pytest.mark.parametrize("kind", [Known], indirect=True, ids=lambda k: k.__name__)
def test_generators_take_a_refined_kind_as_what_it_refines(kind: type[Product]) -> None:
    assert product_block(parse("int4"), Doubling()).module == "product_decoded"
    text = "".join(generate(network().graph).files.values())
    assert "pyqkit::IntegerProduct<pyqkit::Integer<4, true, 0>, pyqkit::TableFormat<2, 5, " in text
