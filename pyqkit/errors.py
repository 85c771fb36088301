"""Errors that are the user's to mend: one sentence that says what was expected, what came and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from reprlib import Repr

MAX_LINE = 2000  # characters of a message


class UserError(ValueError):
    """Something outside pyqkit is wrong (a name, a file, an array); the message is one complete sentence.

    The command line prints the message alone, without a traceback, and exits with `exit_code`.

    Parameters
    ----------
    lines : str
        One, or the lines of a list. Each is made `plain` and no longer than `MAX_LINE`: what is in it may
        come from anywhere.
    """

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(shortened(plain(line), MAX_LINE) for line in lines))


class OutputError(UserError):
    """Something that cannot be written, or would take the place of what is not ours to replace."""


class MissingToolError(UserError):
    """A program that pyqkit calls is not installed; the message names it and how to install it."""


def plain(text: str) -> str:
    """`text` with an escape for every character on which a terminal acts or which it cannot show."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def brief(value: object) -> str:
    """What came, for a message: its `repr`, cut short where it is long or deep."""
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = 80
    short.maxlist = short.maxtuple = short.maxdict = 8
    short.maxlevel = 3
    return short.repr(value)


def shortened(text: str, most: int = 200) -> str:
    """A text for a message, its middle left out where it is long."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 4 :]}"


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names for a message, the first `most` of them."""
    found = list(names)
    rest = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(shortened(name, 80) for name in found[:most]) + rest
