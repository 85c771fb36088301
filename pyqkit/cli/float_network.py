"""The options that name a float network, its weights and what it is tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from pyqkit.command_files import Named, Read

P = ParamSpec("P")
R = TypeVar("R")

_FRAMES = "Calibration frames in npy format, preprocessed"


def float_network(folder: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """NETWORK, ``--weights`` and ``--calib`` of a command.

    Parameters
    ----------
    folder : str
        What else the calibration frames may be, as the end of the sentence that help prints.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        options = (
            click.argument("network", type=Named(), metavar="MODULE.py:FACTORY"),
            click.option(
                "--weights",
                type=Read(),
                help="npz or safetensors file, with the names of the module's state_dict.",
            ),
            click.option("--calib", required=True, type=Read(), help=f"{_FRAMES}{folder}."),
        )
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
