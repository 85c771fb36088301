"""A machine in Verilator: bytes to its stream, bytes and cycles back, with random stalls at both ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.array.compiler import compile_graph
from pyqkit.array.execute import ArrayState
from pyqkit.array.isa import word_bits
from pyqkit.array.machine import Machine
from pyqkit.array.program import Call, Program, executed
from pyqkit.array.rtl import generate, module_name
from pyqkit.array.timing import frame_cycles
from pyqkit.array.waits import segment_cycles
from pyqkit.emulate.array_rtl import HARNESS, Answer
from tests.array.random_programs import Drawn
from tests.emulate.networks import Net
from tests.rtl.pairs import ROOT, build

# One transfer to a machine that has just been reset, by the harness of `RtlArray`.
MAIN = """
#include "{harness}"
#include <cstdio>
#include <cstdlib>
#include <vector>
static const int64_t ROOM = 1 << 20;
static void write(const char* name, const void* data, size_t size, int64_t count) {{
  std::FILE* file = std::fopen(name, "wb");
  std::fwrite(data, size, count, file), std::fclose(file);
}}
int main(int, char** argv) {{
  const size_t bytes = sizeof(Vnetwork::in_tdata);
  std::vector<uint8_t> words(ROOM * bytes), given(ROOM * bytes), lasts(ROOM);
  std::vector<uint64_t> marks(ROOM);
  std::FILE* in = std::fopen(argv[1], "rb");
  const int64_t count = std::fread(words.data(), bytes, ROOM, in);
  Transfer how{{std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4])}};
  transfer(make(), words.data(), count, given.data(), lasts.data(), ROOM, marks.data(), ROOM, &how);
  write("out.bin", given.data(), bytes, how.given);
  write("lasts.bin", lasts.data(), 1, how.given);
  write("marks.bin", marks.data(), 8, how.marks);
  std::printf("%lld %lld\\n", (long long)how.cycles, (long long)how.idle);
}}
"""


def mutated(folder: Path, file: str, right: str, wrong: str) -> None:
    """Write the SystemVerilog into an empty folder, with a mistake in one file."""
    (folder / "array").mkdir()
    for path in (ROOT / "rtl").rglob("*.sv"):
        text = path.read_text()
        assert path.name != file or right in text
        kept = folder / "array" if path.parent.name == "array" else folder
        (kept / path.name).write_text(text.replace(right, wrong) if path.name == file else text)


@dataclass(frozen=True)
class Simulation:
    """A machine as Verilator built it."""

    machine: Machine
    program: Path

    @classmethod
    def of(cls, machine: Machine, folder: Path, sources: Path = ROOT / "rtl") -> Simulation:
        """Build it."""
        folder.mkdir(exist_ok=True)
        top = module_name(machine)
        main = MAIN.format(harness=HARNESS)
        return cls(machine, build(folder, top, generate(machine), main, sources))

    def send(self, content: bytes, stalls: Iterable[int] = (0, 0), seed: int = 1) -> Answer:
        """Send bytes and wait until the machine is idle; `stalls` out of 256 cycles of both streams.

        Raises
        ------
        AssertionError
            If it never is.
        """
        folder = self.program.parent
        (folder / "in.bin").write_bytes(content)
        command = [self.program, "in.bin", *stalls, seed]
        done = subprocess.run([*map(str, command)], cwd=folder, check=True, capture_output=True, text=True)
        cycles, idle = map(int, done.stdout.split())
        assert idle, f"the machine {self.machine.name} stands still since cycle {cycles}"
        lasts, marks = (np.fromfile(folder / "lasts.bin", bool), np.fromfile(folder / "marks.bin", np.uint64))
        return Answer((folder / "out.bin").read_bytes(), lasts, cycles, marks)

    def transfers(self, program: Program, stalls: Iterable[int] = (0, 0)) -> Callable[[Call], np.ndarray]:
        """Transfers of a program, each to a machine that has nothing but it."""

        def send(call: Call) -> np.ndarray:
            content = self.send(program.setup() + call.content, stalls).content
            assert len(content) == call.result_bytes
            return np.frombuffer(content, np.uint8)

        return send

    def agrees(self, net: Net) -> None:
        """A network's program gives the codes of the definitions, each segment in the cycles of the model."""
        program = compile_graph(net.graph, self.machine)
        setup, segments = program.setup(), iter(zip(program.segments, segment_cycles(program)))
        memories = program.instructions, program.tables, program.parameters, program.weights
        loads = sum(len(items) > 0 for items in memories)

        def send(call: Call) -> np.ndarray:
            (segment, cycles), answer = next(segments), self.send(setup + call.content)
            frames = len(next(iter(net.codes.values())))
            sent = (
                len(setup) * 8 // self.machine.stream_bits
                + word_bits(self.machine) // self.machine.stream_bits
            )
            stored = segment.results[-1].layout is not None  # the last word leaves a cycle behind its STORE
            assert answer.cycles == sent + beside(loads) + frames * cycles + stored
            return np.frombuffer(answer.content, np.uint8)

        found = executed(program, net.codes, send)
        for port in net.graph.outputs:
            np.testing.assert_array_equal(found[port.tensor], net.values[port.tensor], port.tensor)

    def agrees_at_random(self, seeds: Iterable[int]) -> None:
        """Programs that no compiler wrote give the words of `ArrayState`, in the cycles of the model."""
        for seed in seeds:
            drawn = Drawn(self.machine, seed)
            content = drawn.content()
            answer, wanted = self.send(content), ArrayState(self.machine).send(content)
            assert answer.content == wanted, seed
            assert np.flatnonzero(answer.last).tolist() == [len(answer.last) - 1]
            words = len(content) * 8 // self.machine.stream_bits
            frames = 2 * frame_cycles(self.machine, drawn.program, drawn.waits)
            assert answer.cycles == words + frames + beside(5)
            assert self.send(content, (40 + 5 * seed, 120), seed).content == wanted, seed


def beside(loads: int) -> int:
    """Cycles of so many LOADs over the stream and a REPEAT, beside their words and the program."""
    return 2 * loads + 1
