"""What only PYNQ can do wrong: the wrong device, stale metadata, a device in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pynq = pytest.importorskip("pynq", reason="PYNQ is not installed; pip install 'pyqkit[board]'")
pytest.importorskip("onnx")

import pyqkit.board_emulation
from pyqkit.overlay.manifest import read
from pyqkit.runtime import Driver, OverlayError, backends
from tests.overlays import build, expected, frames, overlay


@pytest.fixture
def zcu104() -> Iterator[Any]:
    with pyqkit.board_emulation.use("ZCU104") as emulation:
        yield emulation


def test_auto_takes_the_device_in_use(zcu104: Any) -> None:
    with Driver.load(overlay("ZCU104")) as driver:
        assert isinstance(driver._backend, backends.PynqBackend)
    zcu104.close()
    with Driver.load(overlay("ZCU104")) as driver:
        assert isinstance(driver._backend, backends.EmulatedBackend)


def test_a_device_has_one_accelerator(zcu104: Any) -> None:
    first = Driver.load(overlay("ZCU104"))
    with pytest.raises(
        OverlayError,
        match=r"a free device was expected, but an accelerator with residual is using it; call close\(\)",
    ):
        Driver.load(overlay("ZCU104"))
    assert first.selftest() == 0
    first.close()
    second = Driver.load(overlay("ZCU104"))
    del first, second  # forgotten without close
    with Driver.load(overlay("ZCU104")) as third:
        assert third.selftest() == 0
    used = zcu104.board.memory.used
    with pytest.raises(OverlayError, match="a batch of 1 to"):
        Driver.load(overlay("ZCU104"), batch=0)
    with Driver.load(overlay("ZCU104")) as last:
        assert last.selftest() == 0
    assert zcu104.board.memory.used <= used


def test_overlay_for_another_board(zcu104: Any) -> None:
    with pytest.raises(
        OverlayError,
        match="an overlay for ZCU104 was expected, but .* is for PYNQ-Z2; take the one for this board",
    ):
        Driver.load(overlay("PYNQ-Z2"))
    with pytest.raises(OverlayError, match="an overlay for ZCU104 was expected, but .* is for PYNQ-Z2"):
        Driver.load(overlay("PYNQ-Z2"), board="PYNQ-Z2", backend="pynq")
    with pytest.raises(OverlayError, match="an overlay for KV260 was expected, but .* is for ZCU104"):
        Driver.load(overlay("ZCU104"), board="KV260")


class RealDevice:
    """As much of a real device as is asked before anything is loaded."""

    tag, name, arch = "edge0", "edge0", "aarch64"


@pytest.fixture
def real(zcu104: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynq.Device, "_active_device", RealDevice())


def test_a_real_board_refuses_emulated_overlays(real: None) -> None:
    with pytest.raises(
        OverlayError,
        match="a bitstream for the board was expected, but .* was written for the emulated board",
    ):
        Driver.load(overlay("ZCU104"), backend="pynq")


def test_the_board_of_an_image(real: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import dataclasses

    manifest = dataclasses.replace(read(overlay("ZCU104")), emulated=False)
    monkeypatch.setenv("BOARD", "Pynq-Z2")
    with pytest.raises(OverlayError, match="an overlay for Pynq-Z2 was expected, but .* is for ZCU104"):
        backends.PynqBackend(manifest, None)
    node = tmp_path / "pynq_board"
    node.write_bytes(b"KV260\0")
    monkeypatch.setattr(backends, "_BOARD_FILE", node)
    with pytest.raises(OverlayError, match="an overlay for KV260 was expected"):
        backends.PynqBackend(manifest, None)


def test_emulated_devices_refuse_real_overlays(zcu104: Any) -> None:
    import dataclasses

    with pytest.raises(
        OverlayError, match=r"a bitstream for the emulated board was expected, but .* is for real hardware"
    ):
        backends.PynqBackend(dataclasses.replace(read(overlay("ZCU104")), emulated=False), None)


def test_no_device(zcu104: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pynq.Device, "_active_device")
    monkeypatch.setattr(type(pynq.Device), "_subclasses", {})
    monkeypatch.delattr(pynq.Device, "_devices", raising=False)
    with pytest.raises(
        OverlayError,
        match=r"a PYNQ device was expected, but pynq finds none \(No Devices Found\); on a board run as root",
    ):
        Driver.load(overlay("ZCU104"), backend="pynq")


def test_no_pynq(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(OverlayError, match="pynq was expected to drive a board, but it is not installed"):
        Driver.load(overlay("ZCU104"), backend="pynq")


@pytest.mark.parametrize("stays", [False, True])
def test_stale_metadata(zcu104: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stays: bool) -> None:
    """PYNQ may give the addresses of an overlay that was loaded before.

    Once they are forgotten the right ones are found.
    """
    before = tmp_path / "before.hwh"
    before.write_text(overlay("ZCU104").with_suffix(".hwh").read_text().replace("0xA000", "0xA001"))
    forgotten = []
    plain = type(zcu104.device).get_bitfile_metadata

    def stale(self: Any, name: str, partial: bool = False) -> Any:
        return plain(self, str(before) if stays or not forgotten else name)

    monkeypatch.setattr(backends, "_forget_metadata", lambda: forgotten.append(True))
    monkeypatch.setattr(type(zcu104.device), "get_bitfile_metadata", stale)
    if stays:
        with pytest.raises(
            OverlayError,
            match=r"lists were expected, but .*residual\.hwh has axi_dma_0 as a .* at 0xa0010000, 65536 "
            r"bytes, instead",
        ):
            Driver.load(overlay("ZCU104"))
    else:
        with Driver.load(overlay("ZCU104")) as driver:
            assert driver.selftest() == 0
    assert forgotten == [True]


def test_forgetting_removes_what_pynq_keeps() -> None:
    from pynq import pl_server

    kept = Path(pl_server.__file__).parent / "_current_metadata.pkl"
    if kept.exists():
        pytest.skip("pynq keeps something of its own here")
    kept.write_bytes(b"")
    backends._forget_metadata()
    assert not kept.exists()


def test_accelerator_beside_a_users_overlay(zcu104: Any) -> None:
    """Our driver and PYNQ's share the device: what PYNQ's did before does not disturb."""
    from pynq import Overlay, allocate

    with Driver.load(overlay("ZCU104")) as driver:
        assert_array_equal(driver(frames(3)), expected(frames(3)))
    dma = Overlay(str(overlay("ZCU104"))).axi_dma_0
    dma.sendchannel.transfer(allocate(read(overlay("ZCU104")) and 72, np.uint8))
    with Driver.load(overlay("ZCU104")) as driver:
        assert_array_equal(driver(frames(3)), expected(frames(3)))
    assert build("ZCU104").is_dir()
