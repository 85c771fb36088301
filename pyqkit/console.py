"""What the command line needs of its surroundings.

Three open streams that take any character, and signals that let it put things away.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = 0.5  # seconds after a signal until it is raised once more, if nothing has come of it


@contextmanager
def console() -> Iterator[None]:
    """Streams and signals as a command needs them, while it runs."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        _take_all_characters(stream)
    with _orderly_end():
        yield


def _open_streams() -> None:
    """Let descriptors 0 to 2 be open, or a file that is opened later would be taken for stdout."""
    for number, mode in enumerate(("r", "w", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        name = ("stdin", "stdout", "stderr")[number]
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _take_all_characters(stream: TextIO) -> None:
    """Write escapes for characters that a terminal lacks and for bytes in file names that are no text."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise an exception, which ends the program with one line.

    Its exit code is 128 and the signal's number.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    code = 0

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal code
        code = code or 128 + number
        # Python drops what is raised in a destructor or a callback.
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        if not _is_ending(sys.exc_info()[1]):
            raise _Ended(code)

    before = {number: signal.getsignal(number) for number in _ENDING}
    # nohup stays nohup
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, end)
    unraisable = sys.unraisablehook
    sys.unraisablehook = lambda dropped: (
        None if isinstance(dropped.exc_value, _Ended) else unraisable(dropped)
    )
    try:
        for number in handled:
            signal.signal(number, end)
        yield
    except BaseException as error:
        if not code or (isinstance(error, SystemExit) and not error.code):
            raise
        print("pyqkit: interrupted", file=sys.stderr)
        raise SystemExit(code) from None
    finally:
        sys.unraisablehook = unraisable
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (*handled, signal.SIGALRM):
            # Impatience does not disturb the end.
            signal.signal(number, signal.SIG_IGN if code else before[number])


class _Ended(SystemExit):
    """The end that a signal asks for; click has an end of its own for KeyboardInterrupt."""


def _is_ending(error: BaseException | None) -> bool:
    """Whether what is being handled comes of a signal.

    Things are being put away then, and not to be disturbed.
    """
    while error is not None and not isinstance(error, _Ended):
        error = error.__context__
    return error is not None
