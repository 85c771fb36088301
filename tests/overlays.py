"""Small emulated overlays that several tests load; written once a process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pyqkit
from pyqkit.board_emulation.board import EmulatedBoard
from pyqkit.overlay.emulated import write
from pyqkit.runtime import Driver
from tests.small_networks import residual

FRAME = (2, 6, 6)  # of the network `residual`


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Goes with the process."""
    return tempfile.TemporaryDirectory(prefix="pyqkit-test-")


@functools.cache
def build(board: str, *probes: str) -> Path:
    """A build folder of the network `residual`."""
    folder = Path(_folder().name) / "-".join((board, *probes)) / "residual"
    pyqkit.compile(residual(), board=board, target_fps=2000, probes=probes).save(folder)
    return folder


@functools.cache
def overlay(board: str, *probes: str) -> Path:
    """Its emulated overlay: the .bit file."""
    return write(build(board, *probes), build(board, *probes).parent / "overlay")


def frames(count: int, seed: int = 0) -> np.ndarray:
    """Inputs of the network."""
    return np.random.default_rng(seed).normal(0, 1, (count, *FRAME)).astype(np.float32)


def expected(x: np.ndarray, codes: bool = False) -> np.ndarray:
    """What the engine `exact` gives; the board makes no difference to it."""
    return pyqkit.Accelerator.load(build("ZCU104")).emulate(x, codes=codes)


def board_of(driver: Driver) -> EmulatedBoard:
    """The emulated board behind either backend."""
    backend: Any = driver._backend
    return backend._board if hasattr(backend, "_board") else backend._device.board
