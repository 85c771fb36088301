"""Recipes from names."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pyqkit.errors import UserError
from pyqkit.quant.ptq import Recipe, parse_steps
from pyqkit.quant.ptq.step import steps


def test_steps_run_in_the_order_of_their_ranks() -> None:
    named = {name: steps.get(name) for name in ("equalise", "gptq", "round", "bias")}
    made = [type(step) for step in parse_steps("bias+round+gptq+equalise")]
    assert made == [named["equalise"], named["gptq"], named["round"], named["bias"]]
    assert parse_steps("") == parse_steps("none") == ()


def test_steps_of_the_float_stage_come_first() -> None:
    stages = [step.stage for step in parse_steps("+".join(steps.names()))]
    assert stages == sorted(stages, reverse=True) and set(stages) == {"float", "calibrated"}


@pytest.mark.parametrize(
    ("weights", "ends"),
    {"int4": "int8", "e2m1": "e3m4", "lp4_0_3": "lp8_1_3", "odd2": "int8"}.items(),
    ids=["int4", "e2m1", "lp4_0_3", "odd2"],
)
def test_ends_have_eight_bits_of_the_family(weights: str, ends: str) -> None:
    recipe = Recipe.of(weights)
    assert (recipe.weights.name, recipe.acts.name) == (weights, weights)
    assert (recipe.end_weights.name, recipe.end_acts.name) == (ends, ends)


@pytest.mark.parametrize(
    ("wanted", "words"),
    {
        "twice": ({"recipe": "gptq+bias+gptq"}, "each step once was expected, but 'gptq' came twice"),
        "unknown": ({"recipe": "gptq+adaround"}, "'adaround' is none; there are bias, blocks,"),
        "per": ({"per": "row"}, "channel or tensor was expected for per, but 'row' came"),
        "scaling": ({"scaling": "float"}, "power_of_two or real was expected for scaling"),
        "scale": ({"act_scale": "kl"}, "max or percentile or mse was expected for act_scale"),
        "percentile": ({"percentile": 101.0}, "a percentile above 0 and up to 100 was expected"),
        "block": ({"acts": "mx32_e2m1"}, "a format of single values of up to 16 bits was expected"),
        "wide": ({"weights": "ue8m0"}, "a format whose values fit float32 was expected"),
    }.values(),
    ids=["twice", "unknown", "per", "scaling", "scale", "percentile", "block", "wide"],
)
def test_what_is_refused(wanted: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as refusal:
        Recipe.of(**{"weights": "int4", **wanted})  # type: ignore[arg-type]
    assert words in str(refusal.value)
