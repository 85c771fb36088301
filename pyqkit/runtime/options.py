"""Options of `pyqkit.runtime.Driver.load`: what kind of value each takes."""

from __future__ import annotations

from numbers import Integral, Real

from pyqkit.errors import brief
from pyqkit.overlay.manifest import OverlayError

# Kind of each option, in Python and in words. In Python a truth is a number too; here it is none.
_KINDS: dict[str, tuple[type, str]] = {
    "board": (str, "the name of a board"),
    "backend": (str, "the name of a backend"),
    "batch": (Integral, "a whole number of frames"),
    "timeout_s": (Real, "a number of seconds"),
    "clock_mhz": (Real, "a number of MHz"),
    "overclock": (bool, "True or False"),
}


def check_options(**options: object) -> None:
    """Refuse an option of the wrong kind; None is no option.

    Raises
    ------
    OverlayError
    """
    for name, value in options.items():
        kind, words = _KINDS[name]
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if value is not None and not right:
            raise OverlayError(f"{words} was expected as {name}=, but {brief(value)} came; leave it out")
