"""The command that runs frames through an accelerator, in software."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyqkit.cli.group import main, print_json, progress
from pyqkit.command_files import Read, Written
from pyqkit.errors import UserError, plain
from pyqkit.files import check_file, is_stream, replacing

if TYPE_CHECKING:
    from pyqkit.emulate.explain import Explained
    from pyqkit.engines import Counts


@main.command()
@click.argument("build", type=Read())
@click.option(
    "--input",
    "source",
    required=True,
    type=Read(),
    help="Frames in npy format, as the ONNX graph takes them.",
)
@click.option(
    "--output",
    "target",
    required=True,
    type=Written(),
    help="Where to write the results (npy; npz for several outputs).",
)
@click.option("--engine", default="exact", show_default=True, help="exact, hls or rtl.")
@click.option("--codes", is_flag=True, help="Write raw codes of the accelerator's outputs.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="With engine exact: among how many threads frames are divided; by default as OMP_NUM_THREADS says, "
    "or one a processor. Results are the same.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="With engine exact: show what the products of each layer are summed in, why, and how fast that is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--trace",
    type=Written(),
    help="With engine rtl: write all signals during the first frame to this FST file.",
)
@click.option("--force", is_flag=True, help="Replace an existing output file.")
def emulate(
    build: str,
    source: str,
    target: str,
    engine: str,
    codes: bool,
    threads: int | None,
    explain: bool,
    as_json: bool,
    trace: str | None,
    force: bool,
) -> None:
    """Run frames through the accelerator BUILD, in software."""
    from pyqkit import frames
    from pyqkit.accelerator import Accelerator

    _check_engine(engine, trace, threads, explain)
    for file in filter(None, (target, trace)):
        check_file(Path(file), force)
    x = frames.read(Path(source))
    accelerator = Accelerator.from_build_folder(build)
    if engine == "exact":
        accelerator.exact.threads = threads = threads or accelerator.exact.threads
    aside = is_stream(Path(target))  # what is said goes to stderr then, where it is not among the frames
    _check_target(target, accelerator.graph.output_names(codes), aside, as_json or explain)
    with progress(f"engine {engine}", total=len(x) if x.ndim else None) as update:
        outputs = accelerator.emulate_outputs(x, engine=engine, codes=codes, progress=update)
        with replacing(Path(target), force) as beside:
            frames.write(beside, outputs)
            if trace is not None:
                accelerator.trace(x, trace, force)
    steps = accelerator.exact.explain(accelerator.encode(x)) if explain else None
    made = _Emulated(target, len(x), engine, accelerator.engine(engine).counts, steps, threads)
    if as_json:
        print_json(made.to_json())
    else:
        made.show(aside)


@dataclass(frozen=True)
class _Emulated:
    """What is said of a run."""

    target: str
    frames: int
    engine: str
    counts: Counts | None
    steps: list[Explained] | None
    threads: int | None

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"file": self.target, "frames": self.frames, "engine": self.engine}
        if self.steps is not None:
            found |= {"threads": self.threads, "steps": [step.to_json() for step in self.steps]}
        if self.counts is not None:
            found |= {"latency_cycles": self.counts.latency}
            found |= {"interval_cycles": self.counts.interval} if self.frames > 1 else {}
        return found

    def show(self, aside: bool) -> None:
        """Print it; with `aside` to stderr."""
        from pyqkit.report_tables import show_explained

        click.echo(
            plain(f"{self.target}: {self.frames} frames from engine {self.engine} (emulated)"), err=aside
        )
        if self.steps is not None and self.threads is not None:
            show_explained(self.steps, self.threads)
        if self.counts is not None:
            latency = f"{self.counts.latency} from the first beat to the last of a frame"
            interval = f", {self.counts.interval:g} between frames" if self.frames > 1 else ""
            click.echo(f"cycles (simulated): {latency}{interval}", err=aside)


def _check_engine(engine: str, trace: str | None, threads: int | None, explain: bool) -> None:
    """Refuse options of another engine."""
    if trace is not None and engine != "rtl":
        raise UserError(
            f"engine rtl was expected with --trace, but {engine} came; only engine rtl has signals"
        )
    for option, given in (("--threads", threads is not None), ("--explain", explain)):
        if given and engine != "exact":
            raise UserError(
                f"engine exact was expected with {option}, but {engine} came; leave one of them out"
            )


def _check_target(target: str, names: list[str], aside: bool, says: bool) -> None:
    """Refuse a file of another kind than what is written, and a stream beside what is said."""
    if aside and says:
        raise UserError(
            f"a file was expected for --output with --json or --explain, but {target} came; name one"
        )
    if not aside and (len(names) > 1) != (Path(target).suffix == ".npz"):
        listed = ", ".join(names)
        raise UserError(
            f"a file in {'npz' if len(names) > 1 else 'npy'} format was expected for {listed}, but "
            f"{target} came; change its ending"
        )
