"""Networks on an array, on the emulated board with and without PYNQ."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

from pyqkit.array.isa import ProgramError, Run
from pyqkit.array.machine import Memory, named
from pyqkit.array.network import ArrayNetwork
from pyqkit.emulate.array import network
from pyqkit.errors import UserError
from pyqkit.overlay.manifest import OverlayError
from pyqkit.runtime import Array, Driver, Network, TransferError
from pyqkit.runtime.benchmark import STAGES
from tests import overlays
from tests.arrays import ARRAY, accelerator, expected, frames, made, other_head, overlay, saved
from tests.overlays import board_of


@pytest.fixture
def array(place: tuple[str, str]) -> Iterator[Array]:
    with Array.load(overlay(place[0]), backend=place[1]) as found:
        yield found


@pytest.fixture
def here() -> Iterator[Array]:
    """Without PYNQ."""
    with Array.load(overlay("ZCU104"), backend="emulated") as found:
        yield found


def sent(array: Array, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of what is sent to the array, from here on."""
    found: list[int] = []
    plain = Network._send

    def send(self: Network, buffer: Any, nbytes: int, transfers: Any) -> None:
        found.append(nbytes)
        plain(self, buffer, nbytes, transfers)

    monkeypatch.setattr(Network, "_send", send)
    return found


def test_two_networks_take_turns(array: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is sent once, both stay; results are those of the engine `exact`, of any number of frames."""
    assert array.selftest() == 0
    setups = sent(array, monkeypatch)
    first, second = array.program(saved("first"), batch=3), array.program(made("second"))
    x = frames(7)
    for _ in range(2):
        assert_array_equal(first(x), expected("first", x))
        assert_array_equal(second(x), expected("second", x))
    assert len(setups) == 2
    assert_array_equal(first.execute(x, codes=True), expected("first", x, codes=True))
    assert (first.selftest(), second.selftest()) == (0, 0)
    found = list(second.stream([x, x[:2], x[3:4]]))
    for given, y in zip((x, x[:2], x[3:4]), found, strict=True):
        assert_array_equal(y, expected("second", given))


def test_what_networks_have_in_common_is_sent_once(array: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another head: its weights and instructions are sent, and what the first network has as well is not."""
    setups, x = sent(array, monkeypatch), frames(5)
    graph = other_head()
    body, head = array.program(made("first")), array.program(network(graph, array.machine))
    codes = body._numbers.encode(x)
    (output,) = graph.outputs
    expected_codes = graph.execute({graph.inputs[0].tensor: codes})[output.tensor].reshape(len(x), -1)
    assert (expected_codes != expected("first", x, codes=True)).any()
    assert_array_equal(head.execute(x, codes=True).reshape(len(x), -1), expected_codes)
    assert len(setups) == 2 and setups[1] < 0.5 * setups[0], "the body comes with the first network"
    assert_array_equal(body(x), expected("first", x))
    assert len(setups) == 2
    assert (head.selftest(), body.selftest(), head.compare(x).first) == (0, 0, None)
    body.close()
    array._backend.reload()
    assert_array_equal(head.execute(x, codes=True).reshape(len(x), -1), expected_codes)


def test_networks_that_do_not_fit_together_are_sent_again(
    here: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    setups, x = sent(here, monkeypatch), frames(2)
    networks = [here.program(saved("first")) for _ in range(36)]  # the program memory holds some of them
    at_start = [i for i, n in enumerate(networks) if n._program.origins[0] == 0]
    assert len(at_start) == 2 and at_start[1] < 35
    for n in networks:
        assert_array_equal(n(x), expected("first", x))
    assert len(setups) == 36
    assert_array_equal(networks[0](x), expected("first", x))
    assert len(setups) == 37
    networks[0].close()
    with pytest.raises(OverlayError, match="this one was closed"):
        networks[0](x)
    assert_array_equal(networks[-1](x), expected("first", x), err_msg="what it shares is sent again")
    assert len(setups) == 38
    assert_array_equal(networks[-2](x), expected("first", x))
    assert len(setups) == 38


def test_what_is_no_program_never_reaches_the_array(here: Array, tmp_path: Path) -> None:
    good = here.program(saved("first"))
    board, x = board_of(here), frames(3)  # type: ignore[arg-type]
    assert_array_equal(good(x), expected("first", x))
    before = board._blocks[0].channels["MM2S"].stream.taken
    content = saved("first").read_bytes()
    edited = replace(made("first"), program=_edited(made("first")))
    other = network(accelerator("first").designs.compiled.graph, named("lpa4x4"))
    (tmp_path / "short.zip").write_bytes(content[:-200])
    (tmp_path / "none.zip").write_text("no program")
    shutil.copy(overlay("ZCU104").with_suffix(".json"), tmp_path / "manifest.zip")
    for bad, what in (
        (other, "a program for the array lpa8x8"),
        (edited, "items of WEIGHTS was expected"),
        (tmp_path / "short.zip", "was expected"),
        (tmp_path / "none.zip", "was expected"),
        (tmp_path / "manifest.zip", "was expected"),
        (tmp_path / "nowhere.zip", "check the path"),
    ):
        with pytest.raises(ProgramError, match=what) as error:
            here.program(bad)
        assert "\n" not in str(error.value)
    for options in ({"batch": 0}, {"batch": "3"}, {"timeout_s": 0}, {"batch": 10**9}):
        with pytest.raises(OverlayError, match="was expected"):
            here.program(made("first"), **options)  # type: ignore[arg-type]
    assert board._blocks[0].channels["MM2S"].stream.taken == before
    assert here.networks == [good]
    assert_array_equal(good(x), expected("first", x))


def _edited(made: ArrayNetwork) -> Any:
    program = made.program
    index = next(i for i, each in enumerate(program.instructions) if isinstance(each, Run))
    instructions = list(program.instructions)
    instructions[index] = replace(instructions[index], weights=program.machine.weight_words - 1)
    return replace(program, instructions=tuple(instructions))


def test_frames_that_are_none_are_refused(here: Array) -> None:
    net = here.program(saved("first"))
    with pytest.raises(UserError, match="input .* of shape"):
        net(frames(2)[:, 0])
    assert_array_equal(net(frames(2)), expected("first", frames(2)))


def test_layers_are_compared_without_another_program(here: Array) -> None:
    net, x = here.program(saved("first")), frames(20)
    found = net.compare(x)
    assert (found.frames, found.source, found.first) == (20, "emulated", None)
    names = [layer for part in found.parts for layer in part.layers]
    assert len(found.parts) >= 4 and all(part.words > 0 for part in found.parts)
    assert_array_equal(net(x), expected("first", x), err_msg="the program is sent again")
    broken = found.parts[1].layers
    index = next(s.first for s in made("first").program.sections if s.layers == broken)
    tile = next(run.weights for run in net._program.instructions[index:] if isinstance(run, Run))
    state = board_of(here)._blocks[1]._state  # type: ignore[arg-type]
    plain = state.send

    def flipped(content: bytes) -> bytes:
        state.memories[Memory.WEIGHTS][tile : tile + 2] = 0x15
        return plain(content)

    state.send = flipped
    here._memories.forget_all()
    wrong = net.compare(x)
    assert wrong.first is not None and wrong.first.layers == broken, (names, wrong)
    assert wrong.parts[0].words_differing == 0 and set(wrong.first.frames_differing) <= set(range(20))


def test_cycles_of_layers(here: Array) -> None:
    """An emulated board counts none, so they are those of the model alone; what registers hold is read."""
    net, x = here.program(saved("first")), frames(3)
    found = net.counters(x)
    assert [part.modelled for part in found] == [part.cycles for part in net.parts]
    assert {part.cycles for part in found} == {None}
    block = board_of(here)._blocks[1]  # type: ignore[arg-type]
    block.read = _Records(len(net.parts) + 1)
    for index, part in enumerate(net.counters(x)):
        assert (part.cycles, part.input_waits, part.output_waits) == (100 + index, index, 2 * index)


class _Records:
    """Registers after three frames: part i of the last one has taken 100 + i cycles."""

    def __init__(self, marks: int) -> None:
        self._marks = 3 * marks
        at, self._values = np.array([2**32 - 500, 0, 0]), []
        for index in range(self._marks):
            self._values.append(at % 2**32)
            part = index % marks
            at = at + (np.array([100 + part, part, 2 * part]) if index >= 2 * marks else 7)

    def __call__(self, offset: int) -> int:
        if offset < 0x1000:
            return self._marks if offset == 0 else 0
        index, place = divmod(offset - 0x1000, 16)
        return int(self._values[index][place // 4])


def test_a_benchmark_claims_nothing(here: Array) -> None:
    net = here.program(saved("first"), batch=5)
    found = net.benchmark(repeats=2)
    assert set(found["seconds"]) == set(STAGES) and min(found["seconds"].values()) > 0
    assert (found["network"], found["frames"], found["source"]) == ("first", 5, "emulated")
    assert found["frames_per_second"] is None
    cycles = sum(part.cycles for part in net.parts)
    assert found["estimated"]["frames_per_second"] == here.clock_mhz * 1e6 / cycles
    with pytest.raises(UserError, match="1 to 5 frames"):
        net.benchmark(frames=6)


def test_an_array_that_gives_nothing(array: Array) -> None:
    net, x = array.program(saved("first"), timeout_s=0.1), frames(4)
    assert_array_equal(net(x), expected("first", x))
    board = board_of(array)  # type: ignore[arg-type]
    board.patience = None  # as hardware
    board._blocks[1].step = lambda: False
    with pytest.raises(TransferError, match=r"expected to end within 0.1 s, but MM2S_DMASR is 0x0000"):
        net(x)
    assert_array_equal(net(x), expected("first", x), err_msg="loaded and sent again, all is well")


def test_an_interrupted_call(here: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = here.program(saved("first"), batch=2), frames(7)
    calls = net.stream([x, x])
    next(calls)
    calls.close()  # type: ignore[attr-defined]
    assert_array_equal(net(x), expected("first", x))
    begun = net.stream([x])
    next(begun)
    with pytest.raises(OverlayError, match="another call or stream of it is under way"):
        net(x)
    with pytest.raises(OverlayError, match="another call or stream of it is under way"):
        net.close()
    del begun
    assert_array_equal(net(x), expected("first", x))


def test_somebody_else_used_the_array(here: Array) -> None:
    """The registers tell; then the overlay is loaded again, and the program sent again."""
    net, x = here.program(saved("first")), frames(2)
    assert_array_equal(net(x), expected("first", x))
    here._backend.reload()
    assert_array_equal(net(x), expected("first", x))


def test_each_driver_has_its_overlays(load: Callable[..., Driver]) -> None:
    with pytest.raises(OverlayError, match=r"an array; load it with pyqkit.runtime.Array.load"):
        load(overlay("ZCU104"))
    with pytest.raises(OverlayError, match=r"a network; load it with pyqkit.runtime.Driver.load"):
        Array.load(overlays.overlay("ZCU104"))


def test_the_manifest_has_the_machine(here: Array) -> None:
    assert here.machine == named(ARRAY)
    assert (here.manifest.name, here.board) == (ARRAY, "ZCU104")
