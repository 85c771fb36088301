"""The host's part in build folders, on a board, on the command line and in the report."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import pyqkit
from pyqkit.cli import main
from pyqkit.formats.reading import DAMAGE
from pyqkit.graph import serialise
from pyqkit.graph.graph import GraphError
from pyqkit.host import operation
from pyqkit.host.operation import Node, Operation
from pyqkit.host.operations.softmax import Softmax
from pyqkit.host.part import HostPart
from pyqkit.overlay.emulated import write
from pyqkit.runtime import Driver
from tests.host.tails import assert_kept, classifier, frames
from tests.host.test_ends import VECTORS, of_all


def test_a_board_computes_it(tmp_path: Path) -> None:
    """The driver gives what `emulate` gives, and the accelerator's codes where codes are wanted."""
    accelerator, x = pyqkit.compile(classifier(of_all)), frames(9, 6)
    accelerator.save(tmp_path / "net")
    with Driver.load(write(tmp_path / "net", tmp_path / "overlay"), backend="emulated", batch=4) as driver:
        found, codes = driver(x), driver.execute(x, codes=True)
        assert driver.selftest() == 0
    assert isinstance(found, dict) and isinstance(codes, np.ndarray)
    for name, values in accelerator.emulate_outputs(x).items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    np.testing.assert_array_equal(codes, accelerator.emulate(x, codes=True))


def test_folders_say_whether_they_have_one(tmp_path: Path) -> None:
    """A version that knows no host's part must not leave it out without a word."""
    for name, tail, schema in (("with", VECTORS["softmax"], 2), ("without", lambda b, x: [x], 1)):
        pyqkit.compile(classifier(tail)).save(tmp_path / name)
        assert json.loads((tmp_path / name / "manifest.json").read_text())["schema"] == schema
        pyqkit.Accelerator.load(tmp_path / name)


def test_the_command_line(tmp_path: Path) -> None:
    onnx.save(classifier(VECTORS["arg_max_last"]), tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", frames(5, 6))
    build = str(tmp_path / "net")
    run("compile", tmp_path / "net.onnx", "-o", build)
    run("emulate", build, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    run("emulate", build, "--input", tmp_path / "x.npy", "--output", tmp_path / "codes.npy", "--codes")
    assert (np.load(tmp_path / "y.npy").dtype, np.load(tmp_path / "y.npy").shape) == (np.int64, (5,))
    assert np.load(tmp_path / "codes.npy").shape == (5, 7)
    found = json.loads(run("verify", build, "--input", tmp_path / "x.npy", "--engine", "exact", "--json"))
    assert [step["values"] for step in found["reference"]["host"].values()] == [5]
    assert "On the host 0 of 5 numbers differ" in run(
        "verify", build, "--input", tmp_path / "x.npy", "--engine", "exact"
    )
    (step,) = json.loads(run("report", build, "--json"))["host"]
    assert (step["operation"], step["output_type"], step["output_shape"]) == ("ArgMax", "int64", [])
    assert "computed by the host" in run("report", build)
    run("report", build, "--html", tmp_path / "page.html")
    assert "computed by the host" in (tmp_path / "page.html").read_text()


def run(*arguments: Any) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_verify_finds_a_wrong_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """One unit in the last place too much is too much."""
    accelerator, x = pyqkit.compile(classifier(of_all)), frames(20, 6)
    right = Softmax.compute

    def wrong(self: Softmax, *given: np.ndarray) -> tuple[np.ndarray, ...]:
        (values,) = right(self, *given)
        return (np.nextafter(values, np.float32(2)),)

    monkeypatch.setattr(Softmax, "compute", wrong)
    result = accelerator.verify(x, engines=["exact"])
    steps = result["reference"]["host"]
    assert [name for name, step in steps.items() if step["differing"]] == ["softmax_11"]
    from pyqkit.tables import verdict

    assert "numbers that the host computes differ" in verdict(result)[0]


DAMAGED: dict[str, Callable[[Any], Any]] = {
    "no operation": lambda host: host["steps"][0].update(kind="eval"),
    "a field too few": lambda host: host["steps"][0]["fields"].pop("axis"),
    "another axis": lambda host: host["steps"][0]["fields"].update(axis=9),
    "the frames' axis": lambda host: host["steps"][0]["fields"].update(axis=-1),
    "an unknown tensor": lambda host: host["steps"][0]["inputs"][0].update(tensor="nobody"),
    "a missing array": lambda host: host["steps"][0].update(inputs=[{"array": "nothing"}]),
    "a tensor made twice": lambda host: host["steps"].append(host["steps"][0]),
    "steps in another order": lambda host: host["steps"].reverse(),
    "no results": lambda host: host["results"].clear(),
    "a result of another type": lambda host: host["results"][0].update(type="int64"),
    "a result of objects": lambda host: host["results"][0].update(type="O"),
    "a result of another shape": lambda host: host["results"][0].update(shape=[8]),
    "a list of steps that is none": lambda host: host.update(steps=5),
    "more numbers than a tensor has": lambda host: host["steps"].extend(
        _doubling(host["results"][0]["name"], 40)
    ),
}


def _doubling(name: str, count: int) -> list[dict[str, Any]]:
    names = [name, *(f"twice{i}" for i in range(count))]
    return [
        {
            "node": "n",
            "type": "Concat",
            "kind": "concat",
            "fields": {"axis": 1},
            "inputs": [{"tensor": before}] * 2,
            "outputs": [after],
        }
        for before, after in pairwise(names)
    ]


@functools.cache
def _stored() -> Any:
    return serialise.to_json(pyqkit.compile(classifier(of_all)).graph)


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_damaged_data_are_refused(damage: Callable[[Any], Any]) -> None:
    data, arrays = _stored()
    broken = copy.deepcopy(data)
    damage(broken["host"])
    with pytest.raises(GraphError, match="it is damaged"):
        serialise.from_json(broken, arrays)
    with pytest.raises(DAMAGE):
        HostPart.from_json(broken["host"], arrays, {data["outputs"][0]["onnx_name"]: (7,)})


def test_an_operation_is_added_without_an_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One class: found by its decorator, kept by its fields."""
    from dataclasses import dataclass

    from pyqkit.graph.fields import number_field

    operation.kinds()
    monkeypatch.setattr(operation, "_kinds", dict(operation._kinds))

    @operation.operation(ThresholdedRelu="torch.nn.Threshold")
    @dataclass(frozen=True)
    class Threshold(Operation):
        alpha: float = number_field()

        kind = "threshold"
        attributes = frozenset({"alpha"})

        @classmethod
        def read(cls, node: Node) -> Threshold:
            return cls(float(node.attributes.get("alpha", 1.0)))

        def compute(self, *given: np.ndarray) -> tuple[np.ndarray, ...]:
            return (np.where(given[0] > self.alpha, given[0], np.float32(0)),)

    accelerator, x = (
        pyqkit.compile(classifier(lambda b, y: [b.node("ThresholdedRelu", y, alpha=0.5)])),
        frames(9, 6),
    )
    assert_kept(accelerator, x)
    (ours,) = accelerator.emulate_outputs(x).values()
    assert (ours[ours != 0] > 0.5).all() and (ours == 0).any()
