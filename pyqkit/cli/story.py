"""The command that tells a story, token by token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyqkit.cli.group import main
from pyqkit.command_files import Read, Written

if TYPE_CHECKING:
    from pyqkit.story import Llama, OnArray


@main.command()
@click.argument("source", type=Read(path_type=Path))
@click.option("-o", "--output", type=Written(Path), help="Keep the rounded model in a file.")
@click.option("--force", is_flag=True, help="Replace that file.")
@click.option("--bits", type=click.Choice(["2", "4"]), default="4", show_default=True, help="Of weights.")
@click.option("--acts", type=click.Choice(["4", "8"]), default="8", show_default=True, help="Of activations.")
@click.option("--array", default="", help="Do linear layers on this array, emulated: msq8x8.")
@click.option("--prompt", default="Once upon a time", show_default=True)
@click.option("--tokens", type=click.IntRange(1, 1024), default=100, show_default=True, help="At most.")
@click.option("--temperature", type=click.FloatRange(0, 10), default=0.0, help="0: the likeliest token.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def story(
    source: Path,
    output: Path | None,
    force: bool,
    bits: str,
    acts: str,
    array: str,
    prompt: str,
    tokens: int,
    temperature: float,
    seed: int,
) -> None:
    """Tell a story with a small language model whose linear layers are in MicroScopiQ's encoding.

    SOURCE is a data folder with the model stories260k, which is rounded then, or a file that -o has written.
    """
    from pyqkit.array import machine
    from pyqkit.files import check_file
    from pyqkit.story import Llama, OnArray, load, save

    if output is not None:
        check_file(output, force)
    if source.is_dir():
        from pyqkit.story.making import made

        model = made(source, int(bits), int(acts))
    else:
        model = load(source)
    if output is not None:
        save(model, output, force)
    click.echo(
        f"{model.weights:,} weights of linear layers, {model.stored_bits / model.weights:.2f} bits each with "
        "all metadata"
    )
    on = OnArray(model, machine.named(array)) if array else None
    linears = on or (lambda name, x: model.linears[name].integers(x))
    _tell(Llama(model, linears), prompt, tokens, temperature, seed, on)


def _tell(llama: Llama, prompt: str, tokens: int, temperature: float, seed: int, on: OnArray | None) -> None:
    """Print tokens as they come, and what they cost."""
    from pyqkit.story.costs import Meter
    from pyqkit.story.llama import encoded, told

    given, meter = encoded(llama.model, prompt), Meter(on)
    click.echo(prompt, nl=False)
    for token in told(llama, given, tokens, temperature, seed):
        meter.token()
        click.echo(llama.model.pieces[token].decode("utf-8", "replace"), nl=False)
    click.echo()
    for line in meter.lines(len(given)):
        click.echo(line)
