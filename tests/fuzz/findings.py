"""What is wrong with how an input was read, told apart by where it happened."""

from __future__ import annotations

import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

from pyqkit.errors import MAX_LINE, UserError
from tests.fuzz.reader import Reader
from tests.fuzz.sandbox import ROOT, Sandbox, Violation

KINDS = (
    "traceback",
    "memory",
    "signal",
    "hang",
    "file outside",
    "command",
    "left behind",
    "warning",
    "sentence",
)
UNFORESEEN = "breaks the importer"  # the sentence for what nobody foresaw: to a fuzzer it is a traceback


@dataclass(frozen=True)
class Finding:
    """A fault. Two findings are the same fault if `kind` and `where` agree.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    where : str
        Type of the exception and the innermost line of pyqkit, or what else tells faults apart.
    detail : str
        For who mends it.
    """

    kind: str
    where: str
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What came of an input: whether it was refused, and what is wrong with how it was read."""

    refused: bool
    finding: Finding | None


def examine(reader: Reader, path: Path, sandbox: Sandbox) -> Verdict:
    """Have an input read, and judge what came of it."""
    refused = False
    found: Finding | None = None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with sandbox.watched():
                reader.call(path, sandbox.output)
        except UserError as error:
            refused, found = True, judge_sentence(error)
        except MemoryError as error:
            found = Finding("memory", place(error), str(error))
        except Violation as violation:
            found = Finding(violation.kind, place(violation), str(violation))
        except Exception as error:
            found = Finding(
                "traceback",
                f"{type(error).__name__} at {place(error)}",
                "".join(traceback.format_exception(error)),
            )
    return Verdict(refused, found or _afterwards(sandbox, refused) or _warned(said))


def _afterwards(sandbox: Sandbox, refused: bool) -> Finding | None:
    """What can be seen only when reading has ended."""
    strays, results = sandbox.strays(), sandbox.results()
    if sandbox.violations:  # raised, and caught by a bare except
        return Finding(sandbox.violations[0].kind, str(sandbox.violations[0]), "caught on its way")
    if strays:
        return Finding("file outside", strays[0].partition("/")[0], ", ".join(strays))
    if refused and results:
        return Finding("left behind", results[0], ", ".join(results))
    return None


def _warned(said: list[warnings.WarningMessage]) -> Finding | None:
    own = [w for w in said if str(ROOT / "pyqkit") in w.filename]
    return (
        Finding("warning", f"{Path(own[0].filename).name}:{own[0].lineno}", str(own[0].message))
        if own
        else None
    )


def judge_sentence(error: UserError) -> Finding | None:
    """A refusal is one sentence of printable text that names what is wrong."""
    text = str(error)
    if UNFORESEEN in text:
        cause = error.__cause__ or error
        return Finding(
            "traceback",
            f"{type(cause).__name__} at {place(cause)}",
            "".join(traceback.format_exception(error)),
        )
    wrong = {
        "empty": not text.strip(),
        "long": any(len(line) > MAX_LINE for line in text.split("\n")),
        "unprintable": not all(line.isprintable() for line in text.split("\n")),
    }
    found = next((word for word, is_so in wrong.items() if is_so), None)
    return Finding("sentence", f"{found} at {place(error)}", repr(text[:MAX_LINE])) if found else None


def place(error: BaseException) -> str:
    """The innermost line of pyqkit on the way to an exception; where none is pyqkit's, of the tests."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.endswith("fuzz/sandbox.py")
    ]
    ours = [frame for frame in frames if frame.filename.startswith(f"{ROOT}/")]
    inside = [frame for frame in ours if frame.filename.startswith(f"{ROOT}/pyqkit/")]
    frame = (inside or ours)[-1]
    return f"{frame.filename.removeprefix(f'{ROOT}/')}:{frame.lineno} {frame.name}"
