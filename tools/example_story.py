"""Write the model of the notebook that tells on an array, notebooks/board/docstrings.npz, and that array's
overlays for emulated boards.

A small model of the Llama family on bytes is trained on docstrings of the Python library, which every
installation has, and rounded by MicroScopiQ to weights of 4 bits and activations of 8.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pyqkit.quant.microscopiq import Options
from pyqkit.story import save
from pyqkit.story.llama import BEGIN, FIRST_BYTE
from pyqkit.story.making import rounded
from pyqkit.studies.microscopiq.docstrings import docstrings
from pyqkit.studies.microscopiq.models import Llama
from tools.example_array import write_overlays

TARGET = Path(__file__).parent.parent / "notebooks" / "board" / "docstrings.npz"
ARRAY = "msq8x8"
PIECES = (b"<unk>", b"<s>", b"</s>", *(bytes([byte]) for byte in range(128)))  # ASCII
WIDTH, HIDDEN, DEPTH, HEADS = 64, 176, 3, 4
LENGTH, BATCH, STEPS, RATE, HELD = 128, 8, 1000, 6e-3, 64  # HELD windows are not trained on
CALIBRATION = 32  # windows


def windows() -> Tensor:
    """Docstrings one behind the other, each behind a token that begins it: (windows, `LENGTH` + 1)."""
    texts = [np.frombuffer(text.encode(), np.uint8).astype(np.int64) + FIRST_BYTE for text in docstrings()]
    tokens = np.concatenate([np.concatenate([[BEGIN], text]) for text in texts])
    count = len(tokens) // (LENGTH + 1)
    cut = tokens[: count * (LENGTH + 1)].reshape(count, LENGTH + 1)
    return torch.from_numpy(cut[np.random.default_rng(0).permutation(count)])


def loss(model: Llama, batch: Tensor) -> Tensor:
    """Nats a byte."""
    return functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def trained(data: Tensor) -> Llama:
    """On all windows but the first `HELD`."""
    torch.manual_seed(0)
    model = Llama(len(PIECES), WIDTH, HIDDEN, DEPTH, HEADS, HEADS)
    torch.nn.init.normal_(model.tok_embeddings.weight, std=WIDTH**-0.5)  # the head, too
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS, pct_start=0.1)
    random = np.random.default_rng(0)
    for step in range(STEPS):
        batch = data[torch.from_numpy(random.integers(HELD, len(data), BATCH))]
        optimiser.zero_grad()
        found = loss(model, batch)
        found.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: {found.item():.3f} nats a byte", flush=True)
    return model.eval()


def main() -> int:
    torch.set_num_threads(1)
    start, data = time.process_time(), windows()
    model = trained(data)
    with torch.no_grad():
        held = loss(model, data[:HELD]).item()
    print(f"{len(data)} windows, {time.process_time() - start:.0f} s; {held:.3f} nats a byte of others")
    scores = np.zeros(len(PIECES), np.float32)
    story = rounded(model, data[HELD : HELD + CALIBRATION, :-1].numpy(), Options(4), 8, PIECES, scores)
    save(story, TARGET, force=True)
    write_overlays(ARRAY)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes, {story.stored_bits / story.weights:.2f} bits a weight")
    return 0


if __name__ == "__main__":
    sys.exit(main())
