"""What a driver gets out of an accelerator: frames a second by accelerator, DMA and processor (modelled).

The accelerator takes frames at its interval. A DMA moves a beat a cycle at best, of its stream or of the port
into memory, whichever is narrower, and all that receive share the port. The processor starts a transfer for
every buffer of frames, and encodes and decodes every code. Two buffers take turns, so the slowest of the
three sets the rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from pyqkit.formats.port import End
from pyqkit.overlay import hwh

BUFFER_BYTES = 4 << 20
MOST_FRAMES = 4096  # so many take some milliseconds at least, beside which starting a transfer is little
ACCESSES = 10  # of registers, for each channel of a DMA and buffer; counted on the emulated board


@dataclass(frozen=True)
class Surroundings:
    """What stands around an accelerator on a board; its file may say all of it (``[driver]``, ``[ports]``).

    Attributes
    ----------
    memory_bits : int
        Of the port into memory.
    read_efficiency, write_efficiency : float
        Share of the cycles in which a DMA moves a beat: of what is sent, and of what is received.
    access_us : float
        Microseconds that Python takes for a register.
    encode_ns, decode_ns : float
        Nanoseconds of a code that goes in: encoded, packed, copied; and of one that comes out.
    """

    memory_bits: int
    read_efficiency: float
    write_efficiency: float
    access_us: float
    encode_ns: float
    decode_ns: float

    @classmethod
    def of(cls, family: str, known: Mapping[str, float]) -> Surroundings:
        """Those of a family of boards, with what is known better of one of them."""
        usual = _FAMILIES[family]
        return cls(**{item.name: known.get(item.name, getattr(usual, item.name)) for item in fields(cls)})


# Efficiencies: AMD PG021, throughput of packets of 10,000 bytes (399.04 and 298.59 of 400 MB/s).
# access_us: four writes by PYNQ took 120 to 130 us on a PYNQ-Z2 (a report to KastnerRG/Read_the_docs); of the
# MPSoC judgement. Codes: 7 and 17 ns on a server's processor, 12 times as long on a Cortex-A9 at 650 MHz and
# 6 times on a Cortex-A53 at 1.2 GHz by judgement.
_FAMILIES = {
    "zynq-7000": Surroundings(64, 0.9976, 0.7464, 30.0, 90.0, 200.0),
    "zynq-mpsoc": Surroundings(128, 0.9976, 0.7464, 12.0, 45.0, 100.0),
}


@dataclass(frozen=True)
class DriverRate:
    """Frames a second, and what limits them.

    Attributes
    ----------
    source : str
        Always "modelled".
    frames_per_second : float
        The least of the three.
    limits : str
        "accelerator", "DMA" or "processor".
    accelerator, dma, processor : float
        Frames a second of each.
    frames_per_transfer : int
        Of a buffer, which one transfer moves.
    bytes_in, bytes_out : int
        Of a frame.
    surroundings : Surroundings
        What this rests on.
    """

    source: str
    frames_per_second: float
    limits: str
    accelerator: float
    dma: float
    processor: float
    frames_per_transfer: int
    bytes_in: int
    bytes_out: int
    surroundings: Surroundings

    def accelerated(self, accelerator: float, clock: float = 1.0) -> DriverRate:
        """The same with another rate of the accelerator, at a clock that is `clock` times as fast."""
        return _limited(replace(self, accelerator=accelerator, dma=self.dma * clock))


def _limited(rate: DriverRate) -> DriverRate:
    found = {"accelerator": rate.accelerator, "DMA": rate.dma, "processor": rate.processor}
    limits = min(found, key=lambda name: found[name])
    return replace(rate, frames_per_second=found[limits], limits=limits)


def frames_of_a_buffer(bytes_in: int, bytes_out: int, longest: int) -> int:
    """Frames that a driver puts into a buffer unless told otherwise; 0 where no transfer holds one.

    Parameters
    ----------
    bytes_in, bytes_out : int
        Of a frame; `bytes_out` of all outputs.
    longest : int
        Frames that the DMAs move in a transfer.
    """
    return min(MOST_FRAMES, max(1, BUFFER_BYTES // max(bytes_in, bytes_out)), longest)


def modelled(
    given: End,
    taken: Sequence[End],
    accelerator: float,
    clock_mhz: float,
    around: Surroundings,
    longest: int = (1 << hwh.LENGTH_BITS) - 1,
) -> DriverRate:
    """The rate of a driver.

    Parameters
    ----------
    given : End
    taken : sequence of End
        Probes included.
    accelerator : float
        Its frames a second.
    clock_mhz : float
    around : Surroundings
    longest : int, optional
        Bytes that a DMA moves in a transfer; by default as in our shells.
    """
    bytes_in, bytes_out = given.frame_bytes, sum(end.frame_bytes for end in taken)
    port, hertz = around.memory_bits // 8, clock_mhz * 1e6
    reads = bytes_in / (min(given.beat_bytes, port) * around.read_efficiency)  # cycles of a frame
    writes = max(bytes_out / port, *(end.frame_bytes / min(end.beat_bytes, port) for end in taken))
    largest = max(bytes_in, *(end.frame_bytes for end in taken))
    frames = max(1, frames_of_a_buffer(bytes_in, bytes_out, longest // largest))
    starts = ACCESSES * (1 + len(taken)) * around.access_us * 1e-6
    codes = given.beats * given.lanes * around.encode_ns
    codes += sum(end.beats * end.lanes for end in taken) * around.decode_ns
    dma = hertz / max(reads, writes / around.write_efficiency)
    processor = 1 / (starts / frames + codes * 1e-9)
    return _limited(
        DriverRate("modelled", 0.0, "", accelerator, dma, processor, frames, bytes_in, bytes_out, around)
    )


def from_json(data: Mapping[str, object]) -> DriverRate:
    """Read what a report says of it; raises LookupError, TypeError or ValueError for something else."""
    entries = {item.name: data[item.name] for item in fields(DriverRate)}
    around = entries.pop("surroundings")
    if not isinstance(around, dict) or set(around) != {item.name for item in fields(Surroundings)}:
        raise ValueError("surroundings")
    numbers = [value for name, value in (entries | around).items() if name not in ("source", "limits")]
    if not all(type(number) in (int, float) and number > 0 for number in numbers):  # type: ignore[operator]
        raise ValueError("a rate is no number")
    return _limited(DriverRate(**entries, surroundings=Surroundings(**around)))  # type: ignore[arg-type]
