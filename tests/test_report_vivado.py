"""What Vivado wrote is read as data, and shown beside the estimates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("onnx")

import pyqkit
from pyqkit import report_vivado
from pyqkit.cli import main
from pyqkit.errors import UserError
from tests.overlays import build


@pytest.fixture(scope="module")
def accelerator() -> Any:
    return pyqkit.Accelerator.load(build("ZCU104"))


@pytest.fixture
def data(accelerator: Any) -> dict[str, Any]:
    names = [block.name for block in accelerator.designs.rtl.blocks]
    cells = {"LUT6": 5, "SRL16E": 2, "RAM32M": 1, "FDRE": 7, "RAMB18E2": 3, "DSP48E1": 1, "CARRY4": 9}
    blocks = [{"name": name, "slack_ns": -0.1 * i, "cells": cells} for i, name in enumerate(names)]
    return {"schema": 1, "tool": "Vivado 2023.2", "part": "xc", "clock_mhz": 100.0, "blocks": blocks}


def test_layers_are_the_sums_of_their_blocks(tmp_path: Path, accelerator: Any, data: dict[str, Any]) -> None:
    (tmp_path / "ooc.json").write_text(json.dumps(data))
    made = report_vivado.read(tmp_path / "ooc.json", accelerator.designs.rtl)
    assert sum(layer.lut for layer in made.layers) == 11 * len(data["blocks"])
    assert sum(layer.bram36 for layer in made.layers) == 1.5 * len(data["blocks"])
    assert min(layer.slack_ns for layer in made.layers) == -0.1 * (len(data["blocks"]) - 1)
    (slow,) = [layer for layer in made.layers if layer.slack_ns == -0.1 * (len(data["blocks"]) - 1)]
    assert made.mhz(slow) == pytest.approx(1000 / (10 - slow.slack_ns))
    call = ["report", str(build("ZCU104")), "--vivado", str(tmp_path / "ooc.json")]
    shown = CliRunner().invoke(main, [*call, "--json"])
    found = json.loads(shown.output)["vivado"]
    assert found["source"] == "synthesised" and found["tool"] == "Vivado 2023.2"
    assert found["layers"] == [vars(layer) for layer in made.layers]
    text = CliRunner().invoke(main, call).output
    assert "Vivado 2023.2: blocks synthesised out of context for xc" in text
    assert f"{11 * len(data['blocks']):,} LUTs in all" in " ".join(text.split())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"schema": 2}, "schema 2"),
        ({"clock_mhz": "fast"}, "a clock of 'fast'"),
        ({"clock_mhz": float("nan")}, "NaN"),
        ({"tool": 3}, "3 is no text"),
        ({"blocks": [{"name": "x"}]}, "no 'cells'"),
        ({"blocks": [{"name": "x", "cells": {"LUT6": -1}, "slack_ns": 1}]}, "-1 is no whole number from 0"),
        ({"blocks": [{"name": "x", "cells": {}, "slack_ns": "1"}]}, "a slack of '1'"),
        ({"blocks": [{"name": "x", "cells": {}, "slack_ns": None}]}, "but it has a block 'x'; make it again"),
        ({"blocks": []}, "but it has no block; make it again from this build"),
        ({"blocks": 7}, "not iterable"),
    ],
    ids=["schema", "clock", "nan", "tool", "cells", "negative", "slack", "other", "none", "seven"],
)
def test_what_is_none_is_refused(
    tmp_path: Path, accelerator: Any, data: dict[str, Any], wrong: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "ooc.json").write_text(json.dumps(data | wrong))
    with pytest.raises(UserError) as caught:
        report_vivado.read(tmp_path / "ooc.json", accelerator.designs.rtl)
    assert sentence in str(caught.value)


def test_a_folder_without_one_is_refused(tmp_path: Path, accelerator: Any) -> None:
    with pytest.raises(UserError, match="a file as 'make ooc' writes it was expected at"):
        report_vivado.read(tmp_path, accelerator.designs.rtl)
