"""What a pool remembers of its past: a ring of observations. Ref: ``Oracle.sol``.

An observation holds, as of a time, the sum of the tick over all seconds before it, and the sum of seconds per unit of
liquidity. The pool writes at most one a block, by the first swap that changes the tick or the first mint or burn in range,
with tick and liquidity as they were **before** it: between two observations both sums grow evenly. Times wrap at 2**32 seconds
and the sums at their widths, as in the contract.

Ref: ``UniswapV3Pool.sol`` swap and _modifyPosition, for when an observation is written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keeper.core.v3math.reverts import ObservationTooOldError
from keeper.core.v3math.units import MAX_UINT160

_MAX_UINT32 = (1 << 32) - 1
MOST_OBSERVATIONS = (1 << 16) - 1
"""Places that a ring can have."""
_INT56_HALF = 1 << 55


class Observation(NamedTuple):
    """One place of the ring."""

    timestamp_s: int
    """Chain time modulo 2**32."""
    tick_cumulative: int
    """Sum of the tick over time, in tick seconds, wrapped to 56 bits with a sign."""
    seconds_per_liquidity_cumulative_x128: int
    """Sum of seconds over liquidity in range, in units of 2**-128, modulo 2**160."""
    initialized: bool
    """Whether it was ever written; places that were only paid for carry time 1."""


_PAID_FOR = Observation(1, 0, 0, initialized=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSnapshot:
    """An oracle as a value.

    Raises:
        ValueError: the newest observation lies outside the places in use, or those outside the ring.
    """

    index: int
    """Of the newest observation."""
    cardinality: int
    """How many places are in use, 1 to 65_535."""
    observations: tuple[Observation, ...]
    """Every place, those that are only paid for included."""

    def __post_init__(self) -> None:
        places = len(self.observations)
        if not 0 <= self.index < self.cardinality <= places <= MOST_OBSERVATIONS:
            raise ValueError(f"observation {self.index} of {self.cardinality} is none of a ring of {places}")


class Oracle:
    """The observations of one pool, mutable; as the pool that was given its first price at ``timestamp_s``.

    Ref: ``Oracle.sol`` initialize.
    """

    __slots__ = ("_ring", "cardinality", "index")

    def __init__(self, timestamp_s: int) -> None:
        self._ring = [Observation(timestamp_s & _MAX_UINT32, 0, 0, initialized=True)]
        self.index = 0
        self.cardinality = 1

    @classmethod
    def restore(cls, snapshot: OracleSnapshot) -> Oracle:
        """The oracle that ``snapshot`` describes."""
        oracle = cls(0)
        oracle._ring = list(snapshot.observations)
        oracle.index = snapshot.index
        oracle.cardinality = snapshot.cardinality
        return oracle

    def snapshot(self) -> OracleSnapshot:
        """The oracle as a value."""
        return OracleSnapshot(index=self.index, cardinality=self.cardinality, observations=tuple(self._ring))

    @property
    def cardinality_next(self) -> int:
        """How many places will be in use once the ring has come round, 1 to 65_535."""
        return len(self._ring)

    def grow(self, cardinality_next: int) -> None:
        """Pay for more places; fewer than there are changes nothing.

        Args:
            cardinality_next: 0 to 65_535.

        Raises:
            ValueError: more than the contract's type holds.

        Ref: ``Oracle.sol`` grow, ``UniswapV3Pool.sol`` increaseObservationCardinalityNext.
        """
        if not 0 <= cardinality_next <= MOST_OBSERVATIONS:
            raise ValueError(f"{cardinality_next} observations lie outside [0, {MOST_OBSERVATIONS}]")
        self._ring.extend([_PAID_FOR] * (cardinality_next - len(self._ring)))

    def write(self, timestamp_s: int, tick: int, liquidity: int) -> None:
        """Remember that tick and liquidity held since the newest observation; nothing happens twice in a second.

        Args:
            timestamp_s: of the block, not before the newest observation's.
            tick: of slot0, before the change that asks for an observation.
            liquidity: in range, likewise.

        Ref: ``Oracle.sol`` write.
        """
        ring, index = self._ring, self.index
        newest = ring[index]
        if newest.timestamp_s == timestamp_s & _MAX_UINT32:
            return
        index += 1
        if index == self.cardinality:
            self.cardinality = len(ring)
            index %= self.cardinality
        ring[index] = _transform(newest, timestamp_s, tick, liquidity)
        self.index = index

    def observe(
        self, timestamp_s: int, seconds_agos: Sequence[int], *, tick: int, liquidity: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Both sums as of some seconds ago, a pair of tuples in the order asked.

        Args:
            timestamp_s: now, not before the newest observation.
            seconds_agos: 0 to 2**32 - 1 each.
            tick: of slot0 now.
            liquidity: in range now.

        Returns:
            Tick cumulatives; cumulatives of seconds per liquidity in units of 2**-128.

        Raises:
            ObservationTooOldError: a time lies before the oldest observation.

        Ref: ``Oracle.sol`` observe.
        """
        found = [self.observe_single(timestamp_s, ago, tick=tick, liquidity=liquidity) for ago in seconds_agos]
        return tuple(ticks for ticks, _ in found), tuple(seconds for _, seconds in found)

    def observe_single(self, timestamp_s: int, seconds_ago: int, *, tick: int, liquidity: int) -> tuple[int, int]:
        """Both sums as of ``seconds_ago``; between two observations on the line through them, the tick's rounded **to zero**.

        Args, raises: as ``observe``.

        Ref: ``Oracle.sol`` observeSingle.
        """
        newest = self._ring[self.index]
        target_s = (timestamp_s - seconds_ago) & _MAX_UINT32
        if seconds_ago == 0:
            if newest.timestamp_s != target_s:
                newest = _transform(newest, target_s, tick, liquidity)
            return newest.tick_cumulative, newest.seconds_per_liquidity_cumulative_x128
        before, after = self._surrounding(timestamp_s & _MAX_UINT32, target_s, tick, liquidity)
        if target_s == before.timestamp_s:
            return before.tick_cumulative, before.seconds_per_liquidity_cumulative_x128
        if target_s == after.timestamp_s:
            return after.tick_cumulative, after.seconds_per_liquidity_cumulative_x128
        span_s = (after.timestamp_s - before.timestamp_s) & _MAX_UINT32
        passed_s = (target_s - before.timestamp_s) & _MAX_UINT32
        ticks = _int56(after.tick_cumulative - before.tick_cumulative)
        a_second = ticks // span_s if ticks >= 0 else -(-ticks // span_s)
        seconds = (after.seconds_per_liquidity_cumulative_x128 - before.seconds_per_liquidity_cumulative_x128) & MAX_UINT160
        return (
            _int56(before.tick_cumulative + a_second * passed_s),
            (before.seconds_per_liquidity_cumulative_x128 + seconds * passed_s // span_s) & MAX_UINT160,
        )

    def _surrounding(self, now_s: int, target_s: int, tick: int, liquidity: int) -> tuple[Observation, Observation]:
        """The observations at or before, and at or after, a time.

        Ref: ``Oracle.sol`` getSurroundingObservations.
        """
        newest = self._ring[self.index]
        if _lte(now_s, newest.timestamp_s, target_s):
            return newest, newest if newest.timestamp_s == target_s else _transform(newest, target_s, tick, liquidity)
        oldest = self._ring[(self.index + 1) % self.cardinality]
        if not oldest.initialized:
            oldest = self._ring[0]
        if not _lte(now_s, oldest.timestamp_s, target_s):
            raise ObservationTooOldError(f"{target_s} s lies before the oldest observation, of {oldest.timestamp_s} s")
        return self._search(now_s, target_s)

    def _search(self, now_s: int, target_s: int) -> tuple[Observation, Observation]:
        """In one of the ring's two rising runs: up to the newest, or behind it where the ring has come round.

        Ref: ``Oracle.sol`` binarySearch.
        """
        ring = self._ring
        low, high = (0, self.index) if _lte(now_s, ring[0].timestamp_s, target_s) else (self.index + 1, self.cardinality)
        age_s = (now_s - target_s) & _MAX_UINT32
        place = bisect_right(ring, -age_s, low, high, key=lambda seen: -((now_s - seen.timestamp_s) & _MAX_UINT32))
        return ring[place - 1], ring[place % self.cardinality]


def _transform(last: Observation, timestamp_s: int, tick: int, liquidity: int) -> Observation:
    """The observation that follows ``last`` if tick and liquidity held since.

    Ref: ``Oracle.sol`` transform.
    """
    last_s, ticks, seconds_x128, _ = last
    now_s = timestamp_s & _MAX_UINT32
    since_s = (now_s - last_s) & _MAX_UINT32
    return Observation(
        now_s,
        _int56(ticks + tick * since_s),
        (seconds_x128 + (since_s << 128) // (liquidity or 1)) & MAX_UINT160,
        True,
    )


def _lte(now_s: int, a_s: int, b_s: int) -> bool:
    """Whether time a is at or before b, where both may lie on the other side of a wrap, but neither after now.

    Ref: ``Oracle.sol`` lte.
    """
    return (now_s - a_s) & _MAX_UINT32 >= (now_s - b_s) & _MAX_UINT32


def _int56(value: int) -> int:
    """Wrapped to 56 bits with a sign, as Solidity 0.7 wraps."""
    return ((value + _INT56_HALF) & ((1 << 56) - 1)) - _INT56_HALF
