"""The C++ of a machine: what the templates in ``hls/array`` are instantiated with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyqkit.array import isa
from pyqkit.array.execute import item_bits
from pyqkit.array.families import check_built, of
from pyqkit.array.isa import Instruction, Table, word_bits
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.rtl.parameters import DIGITS, planes
from pyqkit.formats.logposit import linear_table

Powers = Callable[[int], Sequence[int]]
FRACTION = 6  # bits of a logarithm behind the point, in tables
_HEAD = """// The array {name}, written by pyqkit.
#pragma once
#include "array/{family}.hpp"
#include "array/machine.hpp"

using namespace pyqkit::array;

namespace {{  // so that a program can load several machines

"""
_FAMILY_FILES = {"lp": "logarithms", "integer": "digits"}


def generate(machine: Machine, powers: Powers = linear_table) -> dict[str, str]:
    """Files by name: ``machine.hpp``, and ``simulation.cpp``, which a host calls.

    Parameters
    ----------
    machine : Machine
    powers : callable
        Significands of all fractions of so many bits: the definition's, unless an ablation has others.

    Raises
    ------
    UserError
        If there are no blocks of its family.
    """
    check_built(machine)
    family = _logarithms(machine) if machine.family == "lp" else _digits(machine)
    text = _HEAD.format(name=machine.name, family=_FAMILY_FILES[machine.family])
    text += "".join(_instruction(machine, kind) for kind in isa.KINDS if kind is not isa.End)
    members = _constants(machine) + _types(machine, powers) + family
    text += f"struct Described {{\n{members}}};\n\n}}  // namespace\n"
    return {"machine.hpp": text, "simulation.cpp": _SIMULATION}


def _instruction(machine: Machine, kind: type[Instruction]) -> str:
    """A struct with the fields of an instruction."""
    places = isa.layout(machine, kind)
    declared = "".join(
        f"  {'ap_int' if place.signed else 'ap_uint'}<{place.bits}> {place.name};\n" for place in places
    )
    taken = "".join(
        f"    fields.{place.name} = {'ap_int' if place.signed else 'ap_uint'}<{place.bits}>"
        f"(ap_uint<{place.bits}>(word.range({place.low + place.bits - 1}, {place.low})));\n"
        for place in places
    )
    name = kind.__name__
    return (
        f"struct {name}Fields {{\n{declared}"
        f"  static {name}Fields of(const ap_uint<{word_bits(machine)}> &word) {{\n"
        f"#pragma HLS INLINE\n    {name}Fields fields;\n{taken}    return fields;\n  }}\n}};\n\n"
    )


def _constants(machine: Machine) -> str:
    """Numbers that the templates read."""
    address = next(p.bits for p in isa.layout(machine, isa.Run) if p.name == "base")
    numbers = {
        "ROWS": machine.rows,
        "COLUMNS": machine.columns,
        "STREAM": machine.stream_bits,
        "WORD": word_bits(machine),
        "KIND": isa.OPCODE_BITS,
        "SERVED": machine.post_cycles,
        "PROCESSORS": -(-machine.columns // machine.post_cycles),
        "MULTIPLIER": machine.multiplier_bits,
        "OFFSET": machine.offset_bits,
        "LANE": _lane(machine),
        "ADDRESS": address,
    }
    numbers |= {kind.__name__.upper(): kind.number for kind in isa.KINDS}
    numbers |= {memory.name: memory.value for memory in Memory}
    numbers |= {f"OF_{table.name}": table.value for table in Table}
    return "".join(f"  static constexpr int {name} = {value};\n" for name, value in numbers.items())


def _types(machine: Machine, powers: Powers) -> str:
    """Instructions and memories."""
    stream, count = machine.stream_bits, -(-machine.columns // machine.post_cycles)
    types = {kind.__name__: f"{kind.__name__}Fields" for kind in isa.KINDS if kind is not isa.End}
    for memory in (Memory.PROGRAM, Memory.TABLES, Memory.PARAMETERS):
        sizes = f"{machine.items(memory)}, {item_bits(machine, memory)}, {stream}"
        types[memory.name.capitalize()] = f"Items<{sizes}>"
    types["Weights"] = f"Slots<{machine.weight_words}, {machine.columns}, 1, {stream}>"
    types["Activations"] = f"Slots<{machine.activation_words}, {machine.rows}, {planes(machine)}, {stream}>"
    lanes = "Family::LANES"
    types["Boundaries"] = f"pyqkit::array::Boundaries<{count}, {machine.offset_bits}>"
    types["Codes"] = f"pyqkit::array::Codes<{count}>"
    head = "".join(f"  typedef {text} {name};\n" for name, text in types.items())
    lane_bits = ", ".join(str(mode.lane_bits) for mode in machine.modes)
    family = (
        f"pyqkit::array::Logarithms<Significands, {_lane(machine)}, {machine.operand_tables}, "
        f"{of(machine).activation_bits(machine)}>"
        if machine.family == "lp"
        else f"pyqkit::array::Digits<{_lane(machine)}, {machine.operand_tables}>"
    )
    accumulators = f"{machine.accumulators}, {machine.columns}, {lanes}, {_lane(machine)}"
    return (
        f"{head}  struct Significands {{\n    static int value(int fraction) {{\n"
        f"      static const pyqkit::Constant<8, false> table[{1 << FRACTION}] = "
        f"{{{', '.join(map(str, powers(FRACTION)))}}};\n      return table[fraction];\n    }}\n  }};\n"
        f"  typedef {family} Family;\n"
        f"  typedef pyqkit::array::Accumulators<{accumulators}> Accumulators;\n"
        f"  static int lane_bits(int mode) {{\n    static const int bits[] = {{{lane_bits}}};\n"
        "    return bits[mode];\n  }\n"
    )


def _lane(machine: Machine) -> int:
    """Bits of the widest sum."""
    return max(mode.lane_bits for mode in machine.modes)


def _logarithms(machine: Machine) -> str:
    bits = ", ".join(str(mode.weight_bits) for mode in machine.modes)
    return (
        f"  static int mode(int index) {{\n    static const int bits[] = {{{bits}}};\n"
        "    return bits[index];\n  }\n"
    )


def _digits(machine: Machine) -> str:
    modes = [DIGITS[mode.weight_bits, mode.activation_bits] for mode in machine.modes]
    rows = ", ".join(
        f"{{{{{', '.join(map(str, d.weights))}}}, {{{', '.join(map(str, d.activations))}}}, "
        f"{d.inner}, {d.outer}}}"
        for d in modes
    )
    return (
        "  static const DigitMode &mode(int index) {\n"
        f"    static const DigitMode modes[] = {{{rows}}};\n    return modes[index];\n  }}\n"
    )


# A transfer: words to a machine, until it has taken all and is idle; words that it gives, and their TLAST.
_SIMULATION = """#include "machine.hpp"
#include "simulation/host.hpp"

typedef pyqkit::array::Machine<Described> Array;
typedef Array::Stream Stream;
static constexpr int BYTES = Described::STREAM / 8;

// Memories of an FPGA begin with zeros.
extern "C" Array *make() {
  Array *array = new Array();
  std::memset((void *)array, 0, sizeof *array);
  return array;
}
extern "C" void drop(Array *array) { delete array; }

// Words given, -1 if the machine waits for more, or for room.
extern "C" long transfer(Array *array, const unsigned char *content, long words, unsigned char *given,
                         unsigned char *lasts, long room, char *message, int size) {
  Stream in("in", words + 1), out("out", room + 1);
  for (long i = 0; i < words; ++i) {
    pyqkit::Beat<BYTES> beat;
    for (int byte = 0; byte < BYTES; ++byte)
      beat.data.range(8 * byte + 7, 8 * byte) = content[i * BYTES + byte];
    beat.last = i == words - 1;
    in.write(beat);
  }
  failure.clear();
  simulation::Scheduler::instance().add("machine", [&]() {
    while (!array->idle() || !in.empty()) array->step(in, out);
  });
  PYQKIT_RUN();
  if (finish(message, size)) return -1;
  const long count = out.size();
  for (long i = 0; i < count; ++i) {
    const pyqkit::Beat<BYTES> beat = out.read();
    for (int byte = 0; byte < BYTES; ++byte) {
      const unsigned long long value = beat.data.range(8 * byte + 7, 8 * byte);
      given[i * BYTES + byte] = (unsigned char)value;
    }
    lasts[i] = beat.last != 0;
  }
  return count;
}
"""
