"""What the counters of an overlay say: cycles, frames, and where beats waited."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.overlay import counters
from pyqkit.overlay.manifest import Manifest, OverlayError
from pyqkit.runtime.backends import Backend


@dataclass(frozen=True)
class Counts:
    """Counted since the last time that they were cleared, or the overlay was loaded.

    Attributes
    ----------
    source : {"measured", "emulated"}
    clock_mhz : float
    frames : int
        Whole frames that left the accelerator on its first output.
    cycles : int or None
        From the first beat that it took to the last beat of these frames. None on an emulated board, which
        knows no cycles; so are the stalls.
    input_stalls : int or None
        Cycles in which a beat waited for the accelerator: it limits.
    output_stalls : int or None
        Cycles in which a beat of results waited for the DMA: memory limits.
    """

    source: str
    clock_mhz: float
    frames: int
    cycles: int | None
    input_stalls: int | None
    output_stalls: int | None

    @property
    def frames_per_second(self) -> float | None:
        """Frames over cycles at the clock that was read back; None without cycles."""
        return self.frames * self.clock_mhz * 1e6 / self.cycles if self.cycles else None


def read(manifest: Manifest, backend: Backend, clear: bool) -> Counts:
    """Read the counters, and clear them if asked to.

    Raises
    ------
    OverlayError
        If the overlay has none.
    """
    if counters.NAME not in manifest.blocks:
        raise OverlayError(
            f"an overlay with counters was expected, but {manifest.name} has none; make it again with "
            "'pyqkit overlay BUILD --counters'"
        )
    frames, *others = (
        backend.read(counters.NAME, offset)
        for offset in (counters.FRAMES, counters.CYCLES, counters.INPUT_STALLS, counters.OUTPUT_STALLS)
    )
    if clear:
        backend.write(counters.NAME, counters.CLEAR, 0)
    timed = backend.source == "measured"
    cycles, given, taken = (count if timed else None for count in others)
    return Counts(backend.source, backend.clock_mhz, frames, cycles, given, taken)
