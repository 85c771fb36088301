"""Keys and values in few bits, against one token after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pyqkit.studies.microscopiq.cache import Cache
from pyqkit.studies.microscopiq.models import CharGpt, Llama


def drawn(heads: int, shared: int, tokens: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(tokens)
    shapes = [(2, heads * shared, tokens, size), (2, heads, tokens, size), (2, heads, tokens, size)]
    q, k, v = (torch.randn(shape, generator=random) for shape in shapes)
    return q, k, v


def levels(group: np.ndarray, bits: int) -> np.ndarray:
    """A group between its smallest and its largest value, with float16 for both smallest and step."""
    low = np.float32(np.float16(group.min()))
    step = np.float32(np.float16((group.max() - low) / np.float32(2**bits - 1)))
    return np.rint((group - low) / step).clip(0, 2**bits - 1) * step + low


def decoded(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> np.ndarray:
    """As a decoder: read a token, attend, then round what has become old."""
    shared = q.shape[1] // k.shape[1]
    made = np.zeros(q.shape)
    for sequence in range(len(q)):
        keys, values = np.zeros(k[0].shape, np.float32), np.zeros(v[0].shape, np.float32)
        for at in range(q.shape[2]):
            keys[:, at], values[:, at] = k[sequence, :, at].numpy(), v[sequence, :, at].numpy()
            for head in range(q.shape[1]):
                scores = keys[head // shared, : at + 1] @ q[sequence, head, at].numpy() / q.shape[3] ** 0.5
                shares = np.exp(scores - scores.max())
                made[sequence, head, at] = shares / shares.sum() @ values[head // shared, : at + 1]
            if (at + 1) % cache.residual == 0:  # a block of keys is complete
                block = slice(at + 1 - cache.residual, at + 1)
                for head in range(len(keys)):
                    for channel in range(keys.shape[2]):
                        keys[head, block, channel] = levels(keys[head, block, channel], cache.bits)
            old = at - cache.residual
            if old >= 0:
                values[:, old] = levels(values[:, old], cache.bits)
    return made


@pytest.mark.parametrize(
    ("heads", "shared", "tokens", "residual"), [(2, 2, 21, 4), (1, 1, 16, 16), (2, 1, 9, 3)]
)
def test_attention_of_whole_windows_is_that_of_a_decoder(
    heads: int, shared: int, tokens: int, residual: int
) -> None:
    q, k, v = drawn(heads, shared, tokens, 6)
    cache = Cache(2, residual)
    found = cache.attend(q, k, v).numpy()
    # float32 sums in another order: no exact equality to be had
    np.testing.assert_allclose(found, decoded(q, k, v, cache), rtol=0, atol=1e-5)


def test_a_cache_that_never_grows_old_changes_nothing() -> None:
    q, k, v = drawn(2, 1, 16, 8)
    expected = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(Cache(2, 16).attend(q, k, v), expected, rtol=0, atol=1e-5)
    assert float((Cache(2, 4).attend(q, k, v) - expected).abs().max()) > 0.01
    assert Cache(2, 16).stored_bits(128) == (4.0, 2.25)


@pytest.mark.parametrize("kind", [Llama, CharGpt])
def test_models_take_a_cache(kind: type[Llama] | type[CharGpt]) -> None:
    torch.manual_seed(0)
    model, tokens = kind().eval(), torch.arange(48).reshape(1, -1)
    with torch.inference_mode():
        before = model(tokens)
        model.put_cache(Cache(8, 16))
        fine = model(tokens)
        model.put_cache(Cache(2, 16))
        coarse = model(tokens)
    assert torch.equal(coarse[:, :16], fine[:, :16])  # nothing is old yet
    assert 0 < float((fine - before).abs().max()) < 0.1 * float((coarse - before).abs().max())
