"""Block rows made into bars: whole minutes first, whole hours of sixty minutes then.

A pool's price stands still between swaps, so a minute without any is a bar like others, flat. What is missing is missing: after
a gap in the rows the bars begin anew with the first whole minute whose opening price is known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from keeper.core.model.bar import HOUR_S, MINUTE_S, PriceBar
from keeper.core.model.pool import BlockPrice

_BLOCK, _TIME = attrgetter("block"), attrgetter("timestamp_s")


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
    blocks, times_s = list(map(_BLOCK, rows)), list(map(_TIME, rows))
    if blocks != sorted(set(blocks)) or times_s != sorted(times_s):
        raise ValueError("rows must come in order of blocks and of time, each block once")
    follows = before is not None and (since_s is None or since_s <= before.end_s)
    close = before.close_x96 if before is not None and follows else None
    start_s = before.end_s if before is not None and follows else _first_minute(rows, before, since_s)
    if start_s is None:
        return ()
    bars: list[PriceBar] = []
    first = bisect_left(times_s, start_s)
    if first and not follows:
        close = rows[first - 1].sqrt_price_x96
    for begin_s in range(start_s, now_s - MINUTE_S + 1, MINUTE_S):
        end = bisect_left(times_s, begin_s + MINUTE_S, first)
        assert close is not None
        bars.append(_flat(begin_s, close) if first == end else _bar(rows[first:end], begin_s, close))
        first, close = end, bars[-1].close_x96
    return tuple(bars)


def _first_minute(rows: Sequence[BlockPrice], before: PriceBar | None, since_s: int | None) -> int | None:
    """Start of the first whole minute whose opening price is known: the one after the first row."""
    known = [row.timestamp_s for row in rows if before is None or row.timestamp_s >= max(before.end_s, since_s or 0)]
    return None if not known else -(-(known[0] + 1) // MINUTE_S) * MINUTE_S


def _bar(rows: Sequence[BlockPrice], start_s: int, open_x96: int) -> PriceBar:
    """Column by column: every cycle makes five of them."""
    _, _, closes, highs, lows, volumes0, volumes1, swaps, nets0, nets1, jits0 = zip(*rows, strict=True)
    return PriceBar(
        start_s=start_s,
        width_s=MINUTE_S,
        open_x96=open_x96,
        high_x96=max(open_x96, *closes),
        low_x96=min(open_x96, *closes),
        close_x96=closes[-1],
        wick_high_x96=max(open_x96, *highs),
        wick_low_x96=min(open_x96, *lows),
        volume0=sum(volumes0),
        volume1=sum(volumes1),
        net0=_total(nets0),
        net1=_total(nets1),
        jit0=_total(jits0),
        swaps=sum(swaps),
    )


def _flat(start_s: int, price_x96: int) -> PriceBar:
    """A minute without a swap."""
    return PriceBar(
        start_s=start_s,
        width_s=MINUTE_S,
        open_x96=price_x96,
        high_x96=price_x96,
        low_x96=price_x96,
        close_x96=price_x96,
        wick_high_x96=price_x96,
        wick_low_x96=price_x96,
        volume0=0,
        volume1=0,
        net0=0,
        net1=0,
        jit0=0,
        swaps=0,
    )


def close_hours(minutes: Sequence[PriceBar]) -> tuple[PriceBar, ...]:
    """The whole hours among ``minutes`` (oldest first): those of which all sixty are there."""
    hours = []
    for start_s, group in groupby(minutes, key=lambda bar: bar.start_s // HOUR_S * HOUR_S):
        members = list(group)
        if len(members) == HOUR_S // MINUTE_S:
            hours.append(merged(members, start_s, HOUR_S))
    return tuple(hours)


_OF_BAR = attrgetter(
    "high_x96", "low_x96", "wick_high_x96", "wick_low_x96", "volume0", "volume1", "net0", "net1", "jit0", "swaps"
)


def merged(bars: Sequence[PriceBar], start_s: int, width_s: int) -> PriceBar:
    """One bar out of several that follow on one another without a gap.

    Args:
        bars: oldest first, at least one.
        start_s: of the new bar.
        width_s: of the new bar.
    """
    highs, lows, wick_highs, wick_lows, volumes0, volumes1, nets0, nets1, jits0, swaps = zip(*map(_OF_BAR, bars), strict=True)
    return PriceBar(
        start_s=start_s,
        width_s=width_s,
        open_x96=bars[0].open_x96,
        high_x96=max(highs),
        low_x96=min(lows),
        close_x96=bars[-1].close_x96,
        wick_high_x96=max(wick_highs),
        wick_low_x96=min(wick_lows),
        volume0=sum(volumes0),
        volume1=sum(volumes1),
        net0=_total(nets0),
        net1=_total(nets1),
        jit0=_total(jits0),
        swaps=sum(swaps),
    )


def _total(parts: Sequence[Any]) -> int | None:
    """The sum; None when one part is not known."""
    return None if None in parts else sum(parts)
