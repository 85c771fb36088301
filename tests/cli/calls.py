"""Calls of the command line inside the process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from pyqkit.cli import main


def run(*arguments: object) -> Result:
    """A command, and what came of it."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def refused(result: Result, sentence: str) -> None:
    """Assert exit code 2 and exactly this sentence."""
    assert result.exit_code == 2
    assert result.output == f"pyqkit: {sentence}\n"
