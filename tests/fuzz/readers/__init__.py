"""Readers under test: every module here brings a list ``READERS``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.fuzz.reader import Reader


def by_name() -> dict[str, Reader]:
    """All readers by name."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {reader.name: reader for module in modules for reader in module.READERS}
