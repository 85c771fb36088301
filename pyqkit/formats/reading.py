"""Reading data that others may have touched.

Each value is checked for its type and range, and nothing is converted.
"""

from __future__ import annotations

from typing import Any

from pyqkit.errors import brief
from pyqkit.names import is_identifier

# What damaged data raises when it is read without a check of its own; readers turn them into one sentence.
DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, AssertionError)


def check(condition: bool, what: str) -> None:
    """Raise a ValueError that says `what` is wrong, unless `condition` holds."""
    if not condition:
        raise ValueError(what)


def text(value: Any) -> str:
    """`value`, which must be a string."""
    check(isinstance(value, str), f"{brief(value)} is no text")
    return value


def tensor_name(value: Any) -> str:
    """`value`, which must be the name of a tensor."""
    check(is_identifier(value), f"{brief(value)} is no name of a tensor")
    return value


def whole(value: Any, least: int) -> int:
    """`value`, which must be an integer from `least`."""
    check(type(value) is int and value >= least, f"{brief(value)} is no whole number from {least}")
    return value


def describe(error: Exception) -> str:
    """What was damaged, for a message."""
    return f"no {error}" if isinstance(error, KeyError) else str(error)
