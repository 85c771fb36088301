"""The command line: ``pyqkit COMMAND``. Each command is one function; heavy imports happen inside them."""

from pyqkit.cli import catalogue, emulate, network, quantise, search, search_formats, story, study, upkeep
from pyqkit.cli.group import main

__all__ = [
    "catalogue",
    "emulate",
    "main",
    "network",
    "quantise",
    "search",
    "search_formats",
    "story",
    "study",
    "upkeep",
]
