"""Widths that features of blocks count with are those that the modules elaborate to."""

from __future__ import annotations

import pytest

pytest.importorskip("pyslang", reason="pyslang is not installed; make venv")

from pyqkit.rtl.features import sliding_window
from pyqkit.rtl.generate import library


def elaborated(module: str, parameters: dict[str, int], names: tuple[str, ...]) -> list[int]:
    """Values of a module's local parameters."""
    from pyslang.driver import Driver

    driver = Driver()
    driver.addStandardArgs()
    values = " ".join(f"-G{key}={value}" for key, value in parameters.items())
    assert driver.parseCommandLine(f"slang {library() / module}.sv --single-unit --top {module} {values}")
    assert driver.processOptions() and driver.parseAllSources()
    (top,) = driver.createCompilation().getRoot().topInstances
    return [int(str(top.body.find(name).value)) for name in names]


@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("size", [3, 7, 17])
@pytest.mark.parametrize("kernel", [1, 3])
def test_places_of_a_sliding_window(dilation: int, size: int, kernel: int) -> None:
    parameters = {"HEIGHT": size, "TOP": 1, "ROWS": 4, "STRIDE_ROWS": 2, "KERNEL_ROWS": kernel}
    parameters |= {"WIDTH": size + 2, "LEFT": 0, "COLUMNS": 2, "STRIDE_COLUMNS": 1, "KERNEL_COLUMNS": 2}
    parameters |= {"DILATION_ROWS": dilation, "DILATION_COLUMNS": 2 * dilation, "LINE_PIXELS": 40}
    found = [sliding_window._place_bits(parameters, axis) for axis in sliding_window._AXES]
    assert found == elaborated("pqk_sliding_window", parameters, ("Y_BITS", "X_BITS"))
