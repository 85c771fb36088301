"""Parameters of commands that name files: what is read, what is written, and that neither loses the other.

Even ``--force`` replaces only what a command has not been given to read. Every file or folder of a command is
declared by one of the types here, and `Command` compares them before it runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import NamedTuple

import click

from pyqkit.errors import OutputError
from pyqkit.files import is_stream

_FILE = re.compile(r"(.+\.(?:toml|zip)|.+\.py(?=:))(?::\w*)?", re.DOTALL)


class Read(click.Path):
    """A file or folder that a command reads."""


class Named(click.types.StringParamType):
    """A name, or a file that a command reads: ``board.toml``, ``program.zip`` or ``net.py:make``."""


class Written(click.Path):
    """A file or folder that a command writes, and with ``--force`` replaces.

    Parameters
    ----------
    path_type : type, optional
        What the command gets; a string by default.
    shared : bool
        It is a folder in which other outputs of the command may lie.
    """

    def __init__(self, path_type: type[Path] | None = None, shared: bool = False) -> None:
        super().__init__(path_type=path_type)
        self.shared = shared


class Command(click.Command):
    """A command that refuses to replace what it reads, and to write two results to one place."""

    def invoke(self, ctx: click.Context) -> object:
        """Run it, if its files are apart."""
        outputs = [place for place in _places(ctx) if isinstance(place.type, Written)]
        for count, output in enumerate(outputs):
            for earlier in outputs[:count]:
                _check_outputs(earlier, output)
            _check_inputs(ctx, output)
        return super().invoke(ctx)


class Commands(click.Group):
    """A group of such commands."""

    command_class = Command


def check_unread(option: str, target: Path) -> None:
    """Refuse to write a file that the command that runs was given to read.

    For files whose names follow from what a command has read; those of `Written` are compared before it runs.

    Raises
    ------
    OutputError
    """
    _check_inputs(click.get_current_context(), _Place(option, str(target), Written()))


class _Place(NamedTuple):
    """A file or folder of a command, and the option that names it."""

    option: str
    path: str
    type: click.ParamType


def _places(ctx: click.Context) -> Iterator[_Place]:
    """All that the parameters of a call name; streams are never replaced, so they may be anywhere."""
    for parameter in ctx.command.params:
        argument = isinstance(parameter, click.Argument)
        option = parameter.human_readable_name if argument else max(parameter.opts, key=len)
        value = ctx.params.get(parameter.name or "")
        for given in value if isinstance(value, tuple) else (value,):
            file = _FILE.fullmatch(given) if given and isinstance(parameter.type, Named) else None
            if file:
                yield _Place(option, file[1], parameter.type)
            elif given and isinstance(parameter.type, Read | Written) and not is_stream(Path(given)):
                yield _Place(option, str(given), parameter.type)


def _check_outputs(first: _Place, second: _Place) -> None:
    for inner, outer in ((second, first), (first, second)):
        shared = isinstance(outer.type, Written) and outer.type.shared
        if _same(inner, outer) or (_inside(inner, outer) and not shared):
            raise _refusal(inner, outer, "goes")


def _check_inputs(ctx: click.Context, output: _Place) -> None:
    for given in _places(ctx):
        if isinstance(given.type, Written):
            continue
        # A file that is new in a folder that is read takes the place of none there.
        if _same(output, given) or (_inside(output, given) and Path(output.path).is_file()):
            raise _refusal(output, given, "is read")
        if _inside(given, output):
            raise _refusal(given, output, "goes")


def _same(one: _Place, other: _Place) -> bool:
    """Whether two places are one, by whatever names: links and hard links count."""
    with suppress(OSError, ValueError):  # what does not exist, and names that no file can have
        if os.path.samefile(one.path, other.path):
            return True
    return os.path.realpath(one.path) == os.path.realpath(other.path)


def _inside(inner: _Place, outer: _Place) -> bool:
    return os.path.realpath(outer.path) in map(str, PurePath(os.path.realpath(inner.path)).parents)


def _refusal(inner: _Place, outer: _Place, verb: str) -> OutputError:
    return OutputError(
        f"a place outside {outer.path} was expected for {inner.option}, but {inner.path} came, and "
        f"{outer.option} {verb} there; choose another name"
    )
