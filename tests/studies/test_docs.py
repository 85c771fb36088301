"""The study of docs/studies.md runs as it stands there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "studies.md"


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition, call = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[:2]
    (tmp_path / "rounding_study.py").write_text(definition)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    study = importlib.import_module("rounding_study").RoundingError
    names = {"RoundingError": study}
    exec(call.replace("count=2", "count=1"), names)
    errors = {outcome.task.name: outcome.values["error"] for outcome in names["results"].outcomes}
    assert len(errors) == 6
    assert all(0 < errors[f"e2m1.{seed}"] < errors[f"int4.{seed}"] for seed in range(3))
