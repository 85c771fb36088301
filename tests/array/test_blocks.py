"""Blocks of machines one by one, as they are synthesised and timed alone."""

from __future__ import annotations

import re

import pytest

from pyqkit.array.families import of
from pyqkit.array.machine import named
from pyqkit.array.machine import names as machines
from pyqkit.array.rtl.blocks import Block, blocks


@pytest.mark.parametrize("name", [name for name in machines() if "rtl" in of(named(name)).built])
def test_every_block_stands_alone_with_the_parameters_of_its_machine(name: str) -> None:
    machine = named(name)
    found = blocks(machine)
    elements = [count for block, count in found.items() if block.module.endswith("element")]
    assert elements == [machine.rows * machine.columns]
    for block in found:
        circuit = block.circuit()
        assert f"module {circuit.name} " in circuit.text
        for key, value in block.parameters:
            assert re.search(rf"parameter [^=\n]*\b{key} = {re.escape(value)}", circuit.text)


def test_a_parameter_that_a_block_has_not() -> None:
    with pytest.raises(ValueError, match="a parameter WRONG was expected in run"):
        Block.of("run", {"WRONG": 1}).circuit()
