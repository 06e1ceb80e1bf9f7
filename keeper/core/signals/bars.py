"""Block rows made into bars: whole minutes first, whole hours of sixty minutes then.

A pool's price stands still between swaps, so a minute without any is a bar like others, flat. What is missing is missing: after
a gap in the rows the bars begin anew with the first whole minute whose opening price is known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, pairwise

from keeper.core.model.bar import HOUR_S, MINUTE_S, PriceBar
from keeper.core.model.pool import BlockPrice


def close_minutes(
    rows: Sequence[BlockPrice], *, before: PriceBar | None, since_s: int | None, now_s: int
) -> tuple[PriceBar, ...]:
    """The minutes that are complete at ``now_s`` and follow on ``before``; without it, all that the rows tell of.

    Args:
        rows: at least those from the end of ``before``, oldest first, one a block; older ones only tell the opening price.
        before: the newest bar that is known; None when there is none.
        since_s: chain time from which the rows are complete, when they do not follow on ``before`` without a gap; else None.
            To be given again until a bar has begun after it.
        now_s: chain time up to which the rows are complete.

    Raises:
        ValueError: the rows are out of order, or a block comes twice: its volume would count twice.
    """
    for row, later in pairwise(rows):
        if later.block <= row.block or later.timestamp_s < row.timestamp_s:
            raise ValueError("rows must come in order of blocks and of time, each block once")
    follows = before is not None and (since_s is None or since_s <= before.end_s)
    close = before.close_x96 if before is not None and follows else None
    start_s = before.end_s if before is not None and follows else _first_minute(rows, before, since_s)
    if start_s is None:
        return ()
    bars: list[PriceBar] = []
    times_s = [row.timestamp_s for row in rows]
    first = bisect_left(times_s, start_s)
    if first and not follows:
        close = rows[first - 1].sqrt_price_x96
    for begin_s in range(start_s, now_s - MINUTE_S + 1, MINUTE_S):
        end = bisect_left(times_s, begin_s + MINUTE_S, first)
        assert close is not None
        bars.append(_bar(rows[first:end], begin_s, close))
        first, close = end, bars[-1].close_x96
    return tuple(bars)


def _first_minute(rows: Sequence[BlockPrice], before: PriceBar | None, since_s: int | None) -> int | None:
    """Start of the first whole minute whose opening price is known: the one after the first row."""
    known = [row.timestamp_s for row in rows if before is None or row.timestamp_s >= max(before.end_s, since_s or 0)]
    return None if not known else -(-(known[0] + 1) // MINUTE_S) * MINUTE_S


def _bar(rows: Sequence[BlockPrice], start_s: int, open_x96: int) -> PriceBar:
    """Written out in one pass: every cycle makes five of them."""
    close_x96 = high_x96 = low_x96 = wick_high_x96 = wick_low_x96 = open_x96
    volume0 = volume1 = swaps = 0
    net0: int | None = 0
    net1: int | None = 0
    jit0: int | None = 0
    for row in rows:
        close_x96 = row.sqrt_price_x96
        high_x96 = max(high_x96, close_x96)
        low_x96 = min(low_x96, close_x96)
        wick_high_x96 = max(wick_high_x96, row.high_x96)
        wick_low_x96 = min(wick_low_x96, row.low_x96)
        volume0 += row.volume0
        volume1 += row.volume1
        net0 = None if net0 is None or row.net0 is None else net0 + row.net0
        net1 = None if net1 is None or row.net1 is None else net1 + row.net1
        jit0 = None if jit0 is None or row.jit0 is None else jit0 + row.jit0
        swaps += row.swaps
    return PriceBar(
        start_s=start_s,
        width_s=MINUTE_S,
        open_x96=open_x96,
        high_x96=high_x96,
        low_x96=low_x96,
        close_x96=close_x96,
        wick_high_x96=wick_high_x96,
        wick_low_x96=wick_low_x96,
        volume0=volume0,
        volume1=volume1,
        net0=net0,
        net1=net1,
        jit0=jit0,
        swaps=swaps,
    )


def close_hours(minutes: Sequence[PriceBar]) -> tuple[PriceBar, ...]:
    """The whole hours among ``minutes`` (oldest first): those of which all sixty are there."""
    hours = []
    for start_s, group in groupby(minutes, key=lambda bar: bar.start_s // HOUR_S * HOUR_S):
        members = list(group)
        if len(members) == HOUR_S // MINUTE_S:
            hours.append(merged(members, start_s, HOUR_S))
    return tuple(hours)


def merged(bars: Sequence[PriceBar], start_s: int, width_s: int) -> PriceBar:
    """One bar out of several that follow on one another without a gap.

    Args:
        bars: oldest first, at least one.
        start_s: of the new bar.
        width_s: of the new bar.
    """
    return PriceBar(
        start_s=start_s,
        width_s=width_s,
        open_x96=bars[0].open_x96,
        high_x96=max(bar.high_x96 for bar in bars),
        low_x96=min(bar.low_x96 for bar in bars),
        close_x96=bars[-1].close_x96,
        wick_high_x96=max(bar.wick_high_x96 for bar in bars),
        wick_low_x96=min(bar.wick_low_x96 for bar in bars),
        volume0=sum(bar.volume0 for bar in bars),
        volume1=sum(bar.volume1 for bar in bars),
        net0=_total([bar.net0 for bar in bars]),
        net1=_total([bar.net1 for bar in bars]),
        jit0=_total([bar.jit0 for bar in bars]),
        swaps=sum(bar.swaps for bar in bars),
    )


def _total(parts: Sequence[int | None]) -> int | None:
    """The sum; None when one part is not known."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
