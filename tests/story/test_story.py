"""Stories: the same tokens from the definition, an array and a file; the model is that of torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pyqkit import boards
from pyqkit.array.machine import named
from pyqkit.cli import main
from pyqkit.errors import UserError
from pyqkit.overlay import array, emulated
from pyqkit.runtime import Array
from pyqkit.story import Llama, OnArray, StoryModel, load, save, told
from pyqkit.story.costs import transfer_seconds
from pyqkit.story.device import on_device
from pyqkit.story.llama import encoded
from tests.story.models import DEPTH, HEADS, HIDDEN, KV_HEADS, TOKENS, WIDTH, tiny

PROMPT = np.array([1, 100, 50, 61, 259, 70, 71, 72, 73, 90])  # of two calls of eight positions


def integers(model: StoryModel) -> Llama:
    """A model whose linear layers are their definition."""
    return Llama(model, lambda name, x: model.linears[name].integers(x))


@pytest.mark.parametrize(("bits", "acts"), [(4, 8), (2, 8), (4, 4)])
def test_an_array_tells_what_the_definition_tells(bits: int, acts: int) -> None:
    model = tiny(bits, acts)
    on = OnArray(model, named("msq8x8"))
    np.testing.assert_array_equal(Llama(model, on).read(PROMPT), integers(model).read(PROMPT))
    expected = list(told(integers(model), PROMPT, 6, temperature=1.5, seed=3))
    assert len(set(expected)) > 2
    before = on.cost.transfers
    assert list(told(Llama(model, on), PROMPT, 6, temperature=1.5, seed=3)) == expected
    calls = len(model.linears)
    assert on.cost.transfers - before == calls * (2 + 5) and on.cost.cycles > 0
    assert transfer_seconds(on.cost, 64, 100.0) > on.cost.bytes_in / 800e6


def test_a_board_tells_what_the_definition_tells(tmp_path: Path) -> None:
    """Through driver and emulated board; other networks take turns with the model."""
    model, machine = tiny(), named("msq8x8")
    planned = array.plan(machine, boards.load("PYNQ-Z2"))
    with Array.load(emulated.write_planned(planned, tmp_path)) as board:
        on = OnArray(model, board.machine, partial(on_device, board))
        expected = list(told(integers(model), PROMPT, 4, temperature=1.5, seed=3))
        assert board.selftest() == 0
        assert list(told(Llama(model, on), PROMPT, 4, temperature=1.5, seed=3)) == expected
        emulation = OnArray(model, machine)
        list(told(Llama(model, emulation), PROMPT, 4, temperature=1.5, seed=3))
        assert vars(on.cost) | {"emulating": 0} == vars(emulation.cost) | {"emulating": 0}


def test_tokens_one_by_one_are_those_of_a_prompt_at_once() -> None:
    model = tiny()
    one, each = integers(model), integers(model)
    whole = one.read(PROMPT)
    for token in PROMPT:
        last = each.read(np.array([token]))
    np.testing.assert_allclose(last, whole, rtol=1e-3, atol=1e-3)


def test_the_model_is_that_of_the_study() -> None:
    torch = pytest.importorskip("torch")
    from pyqkit.studies.microscopiq import models

    model = tiny()
    network = models.Llama(TOKENS, WIDTH, HIDDEN, DEPTH, HEADS, KV_HEADS)
    state = {name: torch.from_numpy(array) for name, array in model.floats.items()}
    decoded = {}
    for source, linear in model.linears.items():
        layers = [name for name in network.state_dict() if name.startswith(source.rpartition(".")[0])]
        wanted = {"attention.x": "qkv", "attention.y": "o", "feed_forward.x": "13", "feed_forward.y": "2"}
        chosen = [next(n for n in layers if f"w{c}." in n) for c in wanted[source.split(".", 2)[2]]]
        for name, tensor in zip(chosen, linear.tensors):
            decoded[name] = torch.from_numpy(tensor.decode().T.astype(np.float32))
    network.load_state_dict(state | decoded)
    found = Llama(
        model, lambda name, x: [x @ t.decode().astype(np.float32) for t in model.linears[name].tensors]
    )
    with torch.no_grad():
        logits = network(torch.from_numpy(PROMPT)[None])[0, -1].numpy()
    np.testing.assert_allclose(found.read(PROMPT), logits, rtol=1e-3, atol=1e-3)


def test_text_is_joined_by_score() -> None:
    model = tiny()
    assert encoded(model, "abc").tolist() == [1, 260, 3 + ord("b"), 3 + ord("c")]  # " a" before "ab"
    assert encoded(model, "cabc").tolist() == [1, 3 + ord(" "), 3 + ord("c"), 261]
    assert encoded(model, "ba").tolist() == [1, *(3 + np.frombuffer(b" ba", np.uint8)).tolist()]
    assert encoded(model, "").tolist() == [1]


def test_a_file_tells_the_same_story(tmp_path: Path) -> None:
    path = tmp_path / "tiny.npz"
    model = tiny()
    save(model, path)
    np.testing.assert_array_equal(integers(load(path)).read(PROMPT), integers(model).read(PROMPT))
    with pytest.raises(UserError, match="tiny.npz"):
        save(model, path)
    found = [
        CliRunner().invoke(main, ["story", str(path), "--tokens", "4", "--prompt", "abc", *more])
        for more in ([], ["--array", "msq8x8"])
    ]
    stories = [result.output.split("\nprompt,")[0] for result in found]
    assert [result.exit_code for result in found] == [0, 0] and stories[0] == stories[1]
    assert "tokens/s without the processor's part" in found[1].output and "cycles" not in found[0].output


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.npz"
    save(tiny(), path)
    arrays = dict(np.load(path))
    for name, wrong in {
        "layers.0.attention.wq": arrays["layers.0.attention.wo"][:-1],
        "layers.1.feed_forward.w1": arrays["layers.0.attention.wo"],
        "heads": np.array([3, 2], np.int32),
        "norm.weight": np.full(WIDTH, np.nan, np.float32),
        "vocab_offsets": arrays["vocab_offsets"][:-1],
        "acts": np.array([5], np.int32),
    }.items():
        np.savez(path, **(arrays | {name: wrong}))
        with pytest.raises(UserError, match="a model as 'pyqkit story -o' writes it was expected"):
            load(path)
    with pytest.raises(UserError, match="a model was expected at"):
        load(tmp_path / "none.npz")
