"""The text that every installation has, and the model that learns it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pyqkit.cli import main
from pyqkit.studies.microscopiq import training
from pyqkit.studies.microscopiq.docstrings import docstrings
from pyqkit.studies.microscopiq.models import DocstringLlama
from pyqkit.studies.microscopiq.texts import DOCSTRINGS, Pretrained, losses
from pyqkit.studies.runner import run


def test_docstrings_of_a_package() -> None:
    found = docstrings(("json",))
    assert any(text.startswith("JSON (JavaScript Object Notation)") for text in found)
    assert json.loads.__doc__ is not None
    assert any(text.split() == json.loads.__doc__.split() for text in found)
    assert len(set(found)) == len(found) > 10
    assert all(text.isascii() and len(text) >= 40 for text in found)
    assert found == docstrings(("json",))


def test_what_is_measured_is_not_learnt() -> None:
    learnt, test = (part.tobytes().split(b"\0")[:-1] for part in training.texts(("json", "logging")))
    assert not set(learnt) & set(test)
    assert len(learnt) + len(test) == len(docstrings(("json", "logging")))


def test_the_model_is_as_small_as_was_asked() -> None:
    model = DocstringLlama()
    assert sum(parameter.numel() for parameter in model.parameters()) <= 1.5e6
    assert model.norm.weight.numel() == 128


def test_training_learns_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    study = training.DocstringTraining(2, 3, ("json",))
    whole = run(study, tmp_path / "whole").outcomes[0]
    (task,) = study.tasks()
    state = study.begin(task)
    untrained = study.network(task, 0)
    for point in whole.curve:
        assert 1 < point["perplexity"] < 0.6 * study.measure(task, untrained)["perplexity"]  # type: ignore[operator]
    for index in range(2):  # each step from what a file would hold
        state = study.step(task, index, state)
    again = study.result(task, state)
    assert again.arrays.keys() == whole.arrays.keys()
    assert all(np.array_equal(again.arrays[name], whole.arrays[name]) for name in again.arrays)

    models = tmp_path / "models"
    training.write_archives(whole.arrays, models, False)
    source = Pretrained(DOCSTRINGS, models)
    assert source.calibration(1024).shape == (8, 128)
    found = float(np.exp(losses(source.model(), source.test(1024)).mean()))
    assert 1 < found < 128
    kept = source.model().state_dict()
    assert torch.equal(kept["norm.weight"], torch.from_numpy(whole.arrays["network/norm.weight"]))


def test_a_folder_of_something_else_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.txt").write_text("mine")
    arguments = ["study", "docstrings", "--models", str(tmp_path / "models"), "-o", str(tmp_path / "out")]
    for more in ([], ["--force"]):
        found = CliRunner().invoke(main, [*arguments, *more])
        assert found.exception is not None and not (tmp_path / "out").exists()
    assert (tmp_path / "models" / "mine.txt").read_text() == "mine"


@pytest.mark.long
def test_text_of_the_whole_library() -> None:
    learnt, test = training.texts()
    assert len(learnt) > 5e5 and len(test) > 5e4 and max(learnt.max(), test.max()) < 128
