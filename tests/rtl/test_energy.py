"""What a netlist spends, worked out by hand; all constants are powers of two, so that sums are exact."""

from __future__ import annotations

from typing import Any

import pytest

from pyqkit.rtl.energy import Activity, Energy, Technology, capacitances, energy, static_watts

TECHNOLOGY = Technology(2.0, 0.5, 0.25, 0.125, 0.0625, 16.0, 32.0, 0.5)


def cell(kind: str, outputs: dict[str, list], **inputs: Any) -> dict[str, Any]:
    pins = {pin: bits if isinstance(bits, list) else [bits] for pin, bits in inputs.items()} | outputs
    directions = {pin: "output" if pin in outputs else "input" for pin in pins}
    return {"type": kind, "port_directions": directions, "connections": pins, "parameters": {}}


def module(cells: dict[str, Any], inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    ports = {"clock": {"direction": "input", "bits": [1]}, "d": {"direction": "input", "bits": inputs}}
    return {"ports": ports | {"q": {"direction": "output", "bits": outputs}}, "cells": cells, "netnames": {}}


# Input 2 feeds two LUTs; LUT a its own flip-flop (net 3), whose Q (net 4) feeds LUT b and an output port.
TINY = module(
    {
        "a": cell("LUT2", {"O": [3]}, I0=2, I1=5),
        "f": cell("FDRE", {"Q": [4]}, C=1, CE="1", D=3, R="0"),
        "b": cell("LUT2", {"O": [5]}, I0=2, I1=4),
    },
    [2],
    [4],
)
TOGGLES = {1: 0, 2: 3, 3: 5, 4: 7, 5: 2}


def test_capacitances_follow_fan_out_and_slices() -> None:
    assert capacitances(TINY, TECHNOLOGY) == {
        2: 0.5,  # from a port: two branches of 0.25
        3: 0.125,  # in its slice
        4: 0.75,  # a hop of 0.5 to b or the port, a branch to the other
        5: 0.5,
    }


def test_energy_of_known_toggles() -> None:
    found = energy(TINY, Activity(10, TOGGLES, {}), TECHNOLOGY)
    # C V^2 / 2 with 2 V is 2 C; the clock pin goes up and down in each of 10 cycles
    assert found.nets == 2 * (3 * 0.5 + 5 * 0.125 + 7 * 0.75 + 2 * 0.5)
    assert found.clocks == 10 * 4 * 0.0625
    assert (found.memories, found.dsps) == (0, 0)
    assert found.total == 16.75 + 2.5
    assert found.per(4) == Energy(16.75 / 4, 2.5 / 4)
    assert (found + found).total == 2 * found.total


@pytest.mark.parametrize("net", [2, 3, 4, 5])
def test_a_toggle_more_costs_what_its_net_holds(net: int) -> None:
    more = energy(TINY, Activity(10, TOGGLES | {net: TOGGLES[net] + 1}, {}), TECHNOLOGY)
    before = energy(TINY, Activity(10, TOGGLES, {}), TECHNOLOGY)
    assert more.nets - before.nets == 2 * capacitances(TINY, TECHNOLOGY)[net] > 0
    assert more.clocks == before.clocks


def test_what_does_not_change_costs_its_clock_alone() -> None:
    still = energy(TINY, Activity(10, dict.fromkeys(TOGGLES, 0), dict.fromkeys(TOGGLES, 10)), TECHNOLOGY)
    assert still == Energy(clocks=2.5)


def test_block_rams_cost_by_access() -> None:
    def memory(kind: str, a: object, b: object) -> dict[str, Any]:
        return cell(kind, {"DOADO": [9]}, CLKARDCLK=1, CLKBWRCLK=1, ENARDEN=a, ENBWREN=b)

    cells = {"m": memory("RAMB18E1", 7, "0"), "n": memory("RAMB36E1", "1", 7)}
    found = energy(module(cells, [7], [9]), Activity(10, {7: 0, 9: 0}, {7: 4, 9: 0}), TECHNOLOGY)
    assert found.memories == 4 * 16 + (10 + 4) * 32
    assert found.clocks == 4 * 10 * 4 * 0.0625  # two clock pins each


def test_dsps_cost_by_bits_that_toggle_at_them() -> None:
    pins: dict[str, Any] = {"A": [2, 3], "B": [4, "0"], "C": [5], "ACIN": [6], "CLK": 1}
    toggles = {2: 1, 3: 2, 4: 4, 5: 8, 6: 16, 9: 0}
    found = energy(module({"d": cell("DSP48E1", {"P": [9]}, **pins)}, [2], [9]), Activity(1, toggles, {}))
    assert found.dsps == pytest.approx(15 * 0.43)  # C is no clock, and cascades are wires of their own
    assert found.clocks == pytest.approx(0.03)


def test_a_longer_run_minus_its_beginning() -> None:
    found = Activity(30, {2: 9}, {2: 20}).since(Activity(10, {2: 4}, {2: 5}))
    assert found == Activity(20, {2: 5}, {2: 15})


def test_static_power_is_by_part_or_unknown() -> None:
    assert static_watts("xc7z020clg400-1") == pytest.approx(0.1524)
    assert static_watts("xczu7ev-ffvc1156-2-e") is None
