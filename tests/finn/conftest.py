"""FINN's surroundings, where finn-plus is installed."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(scope="session", autouse=True)
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder for what FINN generates."""
    if importlib.util.find_spec("finn") is None:
        return
    from pyqkit.finn.environment import use_folder

    use_folder(tmp_path_factory.mktemp("finn"))
