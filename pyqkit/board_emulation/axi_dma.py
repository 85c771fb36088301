"""The AXI DMA in direct register mode, from AMD's product guide PG021.

Registers, status bits and what it does on errors.
"""

from __future__ import annotations

import numpy as np

from pyqkit.board_emulation.memory import BoardFault, Memory
from pyqkit.board_emulation.streams import Stream

# Bits of DMACR
RUN, RESET = 1 << 0, 1 << 2
_ALWAYS = 1 << 1  # reserved, reads as 1
_THRESHOLD, _LEAST_THRESHOLD = 0xFF << 16, 1 << 16  # of interrupts; 0 cannot be set
# Bits of DMASR
HALTED, IDLE = 1 << 0, 1 << 1
INTERNAL_ERROR, SLAVE_ERROR, DECODE_ERROR = 1 << 4, 1 << 5, 1 << 6
COMPLETE, ERROR = 1 << 12, 1 << 14
CONTROL, STATUS, ADDRESS, ADDRESS_MSB, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
SIDES = {"MM2S": 0x00, "S2MM": 0x30}  # memory to stream, and back
_WRITABLE = 0xFFFF_7018 | RUN


class Word:
    """A register of a channel, kept where the bus shows it: in the memory of the DMA's window."""

    def __init__(self, offset: int) -> None:
        self._index = offset // 4

    def __get__(self, channel: Channel, owner: type) -> int:
        return int(channel.words[self._index])

    def __set__(self, channel: Channel, value: int) -> None:
        channel.words[self._index] = value


class Channel:
    """One direction of the DMA.

    Parameters
    ----------
    name : str
        Instance and side, as in ``axi_dma_0 MM2S``.
    stream : Stream or None
        None where nothing is connected.
    length_bits : int
        Width of the length register.
    alignment : int
        Bytes that addresses must be multiples of; 1 with a realignment engine.
    words : numpy.ndarray, uint32
        Memory of its registers, from its control register on.
    """

    control, flags = Word(CONTROL), Word(STATUS)
    low, high = Word(ADDRESS), Word(ADDRESS_MSB)
    shown = Word(LENGTH)  # S2MM: once a transfer has ended, the bytes that came

    def __init__(
        self,
        name: str,
        stream: Stream | None,
        memory: Memory,
        length_bits: int,
        alignment: int,
        words: np.ndarray,
    ) -> None:
        self.name, self.stream, self.memory, self.length_bits, self.alignment = (
            name,
            stream,
            memory,
            length_bits,
            alignment,
        )
        self.words = words
        self.sends = name.endswith("MM2S")
        self.reset()

    def reset(self) -> None:
        """State after reset: halted."""
        self.control, self.flags, self.low, self.high, self.shown = (
            _LEAST_THRESHOLD | _ALWAYS,
            HALTED,
            0,
            0,
            0,
        )
        self.length = self.moved = 0  # bytes asked for; bytes that have passed
        self.active = False

    @property
    def address(self) -> int:
        """Where a transfer begins."""
        return self.high << 32 | self.low

    # ---- registers -----------------------------------------------------------------------------------------

    def write(self, offset: int, value: int) -> None:
        """A register; writing the length starts a transfer."""
        if offset == CONTROL:
            self.control = value & _WRITABLE | _ALWAYS | (0 if value & _THRESHOLD else _LEAST_THRESHOLD)
            if self.flags & (INTERNAL_ERROR | SLAVE_ERROR | DECODE_ERROR):
                self.control &= ~RUN  # only a reset ends an error
            elif value & RUN:
                self.flags &= ~HALTED
            else:
                self.active = False
                self.flags |= HALTED
        elif offset == STATUS:
            self.flags &= ~(value & 0x7000)  # interrupt bits are cleared by writing ones
        elif offset == ADDRESS:
            self.low = value
        elif offset == ADDRESS_MSB:
            self.high = value
        elif offset == LENGTH:
            self._start(value)

    def _start(self, length: int) -> None:
        self._check_ready()
        self._check_transfer(length)
        self.length, self.moved, self.active = length, 0, True
        self.shown = length
        self.flags &= ~IDLE

    def _check_ready(self) -> None:
        """Refuse to start a channel that would do nothing, or something else."""
        if self.flags & HALTED:
            raise BoardFault(
                f"{self.name} was expected to run before a length is written, but DMACR.RS is 0, so the DMA "
                "would do nothing for ever; write 1 to DMACR first, which is start() of PYNQ's channel and "
                "is needed after every download() and reset"
            )
        if self.active:
            raise BoardFault(
                f"{self.name} was expected to be idle, but a transfer of {self.length} bytes is under way; "
                "wait for it first"
            )
        if self.stream is None:
            raise BoardFault(
                f"a stream was expected at {self.name}, but none is connected; use the other direction"
            )

    def _check_transfer(self, length: int) -> None:
        """Refuse a transfer that the DMA cannot do as asked; for two reasons PG021 has an error bit."""
        assert self.stream is not None
        if length == 0:
            what = f"a transfer of at least one byte was expected on {self.name}, but its length is 0"
            self._fail(INTERNAL_ERROR, what)
        if length >> self.length_bits:
            raise BoardFault(
                f"a transfer of at most {(1 << self.length_bits) - 1} bytes was expected on {self.name}, "
                f"whose length register has {self.length_bits} bits, but {length} came, of which it would "
                f"move {length % (1 << self.length_bits)}; split the transfer"
            )
        if self.address % self.alignment:
            raise BoardFault(
                f"an address that is a multiple of {self.alignment} was expected on {self.name}, which has "
                f"no realignment engine, but {self.address:#x} came; start at the beginning of a buffer"
            )
        if length % self.stream.beat_bytes:
            raise BoardFault(
                f"whole beats of {self.stream.beat_bytes} bytes were expected on {self.name}, but "
                f"{length} bytes came; the stream has no TKEEP"
            )
        if self.memory.owner(self.address, length) is None:
            what = f"{length} bytes at {self.address:#x} belong to no allocated buffer"
            self._fail(
                DECODE_ERROR,
                f"memory that was allocated was expected on {self.name}, but {what}; use pynq.allocate",
            )

    def _fail(self, flag: int, sentence: str) -> None:
        """Show an error as the hardware does: its bit is set and the channel halts until it is reset."""
        self.flags |= flag | ERROR | HALTED
        self.control &= ~RUN
        self.active = False
        raise BoardFault(f"{sentence} (the DMA shows it in DMASR, {self.flags:#010x}, and halts)")

    # ---- data ----------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Move what can be moved; whether anything was."""
        if not self.active or self.stream is None:
            return False
        return self._send() if self.sends else self._receive()

    def _owner(self, start: int, nbytes: int) -> tuple:
        found = self.memory.owner(start, nbytes)
        if found is None:
            self._fail(
                DECODE_ERROR,
                f"the buffer at {self.address:#x} was expected to live until {self.name} ends, but "
                "it was freed",
            )
        return found  # type: ignore[return-value]

    def _send(self) -> bool:
        assert self.stream is not None
        count = min(self.length - self.moved, self.stream.room)
        if not count:
            return False
        buffer, start = self._owner(self.address + self.moved, count)
        self.stream.put(buffer.dma_read(start, count), self.moved + count == self.length)
        self.moved += count
        if self.moved == self.length:
            self._complete()
        return True

    def _receive(self) -> bool:
        assert self.stream is not None
        data, last = self.stream.take(self.length - self.moved)
        if len(data):
            buffer, start = self._owner(self.address + self.moved, len(data))
            buffer.dma_write(start, data)
            self.moved += len(data)
        if last:
            self._complete()
        elif self.moved == self.length:
            self._fail(
                INTERNAL_ERROR,
                f"a packet of at most {self.length} bytes was expected on {self.name}, but the buffer is "
                "full and TLAST has not come; receive into a buffer that holds the whole packet",
            )
        return bool(len(data))

    def _complete(self) -> None:
        self.active = False
        self.shown = self.moved
        self.flags |= IDLE | COMPLETE

    def preview(self, nbytes: int) -> np.ndarray:
        """Bytes that are still to be sent."""
        count = min(nbytes, self.length - self.moved) if self.active and self.sends else 0
        found = self.memory.owner(self.address + self.moved, count) if count else None
        return found[0].dma_read(found[1], count) if found else np.empty(0, np.uint8)

    @property
    def state(self) -> str:
        """One clause for messages."""
        if not self.active:
            return f"{self.name} has no transfer to do"
        what = "sent" if self.sends else "received"
        ends = "" if self.sends else " and no TLAST"
        return f"{self.name} has {what} {self.moved} of {self.length} bytes{ends}"


class AxiDma:
    """An AXI DMA without scatter-gather: two channels, or one, behind one window of registers.

    Parameters
    ----------
    name : str
    memory : Memory
    streams : dict of str to (Stream or None)
        Of the channels that it has.
    length_bits : int
    alignments : dict of str to int
        As for `Channel`, by channel.
    words : numpy.ndarray, uint32
        Memory of its window.
    """

    BYTES = 0x60  # that its registers take

    def __init__(
        self,
        name: str,
        memory: Memory,
        streams: dict[str, Stream | None],
        length_bits: int,
        alignments: dict[str, int],
        words: np.ndarray,
    ) -> None:
        self.name, self.words = name, words
        self.channels = {
            side: Channel(
                f"{name} {side}", stream, memory, length_bits, alignments[side], words[SIDES[side] // 4 :]
            )
            for side, stream in streams.items()
        }
        outgoing = streams.get("MM2S")
        if outgoing is not None:
            outgoing.producer = self.channels["MM2S"]

    def _channel(self, offset: int) -> tuple[Channel | None, int]:
        side = "S2MM" if offset >= SIDES["S2MM"] else "MM2S"
        return self.channels.get(side), offset - SIDES[side]

    def read(self, offset: int) -> int:
        """A register; those of a channel that it does not have read as 0."""
        return int(self.words[offset // 4]) if offset < self.BYTES else 0

    def write(self, offset: int, value: int) -> None:
        """A register."""
        channel, inside = self._channel(offset)
        if channel is None:
            raise BoardFault(
                f"a register of {self.name} {' and '.join(self.channels)} was expected, which is "
                f"all that this DMA has, but {offset:#x} was "
                "written, which would do nothing; use the other direction, or the DMA that has this one"
            )
        if inside == CONTROL and value & RESET:
            self.reset()  # either channel's bit resets the whole DMA
        else:
            channel.write(inside, value)

    def waits(self, offset: int) -> bool:
        """Whether reading this register is waiting for a transfer to end."""
        channel, inside = self._channel(offset)
        return inside == STATUS and channel is not None and channel.active

    def step(self) -> bool:
        """Move what can be moved; whether anything was."""
        moved = [channel.step() for channel in self.channels.values()]
        return any(moved)

    def reset(self) -> None:
        """State after power on."""
        for channel in self.channels.values():
            channel.reset()

    @property
    def state(self) -> str:
        """For messages."""
        return "; ".join(channel.state for channel in self.channels.values())
