"""When words move: the cycles of every kind of block, in closed form. This is the model behind simulated
cycles.

Time is counted in clock cycles. ``available[n]`` is the cycle from which word n stands at an input,
``consumed[n]`` the one in which it is taken, ``produced[n]`` the one in which an output word leaves, if
whoever reads never blocks. Arrays run over all frames, one entry a word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

FIFO_LATENCY = 2  # cycles of a word through an empty FIFO
Times = np.ndarray


def in_turn(earliest: Times, pace: int = 1) -> Times:
    """Earliest times of events that follow one another by `pace` cycles or more."""
    ramp = np.arange(len(earliest)) * pace
    return np.maximum.accumulate(earliest - ramp) + ramp


class Timing(ABC):
    """How a block moves words.

    Attributes
    ----------
    cycles : int
        Initiation interval: cycles between the frames that it takes at best.
    """

    cycles: int

    @abstractmethod
    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        """Times at which the words of each input are consumed, and those of the output produced."""


@dataclass
class Pipeline(Timing):
    """A word a cycle; the inputs go in step. Of every frame the words that `kept` marks lead to a word of
    output.

    Attributes
    ----------
    kept : numpy.ndarray, bool, shape (words of a frame,)
    latency : int
        Cycles from the last word that a word of output needs.
    """

    kept: np.ndarray
    latency: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return len(self.kept)

    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        taken = in_turn(np.maximum.reduce(available))
        return [taken] * len(available), taken[
            np.tile(self.kept, len(taken) // len(self.kept))
        ] + self.latency

    @staticmethod
    def every(words: int, latency: int, fold: int = 1) -> Every:
        """One word of output after every `fold` words."""
        return Every(words, latency, fold)


@dataclass
class Every(Timing):
    """A `Pipeline` with one word of output after every `fold` words, of which a frame has `words`."""

    words: int
    latency: int
    fold: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words

    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        taken = in_turn(np.maximum.reduce(available))
        return [taken] * len(available), taken[self.fold - 1 :: self.fold] + self.latency


@dataclass
class Narrow(Timing):
    """`ratio` words of output for every word, from the next cycle on."""

    words: int
    ratio: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words * self.ratio

    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        taken = in_turn(available[0], self.ratio)
        return [taken], (taken[:, None] + 1 + np.arange(self.ratio)).ravel()


@dataclass
class Merge(Timing):
    """Words of several inputs, or none, in a fixed order, a word a cycle without latency.

    Attributes
    ----------
    order : numpy.ndarray, shape (output words of a frame,)
        The input each word comes from; -1 for a word that needs none.
    """

    order: np.ndarray

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return len(self.order)

    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        frames = len(available[0]) // int((self.order == 0).sum())
        order = np.tile(self.order, frames)
        earliest = np.zeros(len(order), np.int64)
        for index, times in enumerate(available):
            earliest[order == index] = times
        produced = in_turn(earliest)
        return [produced[order == index] for index in range(len(available))], produced


@dataclass
class Exchange(Timing):
    """A pixel comes in while the last one leaves: `words_in` and `words_out` a pixel."""

    pixels: int
    words_in: int
    words_out: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.pixels * max(self.words_in, self.words_out)

    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        consumed, moved, move = [], [], 0
        for times in available[0].reshape(-1, self.words_in):
            taken = in_turn(
                np.maximum(times, move)
            )  # a pixel may begin in the cycle in which the one before moves on
            move = max(int(taken[-1]) + 1, move + self.words_out)
            consumed.append(taken)
            moved.append(move)
        return [np.concatenate(consumed)], (np.array(moved)[:, None] + 1 + np.arange(self.words_out)).ravel()


@dataclass
class Window(Timing):
    """A sliding window: reads and writes overlap, across frames too.

    Attributes
    ----------
    words : int
        Words of an input pixel.
    reads : int
        Words of output for each output pixel.
    pixels : int
        Of an input frame.
    needed : numpy.ndarray, shape (output pixels,)
        Input pixels that must be there before an output pixel begins.
    oldest : numpy.ndarray, shape (output pixels,)
        Input pixels that an output pixel and all later ones need no more.
    """

    words: int
    reads: int
    pixels: int
    needed: np.ndarray
    oldest: np.ndarray
    line_pixels: int = field(init=False)

    def __post_init__(self) -> None:
        # Pixels that come at an even pace, no later than needed, are never kept waiting; one more is being
        # written.
        place, rate = np.arange(len(self.needed)), self.pixels / len(self.needed)
        lead = (self.needed - rate * place).max()
        self.line_pixels = int(np.ceil((rate * (place + 1) + lead - self.oldest).max())) + 1

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return max(self.pixels * self.words, len(self.needed) * self.reads)

    def schedule(self, available: list[Times]) -> tuple[list[Times], Times]:
        frames = len(available[0]) // (self.pixels * self.words)
        base = np.arange(frames)[:, None] * self.pixels
        needed = (base + self.needed).ravel() - 1
        released = np.searchsorted(
            (base + self.oldest).ravel(), np.arange(frames * self.pixels), side="right"
        )
        room = np.zeros(frames * self.pixels, np.int64)  # when the ring takes each pixel
        while True:
            earliest = available[0].copy()
            earliest[:: self.words] = np.maximum(earliest[:: self.words], room)
            taken = in_turn(earliest)
            complete = taken[self.words - 1 :: self.words] + 1
            begun = in_turn(complete[needed], self.reads)
            # The window at place released[p] is the first that does not need pixel p; it stands there once
            # the last one has ended.
            ended = begun + self.reads
            given_up = in_turn(np.maximum(np.where(released > 0, ended[released - 1], 0), complete))
            later = np.zeros_like(room)
            later[self.line_pixels :] = given_up[: -self.line_pixels] + 1
            if (later <= room).all():
                break
            room = np.maximum(room, later)
        return [taken], (begun[:, None] + 1 + np.arange(self.reads)).ravel()
