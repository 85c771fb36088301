"""The C++ of a machine: what the templates in ``hls/array`` are instantiated with."""

from __future__ import annotations

from pyqkit.array import isa
from pyqkit.array.execute import item_bits
from pyqkit.array.hls.base import Elements, Powers, described, lane
from pyqkit.array.isa import Instruction, Table, word_bits
from pyqkit.array.machine import Machine, Memory
from pyqkit.errors import UserError
from pyqkit.formats.logposit import linear_table

__all__ = ["Powers", "described", "generate"]

_HEAD = """// The array {name}, written by pyqkit.
#pragma once
#include "array/{header}.hpp"
#include "array/machine.hpp"

using namespace pyqkit::array;

namespace {{  // so that a program can load several machines

"""


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
    describe = described.get(machine.family)
    if describe is None:
        raise UserError(
            f"an array whose family has C++ was expected, but {machine.name} is of family {machine.family}, "
            f"which has none; take the engine {machine.name}"
        )
    elements = describe(machine, powers)
    text = _HEAD.format(name=machine.name, header=elements.header)
    text += "".join(_instruction(machine, kind) for kind in isa.KINDS if kind is not isa.End)
    members = _constants(machine) + _types(machine, elements)
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
        "LANE": lane(machine),
        "ADDRESS": address,
    }
    numbers |= {kind.__name__.upper(): kind.number for kind in isa.KINDS}
    numbers |= {memory.name: memory.value for memory in Memory}
    numbers |= {f"OF_{table.name}": table.value for table in Table}
    return "".join(f"  static constexpr int {name} = {value};\n" for name, value in numbers.items())


def _types(machine: Machine, elements: Elements) -> str:
    """Instructions, memories and elements."""
    stream, count = machine.stream_bits, -(-machine.columns // machine.post_cycles)
    types = {kind.__name__: f"{kind.__name__}Fields" for kind in isa.KINDS if kind is not isa.End}
    for memory in (Memory.PROGRAM, Memory.TABLES, Memory.PARAMETERS):
        sizes = f"{machine.items(memory)}, {item_bits(machine, memory)}, {stream}"
        types[memory.name.capitalize()] = f"Items<{sizes}>"
    types["Weights"], types["Activations"] = elements.weights, elements.activations
    types["Boundaries"] = f"pyqkit::array::Boundaries<{count}, {machine.offset_bits}>"
    types["Codes"] = f"pyqkit::array::Codes<{count}>"
    head = "".join(f"  typedef {text} {name};\n" for name, text in types.items())
    sums = f"{machine.accumulators}, {machine.columns}, Family::LANES, {lane(machine)}"
    lane_bits = ", ".join(str(mode.lane_bits) for mode in machine.modes)
    return (
        f"{head}{elements.members}  typedef {elements.family} Family;\n"
        f"  typedef pyqkit::array::Accumulators<{sums}> Accumulators;\n"
        f"  static int lane_bits(int mode) {{\n    static const int bits[] = {{{lane_bits}}};\n"
        "    return bits[mode];\n  }\n"
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
