"""Errors that are the user's to mend: one sentence that says what was expected, what came and what to do."""

from __future__ import annotations


class UserError(ValueError):
    """Something outside pyqkit is wrong (a name, a file, an array); the message is one complete sentence.

    The command line prints the message alone, without a traceback, and exits with `exit_code`.
    """

    exit_code = 2


class MissingToolError(UserError):
    """A program that pyqkit calls is not installed; the message names it and how to install it."""
