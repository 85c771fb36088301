"""A machine in Verilator: bytes to its stream, bytes and cycles back, with random stalls at both ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.array.compiler import compile_graph
from pyqkit.array.isa import word_bits
from pyqkit.array.machine import Machine
from pyqkit.array.program import Call, Program, executed
from pyqkit.array.rtl import generate, module_name
from pyqkit.array.timing import frame_cycles
from tests.emulate.networks import Net
from tests.rtl.pairs import ROOT, build

# Words wait until they are taken; the machine has ended when all are, and it has been idle for a while.
MAIN = """
#include "V{top}.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
double sc_time_stamp() {{ return 0; }}
static uint64_t state;
static bool chance(unsigned of_256) {{
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33 & 255) < of_256;
}}
int main(int, char** argv) {{
  const unsigned in_stalls = std::atoi(argv[3]), out_stalls = std::atoi(argv[4]);
  state = std::strtoull(argv[5], nullptr, 10);
  std::FILE *in = std::fopen(argv[1], "rb"), *out = std::fopen(argv[2], "wb");
  std::FILE* marks = std::fopen("marks.bin", "wb");
  std::vector<uint64_t> words(1 << 20);
  words.resize(std::fread(words.data(), 8, words.size(), in));
  V{top} top;
  size_t at = 0;
  uint64_t cycle = 0, ended = 0, still = 0;
  bool offers = false;
  top.reset = 1;
  for (int i = 0; i < 4; i++) top.clock = 0, top.eval(), top.clock = 1, top.eval();
  top.reset = 0;
  for (; still < 64 && cycle - ended < {patience}; cycle++) {{
    offers = at < words.size() && (offers || !chance(in_stalls));
    top.in_tvalid = offers;
    top.in_tdata = at < words.size() ? words[at] : 0;
    top.in_tlast = at + 1 == words.size();
    top.out_tready = !chance(out_stalls);
    top.clock = 0, top.eval();
    if (top.mark) std::fwrite(&cycle, 8, 1, marks);
    const bool taken = offers && top.in_tready;
    if (top.out_tvalid && top.out_tready) {{
      const uint64_t word = top.out_tdata, last = top.out_tlast;
      std::fwrite(&word, 8, 1, out), std::fwrite(&last, 8, 1, out);
      ended = cycle;
    }}
    const bool idle = top.idle && !top.out_tvalid && at == words.size();
    if (!idle) still = 0;
    else if (!still++) ended = cycle;
    top.clock = 1, top.eval();
    at += taken, offers &= !taken;
    if (taken) ended = cycle;
  }}
  std::fclose(out), std::fclose(marks);
  std::printf("%llu %d\\n", (unsigned long long)ended, still >= 64);
}}
"""
PATIENCE = 100_000  # cycles without a word that a machine is waited for


@dataclass(frozen=True)
class Answer:
    """What a machine made of some bytes.

    Attributes
    ----------
    content : bytes
        From its stream.
    last : numpy.ndarray of bool
        Whether each word of it was the last of a transfer.
    cycles : int
        From the first word, without stalls, until it was idle.
    marks : numpy.ndarray, uint64
        Cycles in which marked instructions started.
    """

    content: bytes
    last: np.ndarray
    cycles: int
    marks: np.ndarray


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
        main = MAIN.format(top=top, patience=PATIENCE)
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
        command = [self.program, "in.bin", "out.bin", *stalls, seed]
        done = subprocess.run([*map(str, command)], cwd=folder, check=True, capture_output=True, text=True)
        cycles, idle = map(int, done.stdout.split())
        assert idle, f"the machine {self.machine.name} stands still since cycle {cycles}"
        found = np.fromfile(folder / "out.bin", np.uint64).reshape(-1, 2)
        marks = np.fromfile(folder / "marks.bin", np.uint64)
        return Answer(found[:, 0].tobytes(), found[:, 1] != 0, cycles, marks)

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
        setup, segments = program.setup(), iter(program.segments)
        memories = program.instructions, program.tables, program.parameters, program.weights
        loads = sum(len(items) > 0 for items in memories)

        def send(call: Call) -> np.ndarray:
            segment, answer = next(segments), self.send(setup + call.content)
            frames = len(next(iter(net.codes.values())))
            cycles = frame_cycles(self.machine, program.instructions[segment.first : segment.last])
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


def beside(loads: int) -> int:
    """Cycles of so many LOADs over the stream and a REPEAT, beside their words and the program."""
    return 2 * loads + 1
