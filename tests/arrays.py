"""Small networks for arrays, and emulated overlays of arrays, that tests load; made once a process."""

from __future__ import annotations

import functools
import tempfile
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np

import pyqkit
from pyqkit import Accelerator, boards
from pyqkit.array.machine import named
from pyqkit.array.network import ArrayNetwork
from pyqkit.emulate.array import network
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.overlay import array, emulated
from tests.array.test_use import digits

ARRAY = "lpa8x8"
FORMATS = {"first": ("lp4_0_3", "lp8_1_2"), "second": ("lp2_0_1", "lp4_1_2")}


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Goes with the process."""
    return tempfile.TemporaryDirectory(prefix="pyqkit-test-")


@functools.cache
def overlay(board: str) -> Path:
    """The emulated overlay of the array: the .bit file."""
    planned = array.plan(named(ARRAY), boards.load(board))
    return emulated.write_planned(planned, Path(_folder().name) / board)


@functools.cache
def accelerator(name: str) -> Accelerator:
    """A network in the formats of this name."""
    return pyqkit.compile(digits(*FORMATS[name]), target_fps=100)


@functools.cache
def other_head() -> Graph:
    """The first network with other weights in its last layer."""
    graph = deepcopy(accelerator("first").designs.compiled.graph)
    last = [op for op in graph.operators if isinstance(op, Convolution)][-1]
    index = graph.operators.index(last)
    graph.operators[index] = replace(last, weights=last.weights[..., ::-1].copy())
    return graph


@functools.cache
def made(name: str) -> ArrayNetwork:
    """The same for the array."""
    return network(accelerator(name).designs.compiled.graph, named(ARRAY))


@functools.cache
def saved(name: str) -> Path:
    """Its file."""
    path = Path(_folder().name) / f"{name}.zip"
    made(name).save(path)
    return path


def frames(count: int, seed: int = 0) -> np.ndarray:
    """Inputs of the networks."""
    x = np.random.default_rng(seed).normal(0, 0.5, (count, 1, 8, 8))
    return x.clip(-1.5, 1.5).astype(np.float32)


def expected(name: str, x: np.ndarray, codes: bool = False) -> np.ndarray:
    """What the engine `exact` gives."""
    return accelerator(name).emulate(x, codes=codes)
