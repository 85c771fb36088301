"""Inputs to a reader one after another in a process of its own, which is watched from outside and started
anew when it dies.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import re
import resource
import select
import shutil
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.findings import Finding, examine
from tests.fuzz.reader import Input, Reader
from tests.fuzz.sandbox import ROOT, Sandbox

KEPT = ROOT / "build" / "fuzz"  # inputs that failed, one folder a reader
# seconds of a processor after which an input counts as one that is never read; waiting for something, six
# times as many
HANG = 10.0
MEMORY = 2 * 2**30  # bytes of address space that reading may take
_POLL = 0.1  # seconds
# Number of the input that is being read, and since when; inputs refused; seconds and number of the slowest;
# seconds of processor before
_STATE = struct.Struct("qdqdqd")


@dataclass
class Outcome:
    """What came of fuzzing a reader.

    Attributes
    ----------
    reader : str
    seed, inputs : int
    refused : int
        Inputs that ended in a `UserError`; the others were read.
    seconds : float
        Wall time.
    slowest : float
        Seconds of the input that took longest, whose number is `slowest_input`.
    failures : dict of str to int
        Inputs by kind of fault.
    distinct : list of Finding
        One of each fault.
    """

    reader: str
    seed: int
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_input: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    distinct: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> bool:
        """Count a finding; whether it is a fault that is new."""
        self.failures[finding.kind] = self.failures.get(finding.kind, 0) + 1
        new = all((finding.kind, finding.where) != (f.kind, f.where) for f in self.distinct)
        if new:
            self.distinct.append(finding)
        return new

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


def make_input(reader: Reader, seeds: list[Input], seed: int, index: int) -> Input:
    """Input number `index`: a sound one first, then spoiled ones; the same in every run."""
    if index < len(seeds):
        return seeds[index]
    random = Random(f"{reader.name} {seed} {index}")
    return reader.mutate(random.choice(seeds), random)


def place_input(content: Input, path: Path) -> None:
    """Write an input to disk, in the place of an earlier one."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, part in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(part)


class _Worker:
    """The forked process, and what it says of itself."""

    def __init__(
        self, reader: Reader, seeds: list[Input], seed: int, first: int, end: int, deadline: float
    ) -> None:
        self._state = mmap.mmap(-1, _STATE.size)
        self.note(first, time.monotonic())
        self.sandbox = Sandbox()
        self.stack = self.sandbox.root / "stack"  # of Python, where a signal ends the process
        self.pipe, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self.pipe)
                self._run(reader, seeds, seed, range(first, end), deadline, write)
                status = 0
            except BaseException:  # a mutator's, as those of readers are caught
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write)

    def note(self, index: int, since: float, refused: int = 0, slowest: tuple[float, int] = (0.0, 0)) -> None:
        """Say how far reading is."""
        self._state[: _STATE.size] = _STATE.pack(index, since, refused, *slowest, time.process_time())

    def noted(self) -> tuple[int, float, int, float, int, float]:
        """What `note` said last."""
        return _STATE.unpack(self._state[: _STATE.size])  # type: ignore[return-value]

    def hangs(self, seconds: float) -> bool:
        """Whether reading has used a processor, or, on a busy machine, waited, for longer than an input may
        take.
        """
        waited = time.monotonic() - self.noted()[1]
        if waited <= seconds:
            return False
        used = sum(
            map(int, Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13])
        ) / os.sysconf("SC_CLK_TCK")
        return used - self.noted()[5] > seconds or waited > 6 * seconds

    def _run(
        self, reader: Reader, seeds: list[Input], seed: int, indices: range, deadline: float, write: int
    ) -> None:
        self.sandbox.enter()
        faulthandler.enable(open(self.stack, "w"))  # noqa: SIM115  as long as the process lives
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        path = self.sandbox.root / f"input{reader.suffix}"
        index, refused, slowest = indices.start, 0, (0.0, 0)
        for index in indices:
            if time.monotonic() > deadline:
                break
            place_input(make_input(reader, seeds, seed, index), path)
            started = time.monotonic()
            self.note(index, started, refused, slowest)
            verdict = examine(reader, path, self.sandbox)
            slowest = max(slowest, (time.monotonic() - started, index))
            refused += verdict.refused
            if verdict.finding:
                os.write(write, (json.dumps({"index": index, **asdict(verdict.finding)}) + "\n").encode())
        else:
            index = indices.stop
        self.note(index, time.monotonic(), refused, slowest)


def fuzz(
    reader: Reader, seed: int, inputs: int, seconds: float, hang: float = HANG, kept: Path = KEPT
) -> Outcome:
    """Give a reader `inputs` inputs, or as many as `seconds` allow.

    Every fault is said once, when it is met, and the input is kept in a folder of the reader's name below
    `kept`.
    """
    seeds = list(reader.seeds())
    outcome = Outcome(reader.name, seed)
    shutil.rmtree(kept / reader.name, ignore_errors=True)
    started = time.monotonic()
    first, deadline = 0, started + seconds
    while first < inputs and time.monotonic() < deadline:
        worker = _Worker(reader, seeds, seed, first, inputs, deadline)
        try:
            first = _watch(
                worker,
                outcome,
                hang,
                lambda index, finding: _keep(reader, seeds, outcome, index, finding, kept),
            )
        finally:
            os.close(worker.pipe)
            shutil.rmtree(worker.sandbox.root, ignore_errors=True)
    outcome.inputs, outcome.seconds = first, time.monotonic() - started
    return outcome


def _watch(worker: _Worker, outcome: Outcome, hang: float, keep: Callable[[int, Finding], None]) -> int:
    """Wait for the end of a worker, or end it; returns the number of the next input."""
    pending = b""
    hanging = False
    while True:
        ready, _, _ = select.select([worker.pipe], [], [], _POLL)
        chunk = os.read(worker.pipe, 1 << 16) if ready else None
        if chunk == b"":
            break
        *lines, pending = (pending + (chunk or b"")).split(b"\n")
        for line in lines:
            said = json.loads(line)
            keep(said.pop("index"), Finding(**said))
        if not hanging and worker.hangs(hang):
            hanging = True
            os.kill(worker.pid, signal.SIGKILL)
    _, status = os.waitpid(worker.pid, 0)
    index, _, refused, seconds, slowest, _ = worker.noted()
    outcome.refused += refused
    outcome.slowest, outcome.slowest_input = max((outcome.slowest, outcome.slowest_input), (seconds, slowest))
    if status == 0:
        return index
    if hanging:
        keep(index, Finding("hang", "an input", f"more than {hang:g} s"))
    elif os.WIFSIGNALED(status):
        stack = worker.stack.read_text()
        ours = re.search(rf'"{ROOT}/(.*?)", line (\d+)', stack)
        name = signal.Signals(os.WTERMSIG(status)).name
        keep(index, Finding("signal", f"{name} at {ours[1]}:{ours[2]}" if ours else name, stack))
    else:
        raise RuntimeError(
            f"a worker that says what is wrong was expected, but that of input {index} failed; call "
            f"again with --only {index}"
        )
    return index + 1


def _keep(
    reader: Reader, seeds: list[Input], outcome: Outcome, index: int, finding: Finding, kept: Path
) -> None:
    if not outcome.add(finding):
        return
    folder = kept / reader.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{index}{reader.suffix}"
    place_input(make_input(reader, seeds, outcome.seed, index), path)
    (folder / f"{index}.txt").write_text(
        f"{finding.kind}: {finding.where}\n{finding.detail}\n", errors="backslashreplace"
    )
    print(f"{reader.name} {index}: {finding.kind}, {finding.where}; {path}", flush=True)
