"""Where a function of one number passes the boundaries of a format.

The numbers that a tensor can hold are cut into pieces. On a piece the code is one for certain: either the
function's range there (interval arithmetic) holds no boundary, or the function only rises or only falls there
(its slope's range) and both ends have the same code. Between pieces lie gaps, which are far shorter than the
distance of two integers of the tensor; an integer that falls into one is looked at by itself. So every code
is decided by an enclosure of the function's value at that integer, with as many digits as it takes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Overflow
from fractions import Fraction
from math import ceil, floor, inf

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Condition, Function, Outcome, applied, decided
from pyqkit.graph.lowering.intervals import NoValue, Number, arithmetic
from pyqkit.graph.lowering.jets import Jet

PRECISIONS = (25, 60, 120, 240, 480)  # digits, tried in turn
MOST_PIECES = 1 << 14


@dataclass(frozen=True)
class Piece:
    """Numbers from `low` to `high`, all with the code at `place`; None for a gap."""

    low: Fraction
    high: Fraction
    place: int | None


@dataclass(eq=False)
class Placing:
    """A function and the conditions on its value of which codes are counted.

    Attributes
    ----------
    functions : tuple of Function
    outcomes : sequence of Outcome
        One a boundary; where one holds, all before it hold.
    channel : int
    """

    functions: tuple[Function, ...]
    outcomes: Sequence[Outcome]
    channel: int
    _positions: list[float] = field(init=False)
    _sign: int = field(init=False)
    _known: dict[Fraction, tuple[int, float]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        conditions = [o for o in self.outcomes if isinstance(o, Condition)]
        self._sign = -1 if conditions and conditions[0].below else 1
        ends = {True: -inf, False: inf}
        self._positions = [
            ends[o] if isinstance(o, bool) else self._sign * float(o.position) for o in self.outcomes
        ]

    def at(self, x: Fraction) -> int:
        """How many conditions hold at an exact number."""
        return self._looked_up(x)[0]

    def _looked_up(self, x: Fraction) -> tuple[int, float]:
        """The count, and the function's value roughly."""
        if x not in self._known:
            self._known[x] = self._found(x)
        return self._known[x]

    def _found(self, x: Fraction) -> tuple[int, float]:
        for digits in PRECISIONS:
            try:
                value = applied(self.functions, Jet(arithmetic(digits), x, None), self.channel).value
            except NoValue as error:
                raise Unlowerable(f"it {error}", "clip its input to where it has a value") from None
            except Overflow:
                raise Unlowerable(
                    f"it has no value that can be written at {float(x):g}", "clip its input"
                ) from None
            sure, possible = self._counts(value)
            if sure == possible:
                return sure, _middle(value)
        raise Unlowerable(
            f"its value at {float(x):g} lies nearer to a boundary than {PRECISIONS[-1]} digits tell",
            "use another scale",
        )

    def over(self, low: Fraction, high: Fraction) -> tuple[int, int, bool]:
        """Least and largest count between two numbers, and whether the function turns nowhere there."""
        numbers = arithmetic(PRECISIONS[0])
        start = Jet(numbers, numbers.between(low, high), Fraction(1))
        try:
            found = applied(self.functions, start, self.channel)
        except (NoValue, Overflow):
            return 0, len(self.outcomes), False
        if found.slope is None:
            return *self._counts(found.value), False
        slope = numbers.enclosed(found.slope)
        return *self._counts(found.value), slope.low >= 0 or slope.high <= 0

    def _counts(self, value: Number) -> tuple[int, int]:
        """How many conditions hold for sure, and how many may hold."""
        low, high = (value, value) if isinstance(value, Fraction) else (value.low, value.high)
        ends = sorted((self._sign * float(low), self._sign * float(high)))
        sure, possible = (bisect_right(self._positions, end) for end in ends)
        while sure < len(self.outcomes) and decided(value, self.outcomes[sure]) is True:
            sure += 1
        while sure > 0 and decided(value, self.outcomes[sure - 1]) is not True:
            sure -= 1
        while possible < len(self.outcomes) and decided(value, self.outcomes[possible]) is not False:
            possible += 1
        while possible > 0 and decided(value, self.outcomes[possible - 1]) is False:
            possible -= 1
        return sure, possible

    def crossing(self, low: Fraction, high: Fraction) -> float | None:
        """Where between two numbers, as a share, a straight line would pass the boundary between them.

        None where they are not one code apart.
        """
        (first, a), (second, b) = self._looked_up(low), self._looked_up(high)
        if abs(first - second) != 1:
            return None
        position = self._sign * self._positions[min(first, second)]
        share = (position - a) / (b - a) if b != a else 0.5
        return share if 0 < share < 1 else None


def _middle(value: Number) -> float:
    return float(value) if isinstance(value, Fraction) else (float(value.low) + float(value.high)) / 2


def pieces(placing: Placing, low: Fraction, high: Fraction, gap: Fraction) -> list[Piece]:
    """Pieces from `low` to `high` in rising order, with gaps of at most `gap` between them."""
    found: list[Piece] = []
    left = [(low, high)]
    while left:
        if len(found) > MOST_PIECES:
            raise Unlowerable(
                f"its function turns, or passes a boundary, more than {MOST_PIECES} times",
                "quantise before it, to at most 8 bits",
            )
        a, b = left.pop()
        least, most, monotone = placing.over(a, b)
        if least == most:
            found.append(Piece(a, b, least))
        elif monotone:
            found += _monotone(placing, a, b, gap)
        elif b - a <= gap:
            found.append(Piece(a, b, None))
        else:
            middle = _between(a, b, 0.5)
            left += [(middle, b), (a, middle)]
    return _merged(found)


def _merged(found: list[Piece]) -> list[Piece]:
    """Neighbours with the same code as one piece."""
    result = found[:1]
    for piece in found[1:]:
        if piece.place is not None and piece.place == result[-1].place:
            result[-1] = Piece(result[-1].low, piece.high, piece.place)
        else:
            result.append(piece)
    return result


def _monotone(placing: Placing, low: Fraction, high: Fraction, gap: Fraction) -> list[Piece]:
    """Pieces of numbers among which the function turns nowhere."""
    found: list[Piece] = []
    left = [(low, high, 0)]
    while left:
        a, b, tries = left.pop()
        first, last = placing.at(a), placing.at(b)
        if first == last or b - a <= gap:
            found.append(Piece(a, b, first if first == last else None))
            continue
        # A straight line tells where the boundary is passed; both its sides are tried, and halves at times.
        share = placing.crossing(a, b) if tries % 4 != 3 else None
        aside = float(gap / (b - a)) / 3 * (-1 if tries % 2 else 1)
        middle = _between(a, b, 0.5 if share is None else min(max(share + aside, 0.01), 0.99))
        more = 0 if share is None and tries % 4 != 3 else tries + 1
        left += [(middle, b, more), (a, middle, more)]
    return found


def _between(low: Fraction, high: Fraction, share: float) -> Fraction:
    """A number with a small denominator at about a share of the way."""
    exact = low + (high - low) * Fraction(share)
    unit = 2 ** max(0, ceil(-_log2(high - low)) + 24)
    rounded = Fraction(round(exact * unit), unit)
    return rounded if low < rounded < high else (low + high) / 2


def _log2(x: Fraction) -> int:
    return x.numerator.bit_length() - x.denominator.bit_length()


# Integers from which on the code is at a place; the first one is the tensor's lowest.
Walk = list[tuple[int, int]]


def walk(
    placing: Placing, found: list[Piece], line: tuple[Fraction, Fraction], ends: tuple[int, int]
) -> Walk:
    """Places of the codes of all integers of a channel.

    Parameters
    ----------
    placing : Placing
    found : list of Piece
        Of all numbers of the channel.
    line : (Fraction, Fraction)
        Factor and offset: the numbers of the integers.
    ends : (int, int)
        Smallest and largest integer.
    """
    factor, offset = line
    low, high = ends
    if factor == 0:
        return [(low, placing.at(offset))]
    result: Walk = []
    for piece in found if factor > 0 else reversed(found):
        sides = (piece.low - offset) / factor, (piece.high - offset) / factor
        first, last = max(ceil(min(sides)), low), min(floor(max(sides)), high)
        for integer in range(first, last + 1) if piece.place is None else [first][: last - first + 1]:
            place = placing.at(factor * integer + offset) if piece.place is None else piece.place
            if not result or result[-1][1] != place:
                result.append((integer, place))
    return result
