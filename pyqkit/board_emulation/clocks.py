"""Clock registers of the processing system.

PLLs and dividers, with the values that a PYNQ image boots with.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Register values after boot: address -> value. MPSoC: FBDIV in bits 8-14, DIV2 in bit 16; Zynq-7000: FDIV in
# bits 12-18.
_MPSOC = {
    0xFF5E_0020: 90 << 8 | 1 << 16,  # IOPLL, 1500 MHz from 33.333
    0xFF5E_0030: 64 << 8 | 1 << 16,  # RPLL
    0xFD1A_0020: 72 << 8 | 1 << 16,  # APLL, 1200 MHz for the processors
    0xFD1A_002C: 64 << 8 | 1 << 16,  # DPLL
    0xFD1A_0038: 90 << 8 | 1 << 16,  # VPLL
    0xFD1A_0060: 1 << 8,  # ACPU_CTRL
    **{0xFF5E_00C0 + 4 * i: 1 << 24 | 1 << 16 | 15 << 8 for i in range(4)},  # PLx_REF_CTRL: active, 100 MHz
}
_ZYNQ = {
    0xF800_0100: 26 << 12,  # ARM PLL, 1300 MHz from 50
    0xF800_0104: 21 << 12,  # DDR PLL
    0xF800_0108: 20 << 12,  # IO PLL, 1000 MHz
    0xF800_0120: 2 << 8,  # ARM_CLK_CTRL
    **{0xF800_0170 + 16 * i: 1 << 20 | 10 << 8 for i in range(4)},  # FPGAx_CLK_CTRL: 100 MHz
}
WINDOWS = {
    "zynq-mpsoc": ((0xFF5E_0000, 0x1000), (0xFD1A_0000, 0x1000)),
    "zynq-7000": ((0xF800_0000, 0x1000),),
}


class Registers:
    """A window of registers that only remember."""

    def __init__(self, base: int, size: int, values: dict[int, int]) -> None:
        self.name = f"registers at {base:#x}"
        self.words = np.zeros(size // 4, np.uint32)
        for address, value in values.items():
            if base <= address < base + size:
                self.write(address - base, value)

    def read(self, offset: int) -> int:
        """What was written, or the reset value."""
        return int(self.words[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Remember."""
        self.words[offset // 4] = value


def windows(family: str) -> list[tuple[int, int, Registers]]:
    """Base, size and registers of the clock controllers of a family."""
    values = _MPSOC if family == "zynq-mpsoc" else _ZYNQ
    return [(base, size, Registers(base, size, values)) for base, size in WINDOWS[family]]


class PlClock:
    """PL clock 0, which drives the accelerator.

    Parameters
    ----------
    family : {"zynq-7000", "zynq-mpsoc"}
    read, write : callable
        Access to registers by address.
    """

    def __init__(self, family: str, read: Callable[[int], int], write: Callable[[int, int], None]) -> None:
        self.family, self.read, self.write = family, read, write
        mpsoc = family == "zynq-mpsoc"
        self._pll, self._control, self._shift = (
            (0xFF5E_0020, 0xFF5E_00C0, 16) if mpsoc else (0xF800_0108, 0xF800_0170, 20)
        )

    @property
    def _source_mhz(self) -> float:
        pll = self.read(self._pll)
        return (
            33.333 * (pll >> 8 & 0x7F) / (1 + (pll >> 16 & 1))
            if self.family == "zynq-mpsoc"
            else 50.0 * (pll >> 12 & 0x7F)
        )

    @property
    def mhz(self) -> float:
        """What the registers say."""
        control = self.read(self._control)
        return self._source_mhz / ((control >> 8 & 63) * (control >> self._shift & 63))

    @mhz.setter
    def mhz(self, wanted: float) -> None:
        """Set the fastest rate that is not above `wanted`."""
        pairs = (
            (a, b)
            for a in range(1, 64)
            for b in range(1, a + 1)
            if self._source_mhz / (a * b) <= wanted * (1 + 1e-6)
        )
        first, second = min(pairs, key=lambda pair: pair[0] * pair[1])
        control = self.read(self._control) & ~(63 << 8 | 63 << self._shift)
        self.write(self._control, control | first << 8 | second << self._shift)
