"""Static timing of netlists made by hand, whose paths are sums of round numbers; and of what Yosys maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pyqkit.errors import UserError
from pyqkit.rtl import delays, static_timing
from pyqkit.rtl.delays import Cell, dsp48, read, speed
from pyqkit.rtl.static_timing import NetModel, Path, Timer, longest_path
from pyqkit.rtl.synthesis import Circuit, cells_library, mapped
from tests.rtl.bench import needs_yosys

LIBRARY = """
module LUT3(output O, input I0, I1, I2);
  specify
    (I0 => O) = 40; (I1 => O) = 20;
    (I2 => O) = 10;  // the fast pin
  endspecify
endmodule
module LUT1(output O, input I0);
  specify (I0 => O) = 15; endspecify
endmodule
module INV(output O, input I);
  specify (I => O) = 20; endspecify
endmodule
module CARRY4(output [3:0] CO, O, input CI, CYINIT, input [3:0] DI, S);
  specify
    (S[0] => CO[3]) = 50; (CI => CO[3]) = 3; (CI => O[1]) = 7; (DI[2] => O[3]) = 9;
  endspecify
endmodule
module FDRE(output reg Q, input C, CE, D, R);
  specify
    $setup(D , posedge C &&& CE, /*-46*/ 0);
    $setup(CE, posedge C &&& !IS_C_INVERTED, 100);
    if (!IS_C_INVERTED && R != IS_R_INVERTED) (posedge C => (Q : 1'b0)) = 300;
  endspecify
endmodule
module RAMB18E1(output [15:0] DOADO, input CLKARDCLK, input [13:0] ADDRARDADDR);
  specify
    $setup(ADDRARDADDR, posedge CLKARDCLK, 500);
    if (&DOA_REG) (posedge CLKARDCLK => (DOADO : 16'bx)) = 2400;
    if (|DOA_REG) (posedge CLKARDCLK => (DOADO : 16'bx)) = 800;
  endspecify
endmodule
module RAM32M(output [1:0] DOA, input [4:0] ADDRA, input WCLK, WE);
  specify
    $setup(WE, posedge WCLK, 600);
    if (WE) (posedge WCLK => (DOA[1] : DIA[1])) = 1100;
    (ADDRA[0] *> DOA) = 90; (ADDRA[4] *> DOA) = 60;
  endspecify
endmodule
module SRL16E(output Q, input A0, CE, CLK, D);
  specify
    $setup(D, posedge CLK, 170); (posedge CLK => (Q : 1'bx)) = 5000; (A0 => Q) = 630;
  endspecify
endmodule
module RAM32X1D(output DPO, SPO, input D, WCLK, WE, A0, DPRA0);
  specify
    $setup(A0, posedge WCLK &&& WE, 240);
    if (WE) (posedge WCLK => (SPO : D)) = 700 + 50 /* across */;
    (A0 => SPO) = 600 /* a LUT */ + 40;
  endspecify
endmodule
module plain(output O, input I); endmodule
"""
CELLS = read(LIBRARY)
NET = NetModel(1.0, 0.5)  # ns, and for each doubling of the readers
OUT = {"O", "CO", "Q", "DOADO", "DOA", "P", "PCOUT"}


def cell(kind: str, *parameters: str, **pins: list[int | str]) -> dict:
    directions = {pin: "output" if pin in OUT else "input" for pin in pins}
    values = dict(p.split("=") for p in parameters)
    return {"type": kind, "connections": pins, "port_directions": directions, "parameters": values}


def flop(d: int, q: int, **pins: list[int | str]) -> dict:
    return cell("FDRE", D=[d], Q=[q], C=[1], **pins)


def module(*cells: dict, inputs: dict[str, list[int]] | None = None, **outputs: list[int]) -> dict:
    ports = {name: {"direction": "input", "bits": bits} for name, bits in (inputs or {}).items()}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in outputs.items()}
    names = {f"n{net}": {"bits": [net]} for net in range(2, 60)}
    return {"cells": {str(i): c for i, c in enumerate(cells)}, "ports": ports, "netnames": names}


def timed(*cells: dict, **ports: list[int]) -> Path:
    return longest_path(module(*cells, **ports), CELLS, NET)


def lut(out: int, *inputs: int) -> dict:
    return cell("LUT3", O=[out], **{f"I{i}": [net] for i, net in enumerate(inputs)})


# register 10 -> LUT -> LUT -> register: clock to output, net, fast pin, net, fast pin; D beside its LUT
TWO_LUTS = [flop(30, 10), lut(20, 10), lut(21, 20), flop(21, 11)]
TWO_LUTS_NS = 0.3 + 1.0 + 0.01 + 1.0 + 0.01
# two registers reach one LUT, of which one drives four pins and comes later: it gets the fast pin
LATE = [flop(30, 10), flop(30, 12), *(lut(40 + i, 10) for i in range(3)), lut(20, 10, 12), flop(20, 11)]
LATE_NS = 0.3 + (1.0 + 0.5 * 2) + 0.01
# LUT into its own carry slot, three more chains, and out to a register beside the last
CARRY = [
    flop(30, 10),
    lut(20, 10),
    cell("CARRY4", S=[20, "0", "0", "0"], DI=["0"] * 4, CI=["0"], CO=[2, 3, 4, 21]),
    cell("CARRY4", S=["0"] * 4, DI=["0"] * 4, CI=[21], CO=[5, 6, 7, 22]),
    cell("CARRY4", S=["0"] * 4, DI=["0"] * 4, CI=[22], O=[8, 23, 9, 13]),
    flop(23, 11),
]
CARRY_NS = 0.3 + 1.0 + 0.01 + 0.05 + 0.003 + 0.007
BLOCK = [cell("RAMB18E1", "DOA_REG=00", DOADO=[20], ADDRARDADDR=[11]), lut(21, 20), flop(21, 11)]
BLOCK_NS = 2.4 + 1.0 + 0.01
# a register drives the enables of two others
ENABLE = [flop(30, 10), flop(31, 11, CE=[10]), flop(31, 12, CE=[10])]
ENABLE_NS = 0.3 + 1.5 + 0.1
SUMS = {
    "two LUTs": (TWO_LUTS, TWO_LUTS_NS, 2, "2 LUT"),
    "late signal": (LATE, LATE_NS, 1, "1 LUT"),
    "carry": (CARRY, CARRY_NS, 4, "3 CARRY4, 1 LUT"),
    "block RAM": (BLOCK, BLOCK_NS, 1, "1 LUT"),
    "enable": (ENABLE, ENABLE_NS, 0, ""),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_path_is_the_sum_of_its_delays(name: str) -> None:
    cells, ns, levels, kinds = SUMS[name]
    found = timed(*cells)
    assert (found.ns, found.levels, found.cells) == (round(ns, 3), levels, kinds)


def test_ends_are_named() -> None:
    found = timed(*TWO_LUTS)
    assert (found.begin, found.end) == ("n10", "n11.D")
    assert timed(lut(20, 10), inputs={"a": [10]}, y=[20]).end == "port y"


def test_ports_are_registers_of_a_neighbour() -> None:
    assert timed(lut(20, 10), inputs={"a": [10]}, y=[20]).ns == round(0.3 + 1.0 + 0.01 + 1.0, 3)
    assert timed(lut(20, 10), inputs={"clock": [10]}, y=[20]).ns == 0  # a clock is no signal
    assert timed() == Path(0.0, 0, "", "", "")


def test_equal_signals_take_the_slower_pins_in_turn() -> None:
    three = [flop(30, net) for net in (10, 12, 13)]
    assert timed(*three, lut(20, 10, 12, 13), flop(20, 11)).ns == round(0.3 + 1.0 + 0.04, 3)


def test_a_second_flip_flop_is_outside_the_slice() -> None:
    both = timed(*TWO_LUTS, flop(21, 12))
    # the net between has two readers now, and the further register pays it
    assert both.ns == round(TWO_LUTS_NS + 1.5, 3)


def test_carry_slots_without_a_lut_of_their_own_pay_a_net_and_one_to_pass_it_on() -> None:
    direct = [flop(30, 20), *CARRY[2:]]
    assert timed(*direct).ns == round(0.3 + 1.0 + 0.015 + 0.05 + 0.003 + 0.007, 3)
    twice = [*CARRY[:3], cell("CARRY4", S=[20, "0", "0", "0"], CO=[2, 3, 4, 31]), flop(31, 14), *CARRY[3:]]
    assert timed(*twice).ns == round(0.3 + 1.0 + 0.01 + 1.5 + 0.015 + 0.05 + 0.0, 3)  # D of 14 is beside it


def test_an_inverter_is_a_lut_in_its_carry_slot_or_beside_its_flip_flop() -> None:
    def inverted(cells: list[dict]) -> list[dict]:
        return [cell("INV", O=[20], I=[10]) if c["connections"].get("O") == [20] else c for c in cells]

    assert timed(*inverted(CARRY)).ns == round(CARRY_NS - 0.01 + 0.02, 3)
    assert timed(*inverted([flop(30, 10), lut(20, 10), flop(20, 11)])).ns == round(0.3 + 1.0 + 0.02, 3)


def test_output_registers_of_block_ram_are_seen() -> None:
    registered = [cell("RAMB18E1", "DOA_REG=01", DOADO=[20], ADDRARDADDR=["0"]), *BLOCK[1:]]
    assert timed(*registered).ns == round(0.8 + 1.0 + 0.01, 3)
    address = cell("RAMB18E1", "DOA_REG=01", DOADO=[20], ADDRARDADDR=[10])
    assert timed(flop(30, 10), address).ns == round(0.3 + 1.0 + 0.5, 3)


def test_lut_memories_are_read_through_and_written_by_the_clock() -> None:
    registers = [flop(30, net) for net in (10, 12, 13)]

    def memory(enable: int | str) -> dict:
        return cell("RAM32M", DOA=[20, 21], ADDRA=[10, "0", "0", "0", 12], WCLK=[1], WE=[enable])

    assert timed(*registers, memory(13)).ns == round(0.3 + 1.0 + 0.6, 3)  # WE
    assert timed(*registers, memory("1"), flop(20, 11)).ns == round(0.3 + 1.0 + 0.09, 3)  # beside it
    assert timed(memory("1"), lut(22, 21), flop(22, 11)).ns == round(1.1 + 1.01, 3)
    assert timed(*registers, memory("1"), lut(22, 20), flop(22, 11)).ns == round(1.39 + 1.01, 3)


def test_what_a_shift_register_holds_may_come_later_than_its_address() -> None:
    shift = cell("SRL16E", Q=[20], A0=[10], CLK=[1], D=["0"], CE=["1"])
    cells = [flop(30, 10), shift, lut(21, 20)]
    found = timed(*cells, flop(21, 11))
    assert (found.ns, found.levels, found.begin) == (round(5.0 + 1.0 + 0.01, 3), 1, "n20")
    assert Timer(module(*cells, y=[21]), CELLS, NET).edges.arrival == {"y": (pytest.approx(6.01), 1)}


def test_memories_of_one_port_have_the_figures_of_those_of_two() -> None:
    assert CELLS["RAM32X1S"].through[("A0", None), ("O", None)] == 0.64
    assert CELLS["RAM32X1S"].clocked["O", None] == 0.75 and CELLS["RAM32X1S"].setup["A0", None] == 0.24


def test_registers_of_a_dsp_decide_where_paths_end() -> None:
    def figures(*registers: str) -> Cell:
        unset = dict.fromkeys(("AREG", "BREG", "CREG", "DREG", "ADREG", "MREG", "PREG"), "0")
        return dsp48({**unset, **dict.fromkeys(registers, "1"), "USE_MULT": "MULTIPLY"})

    a, b, p = ("A", None), ("B", None), ("P", None)
    bare = figures()
    assert bare.through[a, p] == 2.823 and not bare.clocked and not bare.setup
    assert figures("MREG").setup == {a: 1.416, ("ACIN", None): 1.416, b: 1.285, ("BCIN", None): 1.285}
    assert figures("MREG").clocked[p] == 1.671 and figures("MREG", "PREG").clocked[p] == 0.329
    assert figures("AREG", "BREG").clocked[p] == 2.952 and figures("AREG", "MREG").clocked[p] == 1.671
    assert figures("AREG", "BREG", "MREG", "PREG").setup[a] == 0.254
    assert figures("PREG").setup[("PCIN", None)] == 1.025


def test_cascades_of_dsps_need_no_net() -> None:
    first = cell("DSP48E1", "PREG=1", "USE_MULT=MULTIPLY", A=[10], PCOUT=[20])
    second = cell("DSP48E1", "PREG=1", "USE_MULT=MULTIPLY", PCIN=[20], P=[21])
    known = CELLS | {"DSP48E1": Cell()}
    assert longest_path(module(first, second), known, NET).ns == round(0.329 + 0.148 + 1.025, 3)


def test_a_loop_is_an_error() -> None:
    with pytest.raises(UserError, match="2 signals depend on themselves, such as n2[01]"):
        timed(lut(20, 21), lut(21, 20))


def test_a_cell_without_figures_is_an_error() -> None:
    with pytest.raises(UserError, match="plain has none"):
        timed(cell("plain", I=[10], O=[20]))


def test_a_factor_scales_everything() -> None:
    assert longest_path(module(*LATE), CELLS, NET, 0.5).ns == round(LATE_NS / 2, 3)
    assert speed("zynq-7000", "xc7z020clg400-1") == 1
    assert speed("zynq-7000", "xc7z020clg400-3") == 0.77
    assert speed("zynq-mpsoc", "xck26-sfvc784-2LV-c") == 0.65 * 0.85


def test_edges_of_blocks_add_up_to_the_path_through_both() -> None:
    """Register > LUT > port of one block, port > LUT > register of the next."""
    first = Timer(module(flop(30, 10), lut(20, 10), y=[20]), CELLS, NET).edges
    second = Timer(module(lut(21, 20), flop(21, 11), inputs={"y": [20]}), CELLS, NET).edges
    assert first.arrival == {"y": (pytest.approx(1.31), 1)}
    assert second.required == {"y": (pytest.approx(1.01), 1)}
    assert first.arrival["y"].then(*second.required["y"]) == (pytest.approx(TWO_LUTS_NS), 2)
    wire = Timer(module(lut(21, 20), inputs={"a": [20], "b": [40]}, y=[21]), CELLS, NET).edges
    assert wire.through == {("a", "y"): (pytest.approx(1.01), 1)} and not wire.required and not wire.arrival


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "nets do not grow with their readers": lambda m: m.setattr(NetModel, "ns", lambda self, n: self.base),
    "every pin needs a net": lambda m: m.setattr(
        Timer, "_wire", lambda self, net, cell, pin, index=0: self._nets.ns(self._wires.readers[net])
    ),
    "a signal keeps its pin": lambda m: m.setattr(delays, "PERMUTED", delays.re.compile("never")),
    "no setup": lambda m: m.setattr(Timer, "_add_ends", without_setup),
    "clocks are signals": lambda m: m.setattr(static_timing, "is_clock", lambda *_: False),
}


def without_setup(self: Timer, name: str, kind: str, pin: str, bits: list, figures: Cell) -> None:
    ADD_ENDS(self, name, kind, pin, bits, replace(figures, setup=dict.fromkeys(figures.setup, 0.0)))


ADD_ENDS = Timer._add_ends


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_convicted(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gives a wrong sum somewhere."""
    MUTANTS[mutant](monkeypatch)
    clocked = [*TWO_LUTS, *(lut(40 + i, 1) for i in range(8))]  # what drives the clock drives LUTs, too
    sums = [timed(*cells).ns == round(ns, 3) for cells, ns, _, _ in SUMS.values()]
    clock = longest_path(module(*clocked, inputs={"clock": [1]}), CELLS, NET).ns == round(TWO_LUTS_NS, 3)
    assert not all([*sums, clock])


@needs_yosys
def test_yosys_has_figures_for_what_it_maps_to(tmp_path) -> None:
    """The library as installed, and a path of what it makes of a small circuit."""
    cells = read(cells_library().read_text())
    assert sorted(cells["LUT6"].through.values()) == [0.127, 0.238, 0.407, 0.472, 0.631, 0.642]
    assert len(cells["CARRY4"].through) == 52 and cells["FDRE"].setup == {
        ("D", None): 0.0,
        ("CE", None): 0.109,
        ("R", None): 0.404,
    }
    assert cells["RAMB18E1"].clocked["DOADO", None] == 2.454
    assert cells["RAMB36E1"].registered["DOBDO", None] == 0.882
    text = (
        "module adds (input clock, input [7:0] a, b, output reg [7:0] s);\n"
        "  always @(posedge clock) s <= a + b;\nendmodule\n"
    )
    (found,) = mapped([Circuit("adds", text)], {}, lambda m: longest_path(m, cells), cache=tmp_path)
    # a[1], whose LUT is in its slot, through the rest of the chain and the next one to s[5] beside it
    assert found.ns == round(0.303 + 0.55 + 0.238 + 0.528 + 0.334, 3)
    assert (found.levels, found.cells, found.end) == (3, "2 CARRY4, 1 LUT", "s[5].D")
