"""Decoder models of transformers: rounded like other networks, and read from folders that are not trusted."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from torch import nn

import pyqkit
from pyqkit.errors import UserError
from pyqkit.quant.decoders import CONFIG, INDEX, decoder, head
from pyqkit.quant.microscopiq import report

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")
TOKENS = torch.arange(6 * 16).reshape(6, 16) * 7 % 64


def saved(folder: Path, family: str) -> nn.Module:
    """A small model of random weights, and its folder."""
    torch.manual_seed(0)
    if family == "llama":
        llama = transformers.LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
        model = transformers.LlamaForCausalLM(llama)
    else:
        gpt2 = transformers.GPT2Config(
            vocab_size=64, n_embd=32, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=0
        )
        model = transformers.GPT2LMHeadModel(gpt2)
    model.eval().save_pretrained(folder)
    return model


def refused_connection(*_: object) -> None:
    raise AssertionError("a connection was opened")


@pytest.mark.parametrize(("family", "layers"), [("llama", 14), ("gpt2", 8)])
def test_rounded_decoders(tmp_path: Path, family: str, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", refused_connection)
    original = saved(tmp_path, family)
    model = decoder(tmp_path)
    with torch.inference_mode():
        expected = original(TOKENS).logits
        torch.testing.assert_close(model(TOKENS).logits, expected, rtol=0, atol=1e-5)
    assert head(model) == "lm_head"
    errors = []
    for bits in (2, 4):
        made = pyqkit.quantise(model, TOKENS, recipe="microscopiq", bits=bits, keep=[head(model)])
        assert len(report(made)) == layers
        assert all(bits < layer.effective_bits < bits + 3 for layer in report(made))
        with torch.inference_mode():
            errors.append(float((made(TOKENS).logits - expected).square().mean()))
    assert errors[1] < errors[0] / 4 and errors[1] > 0
    assert made.generate(TOKENS[:1, :4], max_new_tokens=3, do_sample=False).shape == (1, 7)


def test_what_is_rounded_can_be_saved_and_read(tmp_path: Path) -> None:
    saved(tmp_path / "float", "llama")
    model = decoder(tmp_path / "float")
    made = pyqkit.quantise(model, TOKENS, recipe="microscopiq", bits=4, keep=[head(model)])
    made.save_pretrained(tmp_path / "rounded")
    with torch.inference_mode():
        assert torch.equal(decoder(tmp_path / "rounded")(TOKENS).logits, made(TOKENS).logits)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, "llama")
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / "evil.bin").write_bytes(b"no tensors")
    for name, content, what in (
        (CONFIG, {**config, "auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "code of its own"),
        (CONFIG, {**config, "model_type": "nothing"}, "a decoder model"),
        (CONFIG, {**config, "hidden_size": 36}, "a decoder model"),
        (CONFIG, [], "it holds no object"),
        (INDEX, {"weight_map": {"a": "evil.bin"}}, "evil.bin"),
        (INDEX, {"weight_map": {"a": "../model.safetensors"}}, "names of safetensors files"),
        (INDEX, {"weight_map": 3}, "names of safetensors files"),
        ("adapter_config.json", {}, "adapters"),
    ):
        (tmp_path / name).write_text(json.dumps(content))
        with pytest.raises(UserError, match=what):
            decoder(tmp_path)
        (tmp_path / name).unlink()
        (tmp_path / CONFIG).write_text(json.dumps(config))
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="a decoder model was expected"):
        decoder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="without them"):
        decoder(tmp_path)
    with pytest.raises(UserError, match="save_pretrained"):
        decoder(tmp_path / "none")
