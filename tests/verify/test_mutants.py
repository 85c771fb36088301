"""A lowering that reads the file otherwise than it says is convicted: `verify` ends with 1 and names the
layer.

Each mutant changes one function of the lowering (or an engine) while a small network is compiled. Most lie
where reference and lowering once called the same function, and agreed on the same mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.formats import Minifloat, base
from pyqkit.formats.base import Boundary
from pyqkit.graph.lowering import rules
from pyqkit.graph.lowering.nodes import linear, pooling, quantisers
from pyqkit.graph.lowering.quantiser import Quantiser
from tests.cli.calls import run
from tests.graph.qonnx_builder import GENERAL, Builder

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Network:
    """A network whose layer `culprit` (a tensor of the file) is the first that the mutant makes wrong."""

    model: Any
    culprit: str


def convolution(kernel: int = 3, last: str = "int4", **attributes: Any) -> Network:
    """Convolution 3 to 4 channels on 7x6 pixels with what a test says of it, and a layer behind it."""
    b = Builder(3, 7, 6)
    window = {"pads": None, **attributes} if "auto_pad" in attributes else attributes
    weights = b.weights("int4", 4, 3 // attributes.get("group", 1), kernel, kernel)
    x = b.node(
        "Conv", b.quantise("x", "int8", 0.0625), weights, **{k: v for k, v in window.items() if v is not None}
    )
    return _behind(b, x, 4)


def _behind(b: Builder, x: str, channels: int) -> Network:
    culprit = b.quantise(x, "int8", 0.25)
    return Network(b.model(b.quantise(b.conv(culprit, "int4", 2, channels, 1), "int8", 0.5)), culprit)


def quantiser(**attributes: Any) -> Network:
    """An activation quantiser with an offset before it and a layer behind."""
    b = Builder(3, 5, 4)
    x = b.node(
        "Add",
        b.conv(b.quantise("x", "int8", 0.0625), "int4", 4, 3),
        b.constant(np.array([0.3, -0.7, 1.1, 5]).reshape(1, 4, 1, 1)),
    )
    fmt = attributes.pop("format", "int4")
    culprit = b.quantise(x, fmt, 0.5, **attributes)
    return Network(b.model(b.quantise(b.conv(culprit, "int4", 2, 4, 1), "int8", 0.5)), culprit)


def weights(name: str, scale: Any = 0.25) -> Network:
    """Weights of one format."""
    b = Builder(4, 5, 4)
    return _behind(b, b.conv(b.quantise("x", "int8", 0.0625), name, 6, 4, scale=scale), 6)


def signed_weights() -> Network:
    """Integer weights with scales of both signs."""
    b = Builder(4, 5, 4)
    values, zero, bits = b.constant(b.random.normal(0, 1, (6, 4, 3, 3))), b.constant(0), b.constant(4)
    w = b.node(
        "Quant",
        values,
        b.constant(_MIXED),
        zero,
        bits,
        domain=GENERAL,
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )
    return _behind(b, b.node("Conv", b.quantise("x", "int8", 0.0625), w), 6)


def bipolar(scale: Any) -> Network:
    """Weights of -1 and 1, some of them exactly zero before they are quantised."""
    b = Builder(4, 5, 4)
    values = np.round(b.random.normal(0, 1, (6, 4, 3, 3)))
    w = b.node("BipolarQuant", b.constant(values), b.constant(scale), domain=GENERAL)
    return _behind(b, b.node("Conv", b.quantise("x", "int8", 0.0625), w), 6)


def pool() -> Network:
    """A max pool with padding to the same size."""
    b = Builder(3, 6, 7)
    x = b.node(
        "MaxPool", b.quantise("x", "int8", 0.0625), kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_LOWER"
    )
    return _behind(b, x, 3)


def normalised() -> Network:
    """A batch norm with means of both signs."""
    b = Builder(3, 5, 4)
    return _behind(b, b.batch_norm(b.conv(b.quantise("x", "int8", 0.0625), "int4", 4, 3), 4), 4)


def square_linear() -> Network:
    """A linear layer with as many outputs as inputs."""
    b = Builder(6)
    x = b.node("Gemm", b.quantise("x", "int8", 0.0625), b.weights("int4", 6, 6), transB=1)
    culprit = b.quantise(x, "int8", 0.25)
    return Network(b.model(b.node("Gemm", culprit, b.weights("int4", 3, 6), transB=1)), culprit)


def rounded_down() -> Network:
    """An input that is rounded down."""
    b = Builder(3, 5, 4)
    culprit = b.quantise("x", "int8", 0.25, rounding_mode="FLOOR")
    return Network(b.model(b.quantise(b.conv(culprit, "int4", 2, 3, 1), "int8", 0.5)), culprit)


# ---- mutants -----------------------------------------------------------------------------------------------


def misread(module: Any, function: str, change: Callable[[Any], None]) -> Callable[[Patch], None]:
    """A function of the lowering that takes a node sees another one."""

    def mutate(patch: Patch) -> None:
        right = getattr(module, function)

        def wrong(node: Any, *rest: Any) -> Any:
            other = replace(node, inputs=list(node.inputs), attributes=dict(node.attributes))
            change(other)
            return right(other, *rest)

        for place in (linear, pooling, quantisers):
            if hasattr(place, function):
                patch.setattr(place, function, wrong)

    return mutate


def misread_rule(kind: str, change: Callable[[Any], None]) -> Callable[[Patch], None]:
    """The lowering's rule of a node type sees another node."""

    def mutate(patch: Patch) -> None:
        rule = rules.rules()[kind]

        def wrong(lowering: Any, node: Any) -> Any:
            other = replace(node, inputs=list(node.inputs), attributes=dict(node.attributes))
            change(other)
            return rule.lower(lowering, other)

        patch.setitem(rules._rules, kind, replace(rule, lower=wrong))

    return mutate


def _other_side(node: Any) -> None:
    other = {"SAME_UPPER": "SAME_LOWER", "SAME_LOWER": "SAME_UPPER"}
    node.attributes.update({key: other[side] for key, side in node.attributes.items() if key == "auto_pad"})


def _pads_at_the_other_end(node: Any) -> None:
    top, left, bottom, right = node.attributes.get("pads", [0, 0, 0, 0])
    node.attributes["pads"] = [bottom, right, top, left]


def _set(key: str, value: Any) -> Callable[[Any], None]:
    return lambda node: node.attributes.update({key: value})


def _exchange(one: str, other: str) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        first, second = (node.attributes.get(key, [1, 1]) for key in (one, other))
        node.attributes.update({one: second, other: first})

    return change


def _change_input(index: int, how: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        node.inputs[index] = how(node.inputs[index])

    return change


def _not_transposed(node: Any) -> None:
    square = node.inputs[1].codes.shape[0] == node.inputs[1].codes.shape[1]
    node.attributes["transB"] = 0 if square else 1


def _bias_off_by_one(node: Any) -> None:
    node.inputs[4], node.inputs[5] = np.asarray(node.inputs[4] - 1), np.asarray(node.inputs[5] * 2)


def _shifted_blocks(patch: Patch) -> None:
    from pyqkit.formats import Microscaled

    right = Microscaled.encode

    def wrong(self: Any, x: np.ndarray, axis: int = -1) -> Any:
        codes, exponents = right(self, x, axis)
        return codes, np.roll(exponents, 1, axis=-1)

    patch.setattr(Microscaled, "encode", wrong)


def _quantiser_of(change: Callable[[Quantiser], Quantiser]) -> Callable[[Patch], None]:
    def mutate(patch: Patch) -> None:
        right = Quantiser.of
        patch.setattr(Quantiser, "of", classmethod(lambda cls, *given: change(right(*given))))

    return mutate


def _ties_up(made: Quantiser) -> Quantiser:
    return replace(made, boundaries=tuple(Boundary(b.position, True) for b in made.boundaries))


def _zero_is_negative(patch: Patch) -> None:
    right = quantisers.bipolar_quantiser
    exclusive = (Boundary(Fraction(0), False),)
    patch.setattr(quantisers, "bipolar_quantiser", lambda node: replace(right(node), boundaries=exclusive))


def _unsigned_scale(patch: Patch) -> None:
    right = quantisers.bipolar_quantiser
    patch.setattr(
        quantisers, "bipolar_quantiser", lambda node: replace(right(node), scale=abs(right(node).scale))
    )


def _minifloat_ties_to_zero(patch: Patch) -> None:
    """The format's own table of boundaries is wrong: the reference rounds by the values."""
    patch.setattr(Minifloat, "tie_goes_up", lambda self, lower, upper: lower >> (self.bits - 1) == 1)


def _next_groups(patch: Patch) -> None:
    """Outputs of a group read the next group's weights."""
    made = linear.emit_sums

    def wrong(lowering: Any, node: Any, real: Any, kernels: linear.Kernels) -> Any:
        rolled = np.roll(kernels.codes, len(kernels.codes) // kernels.groups, axis=0)
        return made(lowering, node, real, replace(kernels, codes=rolled))

    patch.setattr(linear, "emit_sums", wrong)


_MIXED = np.array([1, -1, -1, 1, 1, -1]).reshape(6, 1, 1, 1) * 0.25
# 7x7 pixels: the same shape either way.
_STRIDED = {"strides": [2, 1], "dilations": [1, 2], "pads": [0, 0, 0, 1]}

MUTANTS: dict[str, tuple[Callable[[], Network], Callable[[Patch], None]]] = {
    "same_padding_on_the_other_side": (
        lambda: convolution(2, auto_pad="SAME_UPPER"),
        misread(linear, "window_padding", _other_side),
    ),
    "same_padding_of_pools_on_the_other_side": (pool, misread(linear, "window_padding", _other_side)),
    "floor_read_as_nearest": (
        lambda: quantiser(rounding_mode="FLOOR"),
        misread(quantisers, "rounding_of", _set("rounding_mode", "ROUND")),
    ),
    "block_exponents_one_block_off": (lambda: weights("mx2_int4"), _shifted_blocks),
    "sign_of_a_weight_scale_dropped": (lambda: bipolar(_MIXED), _unsigned_scale),
    "sign_of_an_integer_weight_scale_dropped": (
        signed_weights,
        misread(quantisers, "scale_of", _change_input(1, lambda scale: np.asarray(abs(scale)))),
    ),
    "bias_of_minifloats_one_off": (
        lambda: quantiser(format="e3m2"),
        misread(quantisers, "float_quantiser", _bias_off_by_one),
    ),
    "sign_of_a_batch_norm_mean": (
        normalised,
        misread_rule("BatchNormalization", _change_input(3, np.negative)),
    ),
    # of our own
    "pads_at_the_other_end": (
        lambda: convolution(3, pads=[2, 1, 0, 1]),
        misread(linear, "window_padding", _pads_at_the_other_end),
    ),
    "strides_and_dilations_exchanged": (
        lambda: convolution(3, **_STRIDED),
        misread_rule("Conv", _exchange("strides", "dilations")),
    ),
    "input_rounded_to_nearest": (
        rounded_down,
        misread(quantisers, "rounding_of", _set("rounding_mode", "ROUND")),
    ),
    "groups_in_another_order": (lambda: grouped(), _next_groups),
    "zero_point_dropped": (
        lambda: quantiser(format="uint4z7"),
        misread(quantisers, "integer_quantiser", _change_input(2, np.zeros_like)),
    ),
    "narrow_range_read_as_full": (
        lambda: quantiser(format="int4narrow"),
        misread(quantisers, "integer_quantiser", _set("narrow", 0)),
    ),
    "one_bit_fewer": (
        lambda: weights("int4"),
        misread(quantisers, "integer_quantiser", _change_input(3, lambda bits: np.where(bits == 4, 3, bits))),
    ),
    "scale_factor_of_logarithmic_posits_dropped": (
        lambda: weights("lp8_1_3@-0.25"),
        _quantiser_of(lambda made: replace(made, prescale=Fraction(1))),
    ),
    "ties_of_integers_up": (lambda: tied("int4", 0.5), _quantiser_of(_ties_up)),
    "ties_of_minifloats_to_zero": (lambda: tied("e2m1", 1.0), _minifloat_ties_to_zero),
    "zero_is_negative": (lambda: bipolar(0.25), _zero_is_negative),
    "weights_not_transposed": (square_linear, misread_rule("Gemm", _not_transposed)),
}


def grouped() -> Network:
    """A convolution in two groups."""
    b = Builder(4, 5, 4)
    return _behind(b, b.conv(b.quantise("x", "int8", 0.0625), "int4", 6, 4, group=2), 6)


def tied(fmt: str, scale: float) -> Network:
    """A layer with many values half way between two codes."""
    b = Builder(3, 5, 4)
    culprit = b.quantise(b.conv(b.quantise("x", "int4", 0.5), "int2", 4, 3, 1, scale=0.5), fmt, scale)
    return Network(b.model(b.quantise(b.conv(culprit, "int4", 2, 4, 1), "int8", 0.5)), culprit)


def verdict_of(network: Network, folder: Path) -> tuple[int, str, str]:
    """Exit code of `pyqkit verify`, what it prints on stderr, and the layer that is to be named."""
    accelerator = pyqkit.compile(network.model, target_fps=10)
    shape = accelerator.graph.inputs[0].onnx_shape
    x = np.random.default_rng(5).normal(0, 1.5, (3, *shape)).astype(np.float32)
    accelerator.save(folder / "build")
    np.save(folder / "x.npy", x)
    done = run("verify", folder / "build", "--input", folder / "x.npy", "--engine", "exact")
    (layer,) = (name for name, source in accelerator.graph.sources.items() if source == network.culprit)
    return done.exit_code, done.stderr, layer


def forget_tables() -> None:
    """Formats keep their tables: none may pass into a mutant, or out of it."""
    base._boundaries.cache_clear()
    base._limits.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_tables() -> Iterator[None]:
    yield
    forget_tables()


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_convicted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, mutate = MUTANTS[name]
    (tmp_path / "right").mkdir()
    assert verdict_of(build(), tmp_path / "right")[:2] == (0, "")
    forget_tables()
    with monkeypatch.context() as patch:
        mutate(patch)
        code, said, layer = verdict_of(build(), tmp_path)
    assert code == 1
    assert f"differ from the QONNX model in {layer}" in said and f"look at {layer} first" in said
