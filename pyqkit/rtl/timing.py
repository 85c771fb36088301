"""When words move: the cycles of every kind of block, in closed form.

This is the model behind simulated cycles.

Time is counted in clock cycles. ``available[n]`` is the cycle from which word n stands at an input,
``consumed[n]`` the one in which it is taken, ``produced[n]`` the one in which an output word leaves, if
whoever reads never blocks. Arrays run over all frames, one entry a word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

FIFO_LATENCY = 2  # cycles of a word through an empty FIFO
Times = np.ndarray


def in_turn(earliest: Times, pace: int = 1) -> Times:
    """Earliest times of events that follow one another by `pace` cycles or more."""
    ramp = np.arange(len(earliest), dtype=earliest.dtype)
    ramp *= pace
    found = earliest - ramp
    np.maximum.accumulate(found, out=found)
    found += ramp
    return found


def latest(available: list[Times]) -> Times:
    """When the words of all inputs are there that go in step."""
    return available[0] if len(available) == 1 else np.maximum.reduce(available)


@dataclass(frozen=True, eq=False)
class Bursts:
    """Times of words that come in rows, without an entry a word.

    Attributes
    ----------
    starts : numpy.ndarray
        First cycle of each burst; they do not overlap.
    words : int
        Of a burst, one a cycle.
    """

    starts: Times
    words: int

    def flat(self) -> Times:
        """One entry a word."""
        return self.each(1)

    def each(self, fold: int) -> Times:
        """The last of every `fold` words; `words` is a multiple of it."""
        offsets = np.arange(fold - 1, self.words, fold, dtype=self.starts.dtype)
        return (self.starts[:, None] + offsets).ravel()


AnyTimes = Times | Bursts
Schedule = tuple[Sequence[AnyTimes], AnyTimes]  # of the inputs, of the output


def flat(times: AnyTimes) -> Times:
    """Times with an entry a word."""
    return times.flat() if isinstance(times, Bursts) else times


class Timing(ABC):
    """How a block moves words.

    Attributes
    ----------
    cycles : int
        Initiation interval: cycles between the frames that it takes at best.
    """

    cycles: int

    def schedule(self, available: Sequence[AnyTimes]) -> Schedule:
        """Times at which the words of each input are consumed, and those of the output produced."""
        return self._schedule([flat(times) for times in available])

    @abstractmethod
    def _schedule(self, available: list[Times]) -> Schedule:
        """`schedule` of times with an entry a word."""


@dataclass
class Pipeline(Timing):
    """A word a cycle; the inputs go in step.

    Of every frame the words that `kept` marks lead to a word of output.

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

    def _schedule(self, available: list[Times]) -> Schedule:
        taken = in_turn(latest(available))
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

    def schedule(self, available: Sequence[AnyTimes]) -> Schedule:
        given = available[0]
        if isinstance(given, Bursts) and len(available) == 1 and given.words % self.fold == 0:
            return [given], given.each(self.fold) + self.latency
        return super().schedule(available)

    def _schedule(self, available: list[Times]) -> Schedule:
        taken = in_turn(latest(available))
        return [taken] * len(available), taken[self.fold - 1 :: self.fold] + self.latency


@dataclass
class Narrow(Timing):
    """`ratio` words of output for every word, from the next cycle on."""

    words: int
    ratio: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words * self.ratio

    def _schedule(self, available: list[Times]) -> Schedule:
        taken = in_turn(available[0], self.ratio)
        return [taken], Bursts(taken + 1, self.ratio)


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

    def _schedule(self, available: list[Times]) -> Schedule:
        frames = len(available[0]) // int((self.order == 0).sum())
        order = np.tile(self.order, frames)
        earliest = np.zeros(len(order), available[0].dtype)
        for index, times in enumerate(available):
            earliest[order == index] = times
        produced = in_turn(earliest)
        return [produced[order == index] for index in range(len(available))], produced


@dataclass
class Closing(Timing):
    """Words of a first input, a word a cycle without latency; the last of a frame with one of the second."""

    words: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.words

    def _schedule(self, available: list[Times]) -> Schedule:
        words, ends = available
        earliest, last = words.copy(), slice(self.words - 1, None, self.words)
        earliest[last] = np.maximum(earliest[last], ends)
        taken = in_turn(earliest)
        return [taken, taken[last]], taken


@dataclass
class Steps(Timing):
    """A step a cycle, in which a word of the one input is taken or not, and a word of output given or not.

    Attributes
    ----------
    takes, gives : numpy.ndarray, bool, shape (steps of a frame,)
    latency : int
        Cycles from a step to its word of output.
    """

    takes: np.ndarray
    gives: np.ndarray
    latency: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return len(self.takes)

    def _schedule(self, available: list[Times]) -> Schedule:
        (given,) = available
        frames = len(given) // int(self.takes.sum())
        takes = np.tile(self.takes, frames)
        earliest = np.zeros(len(takes), given.dtype)
        earliest[takes] = given
        done = in_turn(earliest)
        return [done[takes]], done[np.tile(self.gives, frames)] + self.latency


@dataclass
class Exchange(Timing):
    """A pixel comes in while the last one leaves: `words_in` and `words_out` a pixel.

    Attributes
    ----------
    pixels, words_in, words_out : int
    latency : int
        Cycles from the one in which a pixel moves on to its first word of output.
    """

    pixels: int
    words_in: int
    words_out: int
    latency: int = 1

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.pixels * max(self.words_in, self.words_out)

    def _schedule(self, available: list[Times]) -> Schedule:
        consumed, moved, move = [], [], 0
        for times in available[0].reshape(-1, self.words_in):
            # A pixel may begin in the cycle in which the one before moves on.
            taken = in_turn(np.maximum(times, move))
            move = max(int(taken[-1]) + 1, move + self.words_out)
            consumed.append(taken)
            moved.append(move)
        starts = np.array(moved, available[0].dtype) + self.latency
        return [np.concatenate(consumed)], Bursts(starts, self.words_out)


@dataclass
class Buffered(Timing):
    """Words of a first input, each frame beside one of a second input that has come whole before it.

    One frame of the second input is in use while the next one comes.

    Attributes
    ----------
    words, held : int
        Of a frame of either input.
    latency : int
        Cycles from the last word that a word of output needs.
    fold : int
        Words of the first input for each word of output.
    """

    words: int
    held: int
    latency: int
    fold: int

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return max(self.words, self.held)

    def _schedule(self, available: list[Times]) -> Schedule:
        first, second = (times.reshape(-1, count) for times, count in zip(available, (self.words, self.held)))
        used: list[Times] = []
        kept: list[Times] = []
        whole, given_up = -1, [-1, -1]  # when the last frame was kept, and when each was used
        for words, held in zip(first, second):
            kept.append(in_turn(np.maximum(held, max(given_up[-2], whole) + 1)))
            whole = int(kept[-1][-1])
            used.append(in_turn(np.maximum(words, max(given_up[-1], whole) + 1)))
            given_up.append(int(used[-1][-1]))
        taken = np.concatenate(used)
        return [taken, np.concatenate(kept)], taken[self.fold - 1 :: self.fold] + self.latency


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
    latency : int
        Cycles from the word of input that completes a window to its first word.
    """

    words: int
    reads: int
    pixels: int
    needed: np.ndarray
    oldest: np.ndarray
    latency: int
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

    def _schedule(self, available: list[Times]) -> Schedule:
        frames = len(available[0]) // (self.pixels * self.words)
        pixels = np.arange(frames * self.pixels, dtype=available[0].dtype)
        base = pixels[:: self.pixels, None]
        needed = (base + self.needed).ravel() - 1
        released = np.searchsorted((base + self.oldest).ravel(), pixels, side="right")
        room = np.zeros(frames * self.pixels, available[0].dtype)  # when the ring takes each pixel
        while True:
            earliest = available[0].copy()
            earliest[:: self.words] = np.maximum(earliest[:: self.words], room)
            taken = in_turn(earliest)
            complete = taken[self.words - 1 :: self.words] + 1
            begun = in_turn(complete[needed], self.reads)
            # The window at place released[p] is the first that does not need pixel p; a cycle after the last
            # one has ended, another pixel may come in its place.
            ended = begun + self.reads
            given_up = np.where(released > 0, ended[released - 1] + 1, 0)
            later = np.zeros_like(room)
            later[self.line_pixels :] = given_up[: -self.line_pixels]
            if (later <= room).all():
                break
            room = np.maximum(room, later)
        return [taken], Bursts(begun + self.latency - 1, self.reads)
