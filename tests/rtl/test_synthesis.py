"""Counting of cells on netlists made by hand, and small circuits through Yosys."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from pyqkit.errors import MissingToolError, UserError
from pyqkit.formats import parse
from pyqkit.rtl import synthesis
from pyqkit.rtl.arithmetic import multiply_accumulate
from pyqkit.rtl.cells import Synthesis, count
from pyqkit.rtl.generate import library
from pyqkit.rtl.products import product_block
from pyqkit.rtl.synthesis import Circuit, synthesise
from tests.rtl.bench import needs_yosys


def lut(out: int, *inputs: int | str) -> dict:
    return {
        "type": f"LUT{len(inputs)}",
        "connections": {"O": [out], **{f"I{i}": [net] for i, net in enumerate(inputs)}},
    }


def cell(kind: str, **pins: list) -> dict:
    return {"type": kind, "connections": pins}


def counted(*cells: dict) -> Synthesis:
    return count({"cells": {str(i): c for i, c in enumerate(cells)}})


def luts(*cells: dict) -> tuple[int, int]:
    found = counted(*cells)
    return found.lut_low, found.lut_high


def test_small_luts_share_a_site_up_to_five_inputs():
    assert luts(lut(10, 1, 2, 3), lut(11, 1, 2, 3)) == (1, 2)
    assert luts(lut(10, 1, 2, 3), lut(11, 3, 4, 5)) == (1, 2)
    assert luts(lut(10, 1, 2, 3), lut(11, 4, 5)) == (1, 2)  # strangers
    assert luts(lut(10, 1, 2, 3), lut(11, 4, 5, 6)) == (2, 2)
    assert luts(lut(10, 1, 2, 3, 4, 5), lut(11, 1, 2, 3, 4, 5)) == (1, 2)
    assert luts(lut(10, 1, 2, 3, 4, 5, 6), lut(11, 1)) == (2, 2)
    assert luts(lut(10, 1, 2, "0"), lut(11, 3, 4, 5)) == (1, 2)  # constants take no input


def test_a_site_holds_two_luts_and_no_more():
    three = [lut(10 + i, 1, 2) for i in range(3)]
    assert luts(*three) == (2, 3)
    assert luts(*three, lut(20, 1, 2)) == (2, 4)


def test_carry_chains_take_a_site_for_each_bit():
    chain = cell("CARRY4", S=[10, 11, 90, 91], DI=["0"] * 4)
    # Two feed-throughs, and nobody pairs within the chain.
    assert luts(lut(10, 1, 2), lut(11, 1, 2), chain) == (4, 4)
    assert luts(lut(10, 1, 2), lut(11, 1, 2), cell("CARRY4", S=[10, 11, "0", "0"])) == (2, 2)
    # One in the chain, one beside it.
    assert luts(lut(10, 1, 2), lut(11, 1, 2), cell("CARRY4", S=[10, "0", "0", "0"])) == (1, 2)
    assert luts(lut(10, 1, 2), cell("CARRY4", S=[10, 10, "0", "0"])) == (2, 2)  # a LUT drives one slot


def test_wide_multiplexers_take_the_whole_site():
    pair = [lut(10, 1, 2), lut(11, 1, 2)]
    assert luts(*pair, cell("MUXF7", I0=[10], I1=[11], S=[3], O=[12])) == (2, 2)


def test_everything_else_is_counted_by_kind():
    cells = [
        cell("INV", I=[1], O=[2]),
        cell("FDRE"),
        cell("FDSE"),
        cell("FDCE"),
        cell("RAMB36E1"),
        cell("RAMB18E1"),
        cell("RAMB18E1"),
    ]
    cells += [
        cell("DSP48E1"),
        cell("RAM32M"),
        cell("SRL16E"),
        cell("RAM256X1S"),
        cell("MUXF7", I0=[5], I1=[6]),
        cell("BUFG"),
    ]
    assert counted(*cells) == Synthesis(1, 1, 0, 3, 0, ramb18=2, ramb36=1, lutram=9, dsp=1)


ADD = (
    "module adds (input clock, input [7:0] a, b, output reg [7:0] s);\n  always @(posedge clock) s "
    "<= a + b;\nendmodule\n"
)
AND = "module ands (input [3:0] a, output y);\n  assign y = &a;\nendmodule\n"


@needs_yosys
def test_a_batch_maps_each_circuit_for_itself_and_keeps_it(tmp_path, monkeypatch):
    blocks = {path.name: path.read_text() for path in library().glob("*.sv")}
    fmt = parse("int4")
    mac = multiply_accumulate("mac", fmt, fmt, product_block(fmt, fmt), 16)
    circuits = [Circuit("adds", ADD), Circuit("ands", AND), mac]
    added, anded, mac_found = found = synthesise(circuits, blocks, cache=tmp_path)
    assert added == Synthesis(8, 8, 8, 8, 2, 0, 0, 0, 0)
    assert anded == Synthesis(1, 1, 1, 0, 0, 0, 0, 0, 0)
    # As docs/cost.md has it.
    assert (mac_found.ff, mac_found.lut_low, mac_found.lut_high) == (8 + 16, 31, 32)
    monkeypatch.setattr(synthesis, "_job", lambda *_: pytest.fail("kept results were expected"))
    assert synthesise(circuits[::-1], blocks, cache=tmp_path) == found[::-1]


@needs_yosys
def test_a_digest_is_of_what_a_netlist_depends_on():
    blocks = {"pqk_used.sv": "module pqk_used; endmodule\n", "pqk_other.sv": "module pqk_other; endmodule\n"}
    circuit = Circuit("top", "module top; pqk_used used (); endmodule\n", {"w.hex": "1"})
    same = synthesis.digest(circuit, blocks)
    assert same == synthesis.digest(
        circuit, blocks | {"pqk_other.sv": "module pqk_other; wire a; endmodule\n"}
    )
    changed = [
        synthesis.digest(replace(circuit, dsp=True), blocks),
        synthesis.digest(replace(circuit, tables={"w.hex": "2"}), blocks),
        synthesis.digest(circuit, blocks | {"pqk_used.sv": "module pqk_used; wire a; endmodule\n"}),
    ]
    assert len({same, *changed}) == 4


@needs_yosys
def test_text_that_is_refused_is_named(tmp_path):
    with pytest.raises(UserError, match="syntax error"):
        synthesise([Circuit("wrong", "module wrong (input a; endmodule\n")], {}, cache=tmp_path)


def test_without_yosys_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"pyqkit\[synth\]"):
        synthesise([Circuit("ands", AND)], {}, cache=tmp_path)
