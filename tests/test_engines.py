"""The registry of engines, and what is worked out of a compiled network once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit import designs, engines, report
from pyqkit.array import machine
from pyqkit.array.families import of
from pyqkit.designs import Designs
from pyqkit.emulate.exact import ExactEngine
from pyqkit.engines import Counts, Say
from pyqkit.hardware import search
from pyqkit.hls import generate as hls
from pyqkit.rtl import generate as rtl
from tests.overlays import frames
from tests.small_networks import compiled_for, residual


class Definition:
    """Every operator by its definition; each takes a cycle a frame."""

    name = "definition"
    counts: Counts | None = None

    def __init__(self, of: Designs) -> None:
        self.graph = of.compiled.graph

    def run(
        self, codes: dict[str, np.ndarray], *, progress: Callable[[int], None] | None = None
    ) -> dict[str, np.ndarray]:
        count = len(next(iter(codes.values())))
        first = np.arange(count)
        self.counts = Counts(first, np.stack([first + len(self.graph.operators)]))
        found = self.graph.execute(codes)
        return {port.tensor: found[port.tensor] for port in self.graph.outputs}


@pytest.fixture
def definition() -> Iterator[str]:
    """One more engine, as a file of its own would add it."""
    assert Definition.name not in engines.names()

    @engines.engine(Definition.name)
    def make(of: Designs, say: Say | None) -> Definition:
        return Definition(of)

    yield Definition.name
    del engines._makers._rules[Definition.name]


def test_an_engine_is_added_without_changing_a_file(definition: str) -> None:
    accelerator, x = pyqkit.compile(residual(), target_fps=1000), frames(5)
    np.testing.assert_array_equal(accelerator.emulate(x, engine=definition), accelerator(x))
    result = accelerator.verify(x, engines=("exact", definition))
    assert (result["engines"], result["mismatches"]) == (["exact", definition], 0)
    built = {name: of(machine.named(name)).built for name in machine.names()}
    arrays = [*built, *(f"{name}_{language}" for name in built for language in built[name])]
    assert engines.names() == tuple(sorted(("exact", "hls", "rtl", definition, *arrays)))
    found = report.simulated(accelerator.report(), accelerator.engine(definition), accelerator.graph)
    assert (found.sources.cycles, found.initiation_interval_cycles) == ("simulated", 1)
    assert found.latency_cycles == len(accelerator.graph.operators)


def test_an_engine_is_made_once() -> None:
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    assert accelerator.engine("exact") is accelerator.engine("exact") is accelerator.exact
    assert isinstance(accelerator.exact, ExactEngine) and accelerator.exact.counts is None


def counted(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, calls: list[str]) -> None:
    """Note every call of a function."""
    right = getattr(place, name)

    def noted(*arguments: Any, **options: Any) -> Any:
        calls.append(f"{place.__name__.removeprefix('pyqkit.')}.{name}")
        return right(*arguments, **options)

    monkeypatch.setattr(place, name, noted)


def test_everything_is_worked_out_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """From compiling to a page with plots there is one search, one table of it, one text a language."""
    pytest.importorskip("jinja2")
    calls: list[str] = []
    counted(monkeypatch, hls, "generate", calls)
    counted(monkeypatch, rtl, "generate", calls)
    counted(monkeypatch, report, "build", calls)
    counted(monkeypatch, search, "_Explorer", calls)
    counted(monkeypatch, designs, "search_for", calls)
    accelerator = pyqkit.compile(residual(), board="PYNQ-Z2", target_fps=2000)
    accelerator.save(tmp_path / "net")
    accelerator.save_report(tmp_path / "report.html", accelerator.report())
    accelerator.engine("hls")
    assert sorted(calls) == [
        "hardware.search._Explorer",
        "hls.generate.generate",
        "report.build",
        "rtl.generate.generate",
    ]
    calls.clear()
    loaded = pyqkit.Accelerator.from_build_folder(tmp_path / "net")
    assert not calls
    assert loaded.report() is loaded.report() and loaded.report() == accelerator.report()
    assert sorted(calls) == [
        "designs.search_for",
        "hardware.search._Explorer",
        "report.build",
        "rtl.generate.generate",
    ]


def test_a_claimed_overflow_is_looked_at_without_a_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    described = pyqkit.boards.load("PYNQ-Z2").to_json()
    described["resources"] |= {"bram36": 0, "dsp": 0, "lut": 1000}
    saved = compiled_for(tmp_path, described, allow_overflow=True).save(tmp_path / "net")
    calls: list[str] = []
    counted(monkeypatch, rtl, "generate", calls)
    counted(monkeypatch, report, "build", calls)
    with pytest.warns(UserWarning, match="net: the design does not fit PYNQ-Z2: it takes ") as caught:
        loaded = pyqkit.Accelerator.load(saved)
    assert not calls and [warning.filename for warning in caught] == [__file__]
    assert loaded.report().overflow and calls == ["report.build", "rtl.generate.generate"]
