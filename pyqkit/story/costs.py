"""How fast a story would be told on a board: cycles and transfers of the array, and time of the processor."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

from pyqkit.driver_rate import ACCESSES, Surroundings
from pyqkit.story.array import Cost, OnArray

BOARD, FAMILY = "PYNQ-Z2", "zynq-7000"  # unless another one is named
_WAYS = 2  # of a transfer


class Meter:
    """Costs of a prompt and of the tokens behind it.

    Parameters
    ----------
    on : OnArray or None
        Without, only the processor's time is known.
    board, family : str
        For which transfers are estimated.
    """

    def __init__(self, on: OnArray | None, board: str = BOARD, family: str = FAMILY) -> None:
        self._on, self._tokens, self._board = on, 0, (board, family)
        self._marks = [self._now()]

    def token(self) -> None:
        """A token has come; with the first one the prompt is read."""
        self._tokens += 1
        self._marks[1:] = [*self._marks[1:2], self._now()]

    def lines(self, prompt: int) -> Iterator[str]:
        """What is said of a prompt of so many tokens and of the tokens behind it."""
        if self._tokens:
            yield self._line(f"prompt, {prompt} tokens", prompt, self._marks[0], self._marks[1])
        if self._tokens > 1:
            yield self._line("each token behind it", self._tokens - 1, self._marks[1], self._marks[-1])

    def _now(self) -> tuple[Cost, float]:
        return (Cost() if self._on is None else self._on.cost), process_time()

    def _line(self, what: str, tokens: int, start: tuple[Cost, float], end: tuple[Cost, float]) -> str:
        cost = end[0].minus(start[0])
        host = (end[1] - start[1] - cost.emulating) / tokens
        if self._on is None:
            return f"{what}: {host * 1e3:.2f} ms a token of this computer's processor (measured)"
        board, family = self._board
        machine = self._on.machine
        moved = transfer_seconds(cost, machine.stream_bits, machine.clock_mhz, family) / tokens
        array = cost.cycles / (machine.clock_mhz * 1e6) / tokens
        return (
            f"{what}: {cost.cycles / tokens:,.0f} cycles (modelled) = {array * 1e3:.2f} ms, "
            f"{cost.transfers / tokens:.1f} transfers each way of "
            f"{(cost.bytes_in + cost.bytes_out) / tokens:,.0f} bytes = {moved * 1e3:.2f} ms (estimated for "
            f"{board}): {1 / (array + moved):,.0f} tokens/s without the processor's part, which takes "
            f"{host * 1e3:.2f} ms on this computer (measured)"
        )


def transfer_seconds(cost: Cost, stream_bits: int, clock_mhz: float, family: str = FAMILY) -> float:
    """Of starting transfers, and of their bytes."""
    around = Surroundings.of(family, {})
    rate = min(stream_bits, around.memory_bits) / 8 * clock_mhz * 1e6
    bytes_ = cost.bytes_in / around.read_efficiency + cost.bytes_out / around.write_efficiency
    return cost.transfers * _WAYS * ACCESSES * around.access_us * 1e-6 + bytes_ / rate
