"""What each hour adds to realised variance, and exact sums over any last part of the hours."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import add, attrgetter, sub
from typing import NamedTuple

from keeper.core.model.bar import HOUR_S
from keeper.core.quant.exact_sum import exact, rounded


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

    def sums(self) -> Sums:
        """Of this hour alone."""
        variance, known = exact(self.variance), self.minutes > 0
        return Sums(
            covered_s=self.covered_s,
            swaps=self.swaps,
            sampled_s=self.sampled_s,
            minutes=self.minutes,
            fine_sampled_s=self.sampled_s if known else 0,
            variance=variance,
            bipower=exact(self.bipower),
            finest=exact(self.finest),
            fine_variance=variance if known else 0,
            rate=exact(self.variance * HOUR_S / self.sampled_s) if self.sampled_s else 0,
        )


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
