"""What each hour adds to realised variance, and exact sums over any last part of the hours."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import add, attrgetter, sub
from typing import NamedTuple

from keeper.core.model.bar import HOUR_S
from keeper.core.quant.exact_sum import exact, parts, rounded


class Sums(NamedTuple):
    """Numbers of some hours together; variances are exact, in the unit of :mod:`keeper.core.quant.exact_sum`."""

    covered_s: int
    swaps: int
    sampled_s: int
    minutes: int
    fine_sampled_s: int
    """``sampled_s`` of the hours whose minutes are known."""
    variance: int
    bipower: int
    finest: int
    fine_variance: int
    """``variance`` of the hours whose minutes are known."""
    rate: int
    """Sum of the variances that each hour would have if all of it had been measured."""

    def with_more(self, other: Sums) -> Sums:
        """Both together."""
        return Sums._make(map(add, self, other))

    def without(self, other: Sums) -> Sums:
        """These less some of them."""
        return Sums._make(map(sub, self, other))


NO_HOURS = Sums(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(slots=True, kw_only=True)
class HourSums:
    """What one hour adds to every window that it lies in."""

    start_s: int
    covered_s: int = 0
    swaps: int = 0
    sampled_s: int = 0
    """Time over which ``variance`` was measured."""
    variance: float = 0.0
    """Sub-sampled realised variance over ``sampled_s``."""
    bipower: float = 0.0
    """Of the same returns: what of the variance is not jumps."""
    finest: float = 0.0
    """Sum of squared one-minute returns."""
    minutes: int = 0

    @property
    def fine_sampled_s(self) -> int:
        """``sampled_s`` of an hour whose minutes are known."""
        return self.sampled_s if self.minutes else 0

    @property
    def fine_variance(self) -> float:
        """``variance`` of an hour whose minutes are known."""
        return self.variance if self.minutes else 0.0

    def sums(self) -> Sums:
        """Of this hour alone."""
        return Sums(
            covered_s=self.covered_s,
            swaps=self.swaps,
            sampled_s=self.sampled_s,
            minutes=self.minutes,
            fine_sampled_s=self.fine_sampled_s,
            variance=exact(self.variance),
            bipower=exact(self.bipower),
            finest=exact(self.finest),
            fine_variance=exact(self.fine_variance),
            rate=exact(self.variance * HOUR_S / self.sampled_s) if self.sampled_s else 0,
        )


_EMPTY = HourSums(start_s=0)


class Window:
    """A stretch of closed hours and the one that is open, which grows while the window stands.

    Args:
        closed: of the hours that are over.
        begins_s: of the stretch.
    """

    __slots__ = ("_begins_s", "_closed", "_open", "_parts")

    def __init__(self, closed: Sums, begins_s: int) -> None:
        self._closed, self._begins_s = closed, begins_s
        self._open = _EMPTY
        self._parts: dict[str, tuple[float, ...]] = {}

    def with_open(self, hour: HourSums | None) -> Window:
        """The same with the hour that is open now, where it lies in the stretch."""
        self._open = _EMPTY if hour is None or hour.start_s < self._begins_s else hour
        return self

    @property
    def covered_s(self) -> int:
        """Time of which bars are known."""
        return self._closed.covered_s + self._open.covered_s

    @property
    def swaps(self) -> int:
        """How many there were."""
        return self._closed.swaps + self._open.swaps

    @property
    def sampled_s(self) -> int:
        """Time over which variance was measured."""
        return self._closed.sampled_s + self._open.sampled_s

    @property
    def minutes(self) -> int:
        """How many are known one by one."""
        return self._closed.minutes + self._open.minutes

    @property
    def fine_sampled_s(self) -> int:
        """``sampled_s`` of the hours whose minutes are known."""
        return self._closed.fine_sampled_s + self._open.fine_sampled_s

    def total(self, name: str) -> float:
        """Sum of a variance of that name, rounded once.

        The part of the closed hours is kept as a few numbers with exactly the same sum, so that the open hour is added without
        a second rounding.
        """
        closed = self._parts.get(name)
        if closed is None:
            closed = self._parts[name] = parts(getattr(self._closed, name))
        return math.fsum((*closed, getattr(self._open, name)))


class ClosedHours:
    """The last hours that are over, oldest first.

    Args:
        size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._hours: deque[HourSums] = deque(maxlen=size)
        self._before: deque[Sums] = deque(maxlen=size)
        """Of everything that came before each of them."""
        self._total = NO_HOURS

    @property
    def hours(self) -> Sequence[HourSums]:
        """Each by itself."""
        return self._hours

    def append(self, hour: HourSums) -> None:
        """One more is over; it must not be changed any more."""
        self._hours.append(hour)
        self._before.append(self._total)
        self._total = self._total.with_more(hour.sums())

    def all(self) -> Sums:
        """Of all that are kept."""
        return self._total.without(self._before[0]) if self._before else NO_HOURS

    def since(self, since_s: int) -> Sums:
        """Of those that began then or later."""
        first = bisect_left(self._hours, since_s, key=attrgetter("start_s"))
        return self._total.without(self._before[first]) if first < len(self._before) else NO_HOURS

    def rates(self, size: int) -> list[float]:
        """Variance of every stretch of ``size`` hours, the last of which ends with the newest: as if all had been measured."""
        first = len(self._before) % size
        ends = [self._before[at].rate for at in range(first, len(self._before), size)]
        return [rounded(end - begin) for begin, end in pairwise([*ends, self._total.rate])]
