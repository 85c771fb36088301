"""Blocks of arrays in Verilator, cycle by cycle: all inputs in one word, all outputs in another."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyqkit.rtl.emitter import Parameters, instance
from tests.rtl.pairs import ROOT, build

MAIN = """
#include "Vnetwork.h"
#include <cstdio>
double sc_time_stamp() {{ return 0; }}
int main(int, char** argv) {{
  Vnetwork top;
  std::FILE *in = std::fopen(argv[1], "rb"), *out = std::fopen(argv[2], "wb");
  while (std::fread(&top.in[0], 4, {words_in}, in) == {words_in}) {{
    top.clock = 0, top.eval();
    std::fwrite(&top.out[0], 4, {words_out}, out);
    top.clock = 1, top.eval();
  }}
  std::fclose(out);
}}
"""


TOP = "bench"


@dataclass(frozen=True)
class Block:
    """A block with its ports beside the clock, by width."""

    module: str
    parameters: Parameters
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True)
class Bench:
    """Blocks side by side in one model."""

    program: Path
    blocks: Mapping[str, Block]

    @classmethod
    def of(cls, blocks: Mapping[str, Block], folder: Path, sources: Path = ROOT / "rtl") -> Bench:
        """Build it."""
        folder.mkdir(exist_ok=True)
        words = _words(blocks, "inputs"), _words(blocks, "outputs")
        main = MAIN.format(words_in=words[0], words_out=words[1])
        return cls(build(folder, TOP, text(blocks), main, sources), blocks)

    def run(self, stimuli: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
        """Outputs by block and port, (cycles, 32-bit words), of inputs by block and port.

        Inputs are int64 of shape (cycles,), or bits of shape (cycles, width); those of blocks and ports that
        are missing are zero. Outputs come as bits, (cycles, width).
        """
        (cycles,) = {len(port) for block in stimuli.values() for port in block.values()}
        given = np.zeros((cycles, 32 * _words(self.blocks, "inputs")), np.uint8)
        places = _places(self.blocks, "inputs")
        for name, ports in stimuli.items():
            for key, values in ports.items():
                low, bits = places[name, key]
                given[:, low : low + bits] = values if values.ndim == 2 else to_bits(values, bits)
        folder = self.program.parent
        np.packbits(given, axis=1, bitorder="little").tofile(folder / "in.bin")
        subprocess.run([self.program, "in.bin", "out.bin"], cwd=folder, check=True)
        words = _words(self.blocks, "outputs")
        found = np.fromfile(folder / "out.bin", np.uint8).reshape(cycles, 4 * words)
        taken = np.unpackbits(found, axis=1, bitorder="little")
        return {
            name: {
                key: taken[:, low : low + bits]
                for (of, key), (low, bits) in _places(self.blocks, "outputs").items()
                if of == name
            }
            for name in stimuli
        }


def text(blocks: Mapping[str, Block]) -> str:
    """SystemVerilog of the model, module `TOP`."""
    words = _words(blocks, "inputs"), _words(blocks, "outputs")
    written = (
        f"module bench (input wire clock, input wire [{32 * words[0] - 1}:0] in, "
        f"output wire [{32 * words[1] - 1}:0] out);\n"
    )
    places = {side: _places(blocks, side) for side in ("inputs", "outputs")}
    used = {side: max(low + bits for low, bits in found.values()) for side, found in places.items()}
    written += f"wire unused = &in[{32 * words[0] - 1}:{used['inputs']}];\n"
    written += f"assign out[{32 * words[1] - 1}:{used['outputs']}] = '0;\n"
    for name, block in blocks.items():
        wires = {"clock": "clock"}
        for side, port in (("inputs", "in"), ("outputs", "out")):
            for key in getattr(block, side):
                low, bits = places[side][name, key]
                wires[key] = f"{port}[{low}+:{bits}]"
        written += instance(block.module, f"{name}_block", block.parameters, wires)
    return written + "endmodule\n"


def to_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Lowest bits of integers, (cycles,) to (cycles, bits)."""
    return (np.asarray(values, np.int64)[:, None] >> np.arange(bits) & 1).astype(np.uint8)


def to_integers(bits: np.ndarray) -> np.ndarray:
    """Signed integers of bits, (..., width) to (...,), of at most 63 bits."""
    width = bits.shape[-1]
    places = np.concatenate([1 << np.arange(width - 1), [-(1 << (width - 1))]]).astype(np.int64)
    return bits.astype(np.int64) @ places


def _places(blocks: Mapping[str, Block], side: str) -> dict[tuple[str, str], tuple[int, int]]:
    found, low = {}, 0
    for name, block in blocks.items():
        for key, bits in getattr(block, side).items():
            found[name, key] = low, bits
            low += bits
    return found


def _words(blocks: Mapping[str, Block], side: str) -> int:
    """At least three, so that Verilator makes an array of them; and one bit at least is left over."""
    low, bits = list(_places(blocks, side).values())[-1]
    return max(3, (low + bits) // 32 + 1)
