"""What would hang or corrupt hardware is a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.board_emulation.axi_dma import (
    CONTROL,
    DECODE_ERROR,
    HALTED,
    IDLE,
    INTERNAL_ERROR,
    RESET,
    RUN,
)
from pyqkit.board_emulation.memory import BoardFault
from pyqkit.board_emulation.network import Network
from pyqkit.board_emulation.streams import Stream
from pyqkit.overlay import hwh
from tests.board_emulation.design import MM2S, S2MM, Design, status, sums


def test_address_that_nobody_owns() -> None:
    with pytest.raises(
        BoardFault,
        match=r"an address with registers was expected, but nothing owns 0x43c00000, where a real board "
        r"would stall",
    ):
        Design().board.read(0x43C0_0000)


def poll(d: Design, side: int) -> None:
    for _ in range(1000):
        if status(d, side) & IDLE:
            return


def test_starved_input_stream() -> None:
    d = Design().run()
    source, target = d.buffer(np.arange(8)), d.buffer()
    d.start(S2MM, target.address, 4)
    d.start(MM2S, source.address, 6)
    with pytest.raises(BoardFault) as error:
        poll(d, S2MM)
    assert (
        "axi_dma_0 S2MM has received 0 of 4 bytes and no TLAST; accelerator_0 waits for 2 of the 8 "
        "bytes of a frame" in str(error.value)
    )
    assert "axi_dma_0 MM2S has no transfer to do" in str(
        error.value
    ) and "a wait on a real board would never return" in str(error.value)
    assert status(d, MM2S) & IDLE, "the channel that has ended can be asked for ever"


def test_blocked_output_stream() -> None:
    d = Design().run()
    source = d.buffer(nbytes=1 << 16)
    d.start(MM2S, source.address, 1 << 16)
    with pytest.raises(
        BoardFault,
        match=r"axi_dma_0 MM2S has sent \d+ of 65536 bytes; .* accelerator_0 has results that nobody takes",
    ):
        poll(d, MM2S)


def test_without_patience_it_hangs_like_hardware() -> None:
    d = Design(patience=None).run()
    target = d.buffer()
    d.start(S2MM, target.address, 4)
    poll(d, S2MM)
    assert status(d, S2MM) == 0


def test_a_status_may_be_read_often_if_something_happens_between() -> None:
    d = Design().run()
    source, target = d.buffer(nbytes=800), d.buffer()
    d.start(MM2S, source.address, 800)
    for _ in range(100):
        d.start(S2MM, target.address, 4)
        for _ in range(40):
            status(d, MM2S)


class NoLast:
    """An accelerator that forgets TLAST."""

    def __init__(self, block: hwh.Block, ends: dict[str, Stream]) -> None:
        self.name, self.given, self.taken, self.state = block.name, ends["in_0"], ends["out_0"], "forgetful"

    def step(self) -> bool:
        data, _ = self.given.take(self.taken.room)
        if len(data):
            self.taken.put(data, False)
        return bool(len(data))


@pytest.mark.parametrize(("sent", "asked"), [(8, 16), (8, 8)])
def test_missing_tlast(sent: int, asked: int) -> None:
    d = Design(NoLast).run()
    source, target = d.buffer(np.arange(8)), d.buffer()
    d.start(S2MM, target.address, asked)
    if asked == sent:
        with pytest.raises(
            BoardFault,
            match="the buffer is full and TLAST has not come; receive into a buffer that holds the whole "
            "packet",
        ):
            d.start(MM2S, source.address, sent)
        assert status(d, S2MM) & INTERNAL_ERROR and status(d, S2MM) & HALTED
    else:
        d.start(MM2S, source.address, sent)
        with pytest.raises(BoardFault, match=r"S2MM has received 8 of 16 bytes and no TLAST"):
            poll(d, S2MM)


def test_packet_that_overflows_its_buffer_halts_the_channel_until_reset() -> None:
    d = Design().run()
    source, target = d.buffer(np.arange(8)), d.buffer()
    d.start(MM2S, source.address, 8)
    with pytest.raises(
        BoardFault,
        match=r"a packet of at most 2 bytes was expected on axi_dma_0 S2MM, but .* DMASR, 0x0000401",
    ):
        d.start(S2MM, target.address, 2)
    d.write(S2MM + CONTROL, RUN)
    assert status(d, S2MM) & INTERNAL_ERROR, "only a reset clears errors"
    d.write(S2MM + CONTROL, RESET)
    assert status(d, S2MM) == HALTED


@pytest.mark.parametrize(
    ("address", "nbytes", "sentence"),
    [
        (None, 0, "a transfer of at least one byte was expected on axi_dma_0 MM2S, but its length is 0"),
        (
            None,
            1 << 26,
            "a transfer of at most 67108863 bytes was expected on axi_dma_0 MM2S, whose length "
            "register has 26 bits, but 67108864 came, of",
        ),
        (None, 3, "whole beats of 2 bytes were expected on axi_dma_0 MM2S, but 3 bytes came"),
        (
            None,
            66,
            "memory that was allocated was expected on axi_dma_0 MM2S, but 66 bytes at 0x60000000 "
            "belong to no allocated buffer",
        ),
        (
            0x1000_0000,
            8,
            "memory that was allocated was expected on axi_dma_0 MM2S, but 8 bytes at 0x10000000 "
            "belong to no",
        ),
        (
            0x6000_0004,
            8,
            "an address that is a multiple of 16 was expected on axi_dma_0 MM2S, which has no "
            "realignment engine, but 0x60000004 came",
        ),
    ],
)
def test_transfers_that_no_dma_can_do(address: int | None, nbytes: int, sentence: str) -> None:
    d = Design().run()
    source = d.buffer()
    with pytest.raises(BoardFault, match=sentence):
        d.start(MM2S, source.address if address is None else address, nbytes)
    if "allocated" in sentence:
        assert status(d, MM2S) & DECODE_ERROR
    if "one byte" in sentence:
        assert status(d, MM2S) & INTERNAL_ERROR


def test_transfers_at_the_wrong_time() -> None:
    d = Design()
    source = d.buffer(nbytes=1 << 16)
    with pytest.raises(BoardFault, match=r"expected to run before a length is written, but DMACR\.RS is 0"):
        d.start(MM2S, source.address, 8)
    d.run().start(MM2S, source.address, 1 << 16)
    with pytest.raises(
        BoardFault, match="expected to be idle, but a transfer of 65536 bytes is under way; wait for it first"
    ):
        d.start(MM2S, source.address, 8)


def test_freed_buffers_are_no_memory() -> None:
    d = Design().run()
    source = d.buffer(nbytes=1 << 16)
    d.start(MM2S, source.address, 1 << 16)
    target = d.buffer()
    d.board.memory.free(source)
    with pytest.raises(BoardFault, match="expected to live until axi_dma_0 MM2S ends, but it was freed"):
        for _ in range(10):
            d.start(S2MM, target.address, 4)


def test_missing_flush() -> None:
    d = Design().run()
    source = d.buffer(np.arange(8), cacheable=True)
    with pytest.raises(
        BoardFault, match=r"a flush\(\) was expected before a DMA reads the buffer at 0x60000000"
    ):
        d.start(MM2S, source.address, 8)
    d = Design().run()
    source = d.buffer(np.arange(8), cacheable=True)
    source.flush(0, 4)
    with pytest.raises(BoardFault, match=r"a flush\(\) was expected"):
        d.start(MM2S, source.address, 8)


def test_missing_invalidate() -> None:
    d = Design().run()
    source, target = d.buffer(np.arange(8), cacheable=True), d.buffer(cacheable=True)
    source.flush(0, 64)
    d.start(S2MM, target.address, 4)
    d.start(MM2S, source.address, 8)
    assert not target.host.any(), "the caches hold what was there"
    for start, stop in ((0, 4), (3, 64)):
        with pytest.raises(
            BoardFault, match=r"an invalidate\(\) was expected before the buffer at 0x60001000 is read"
        ):
            target.check_fresh(start, stop)
    target.check_fresh(4, 64)
    target.invalidate(0, 2)
    target.check_fresh(0, 2)
    target.host[3] = 77
    with pytest.raises(
        BoardFault, match=r"but a DMA has put data there since, which the flush would overwrite"
    ):
        target.flush(0, 64)
    target.invalidate(0, 64)
    assert_array_equal(target.host[:4], sums(np.arange(8)[None])[0])
    target.flush(0, 64)


def test_more_memory_than_there_is() -> None:
    with pytest.raises(
        BoardFault, match="a buffer of at most 1,048,576 bytes was expected, .* but 1,048,577 were asked for"
    ):
        Design(memory_bytes=1 << 20).buffer(nbytes=(1 << 20) + 1)


def test_blocks_without_a_model_and_engines_that_give_something_else() -> None:
    d = Design()
    blocks = hwh.accelerator_design("net", "xczu7ev-ffvc1156-2-e", "zynq-mpsoc", 100, 2, [2]).blocks
    with pytest.raises(
        BoardFault, match=r"accelerator_0 is a pyqkit\.io:hls:network:1\.0; give a model for it"
    ):
        d.board.load(blocks, {})
    bad = Design(
        lambda block, ends: Network(block.name, lambda f: [f], (ends["in_0"], 8), [(ends["out_0"], 4)])
    ).run()
    source = bad.buffer(np.arange(8))
    with pytest.raises(
        BoardFault,
        match=r"results of 4 bytes a frame were expected from the engine of accelerator_0, but \(1, 8\) "
        r"of uint8 came",
    ):
        bad.start(MM2S, source.address, 8)
    scattered = hwh.Block("dma", hwh.DMA_VLNV, {"c_include_sg": "1"}, (), 0xA000_0000, 0x1000)
    with pytest.raises(BoardFault, match="a DMA without scatter-gather was expected, but dma has it"):
        d.board.load((scattered,), {})
