"""The MicroScopiQ study on small models, and on the pretrained ones where the data folder is there."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pyqkit.errors import UserError
from pyqkit.quant.microscopiq import Options, microscopiq
from pyqkit.studies.microscopiq import rounding
from pyqkit.studies.microscopiq.conditions import even, inject, migrate, rates
from pyqkit.studies.microscopiq.methods import EVEN, MATCHED, METHODS, MICROSCOPIQ, PLAIN, rounded
from pyqkit.studies.microscopiq.models import CharGpt, LanguageModel, Llama
from pyqkit.studies.microscopiq.study import MicroscopiqStudy, rows_of
from pyqkit.studies.microscopiq.texts import ARCHIVES, Pretrained, losses
from pyqkit.studies.study import State

DATA = Path(os.environ.get("PYQKIT_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "reference_logits.npz").is_file(),
    reason=f"no evaluation data in {DATA}; set PYQKIT_DATA to the folder",
)
OTHERS = ("msq4.a8.kv2", "gptq2.g16", "smoothquant4")
TOKENS = torch.arange(48).reshape(4, 12) * 5 % 11


def small(name: str) -> LanguageModel:
    torch.manual_seed(0)
    made = Llama(11, 32, 40, 1, 4, 2) if name == "llama" else CharGpt(11, 32, 1, 4, 12)
    for path in made.paths():
        if path.from_norm:  # gains that differ
            nn.init.uniform_(path.source.get_parameter("weight"), 0.5, 2.0)
    return made.eval()


def weights(seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(1, 24, 40, generator=random)
    weight *= 1 + 8 * (torch.rand(weight.shape, generator=random) < 0.03)
    x = torch.randn(1, 40, 200, generator=random, dtype=torch.float64)
    mixed = torch.randn(40, 40, generator=random, dtype=torch.float64) @ x + 3 * x
    return weight, mixed @ mixed.mT / 200


@needs_data
@pytest.mark.parametrize(("name", "key"), [("stories260k", "stories"), ("chargpt", "chargpt")])
def test_recorded_logits(name: str, key: str) -> None:
    source = Pretrained(name, DATA)
    with np.load(DATA / "reference_logits.npz", allow_pickle=False) as recorded:
        expected = recorded[key]
    tokens = source.test(4096)[:1, : expected.shape[1]]
    with torch.inference_mode():
        found = source.model()(tokens).numpy()
    # float32 sums in another order: no exact equality to be had
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["llama", "chargpt"])
def test_injection_keeps_the_function_and_makes_outliers(name: str) -> None:
    model, other = small(name), small(name)
    inject(other, 8.0, np.random.default_rng(0))
    torch.testing.assert_close(other(TOKENS), model(TOKENS), rtol=1e-4, atol=1e-4)
    for along_outputs in (True, False):
        before, after = (
            rates([m for m in of.modules() if isinstance(m, nn.Linear)], along_outputs)
            for of in (model, other)
        )
        assert after.outliers > before.outliers + 0.5
    migrate(other, TOKENS, 0.7)
    torch.testing.assert_close(other(TOKENS), model(TOKENS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "chargpt"])
def test_even_channels_keep_the_function_and_round_better(name: str) -> None:
    model, other = small(name), small(name)
    options = Options(4, scaling="scale", compensate=False)
    even(other, options)
    torch.testing.assert_close(other(TOKENS), model(TOKENS), rtol=1e-4, atol=1e-4)
    readers = [[reader for path in m.paths() for reader in path.readers] for m in (model, other)]
    errors = [0.0, 0.0]
    for at, layers in enumerate(readers):
        for layer in layers:
            weight = layer.weight.detach().double()
            made = microscopiq(weight[None], torch.eye(weight.shape[-1])[None], options).values[0]
            errors[at] += float(((made - weight).square().sum(0) / weight.square().sum(0)).sum())
    assert errors[1] < 0.95 * errors[0]
    change = [float((b.weight / a.weight).detach().log2().abs().max()) for a, b in zip(*readers)]
    assert 0.3 < max(change) <= 1.01


def test_adjacent_outliers_by_hand() -> None:
    layer = nn.Linear(128, 1, bias=False)
    with torch.no_grad():
        layer.weight[:] = torch.where(torch.arange(128) % 2 > 0, 0.1, -0.1)
        layer.weight[0, [3, 4, 20]] = 5.0
    found = rates([layer], along_outputs=False)
    assert (found.outliers, found.adjacent) == (300 / 128, 200 / 128)
    assert rates([layer], along_outputs=True).outliers == 0


@pytest.mark.parametrize("name", list(PLAIN))
def test_methods_round_to_few_values(name: str) -> None:
    weight, moments = weights()
    found = PLAIN[name](weight, moments)
    assert found.values.shape == weight.shape
    bits = int(name.removeprefix("smoothquant").lstrip("abcdefghijklmnopqrstuvwxyz")[0])
    assert bits * weight.numel() < found.bits < (bits + 3) * weight.numel()
    error = float((found.values - weight).square().sum() / weight.square().sum())
    assert 0 < error < (0.6 if bits == 2 else 0.2)


def test_gptq_beats_rounding_on_the_layers_outputs() -> None:
    weight, moments = weights()

    def error(method: rounding.Method) -> float:
        change = method(weight, moments).values - weight
        return float((change @ moments * change).sum())

    for group in (0, 16, 7):
        for ordered in (False, True):
            assert error(rounding.gptq(4, group, ordered)) < 0.8 * error(rounding.rtn(4, group))
    assert rounding.gptq(4, 7)(weight, moments).bits == 24 * (40 * 4 + 6 * 20)


def test_olive_prunes_the_neighbour() -> None:
    weight = torch.full((1, 1, 128), 0.1)
    weight[0, 0, ::2] = -0.1
    weight[0, 0, 7] = 2.0
    found = rounding.olive(4)(weight, torch.eye(128)[None]).values[0, 0]
    assert found[6] == 0
    assert found[7] > 1
    assert (found != 0).sum() == 127


@pytest.mark.parametrize("method", [*MICROSCOPIQ, *EVEN, *MATCHED, *OTHERS])
def test_whole_models(method: str) -> None:
    model = small("chargpt")
    made, bits = rounded(small("chargpt"), TOKENS, method)
    assert torch.equal(made.get_parameter("lm_head.weight"), model.get_parameter("lm_head.weight"))
    weight_count = sum(
        m.weight.numel() for n, m in model.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"
    )
    slots = 2 if "2" in method.split(".")[0] else 4
    assert slots < bits / weight_count < 8
    assert np.isfinite(losses(made, TOKENS)).all()


def test_matched_bits_are_those_of_microscopiq() -> None:
    for name in ("llama", "chargpt"):
        _, ours = rounded(small(name), TOKENS, "msq4")
        _, theirs = rounded(small(name), TOKENS, "gptq4.matched")
        assert abs(theirs / ours - 1) < 0.05


def test_losses_are_mean_cross_entropies() -> None:
    model = small("llama")
    with torch.inference_mode():
        chances = model(TOKENS[:, :-1]).log_softmax(-1)
    expected = [-np.mean([float(chances[w, t, int(TOKENS[w, t + 1])]) for t in range(11)]) for w in range(4)]
    np.testing.assert_allclose(losses(model, TOKENS), expected, rtol=1e-5)


@needs_data
def test_a_row_of_the_study() -> None:
    rows = rows_of(["stories260k"], ["natural"], ["rtn4"], DATA, 512, 512)
    study = MicroscopiqStudy(rows, str(DATA))
    float_row, rtn = (study.step(task, 0, State()) for task in study.tasks())
    assert isinstance(float_row.values, dict) and isinstance(rtn.values, dict)
    assert float_row.values["bits"] == 32
    expected = math.exp(float_row.arrays["losses"].mean())
    assert float_row.values["perplexity"] == pytest.approx(expected)
    assert 3 < expected < rtn.values["perplexity"] < 6  # type: ignore[operator]


@pytest.mark.parametrize(
    ("model", "condition", "method", "what"),
    [
        ("gpt4", "natural", "rtn4", "a language model"),
        ("chargpt", "hot", "rtn4", "a condition"),
        ("chargpt", "natural", "awq", "a method"),
        ("chargpt", "natural", "rtn4", "the file"),
    ],
)
def test_unknown_names(tmp_path: Path, model: str, condition: str, method: str, what: str) -> None:
    if what == "the file":
        (tmp_path / ARCHIVES[model].text).write_bytes(b"no archive")
        with pytest.raises(UserError, match="tokens were expected"):
            rows_of([model], [condition], [method], tmp_path, 64, 64)
        return
    with pytest.raises(UserError, match=what):
        rows_of([model], [condition], [method], tmp_path, 64, 64)


def test_names_of_methods_are_labels() -> None:
    assert len(set(METHODS)) == len(METHODS)
