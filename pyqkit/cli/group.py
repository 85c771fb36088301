"""What all commands share: the group that they belong to, how errors are said, progress, JSON."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

import pyqkit
from pyqkit.command_files import Commands
from pyqkit.console import console
from pyqkit.errors import UserError, plain

_SYSTEM = "files that can be read and written were expected, but the system says: {}; check the path"
_PATIENCE = 2.0  # seconds that a command may take without showing progress


class _Group(Commands):
    """Prints a user's mistake as one sentence and exits with its code (2 as a rule), without a traceback.

    Ctrl-C exits with 130.
    """

    group_class = Commands

    def main(self, *args: Any, **extra: Any) -> Any:
        with console(), warnings.catch_warnings():
            warnings.showwarning = _warn
            try:
                return super().main(*args, **extra)
            except OSError as error:  # not even the help could be written
                _say(_SYSTEM.format(error))
                sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a full disk behind it is noticed here
            return result
        except UserError as error:
            message, code = str(error), error.exit_code
        except click.UsageError as error:
            where = (error.ctx or ctx).command_path
            message, code = f"{plain(error.format_message()).rstrip('.')}; see '{where} --help'", 2
        except ModuleNotFoundError as error:
            if (error.name or "pyqkit").partition(".")[0] == "pyqkit":
                raise
            message, code = (
                f"{error.name} was expected for this command, but it is not installed; pip install "
                "'pyqkit[host]'",
                2,
            )
        except UnicodeEncodeError:
            message, code = (
                "names that a file system can hold were expected, but one has lone surrogates; "
                "write it in UTF-8",
                2,
            )
        except BrokenPipeError:
            raise
        except OSError as error:
            message, code = _SYSTEM.format(error), 2
        except KeyboardInterrupt:
            message, code = "interrupted", 130
        _say(message)
        ctx.exit(code)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """A warning as a sentence, without the place in our source that gave it."""
    _say(f"warning: {plain(str(message))}")


def _say(message: str) -> None:
    with suppress(OSError):
        click.echo(f"pyqkit: {message}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pyqkit.__version__)
def main() -> None:
    """From a quantised PyTorch network to a bit-exact FPGA accelerator on a PYNQ board or a laptop."""


@contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Callable[[Any], None]]:
    """What runs, and for how long, on a terminal once it has taken 2 s; nothing elsewhere.

    Called with a word on what runs, or with the number done; with the first number there is a share, too.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(plain(text), total=None)
    timer = Timer(_PATIENCE, bar.start)
    timer.start()

    def update(done: Any) -> None:
        if isinstance(done, str):
            bar.update(task, description=plain(done))
        else:
            bar.update(task, description=plain(text), total=total, completed=done)

    try:
        yield update
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


def print_json(data: Any) -> None:
    click.echo(json.dumps(data))
