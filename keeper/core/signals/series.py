"""The price history made regular, and how far it can be relied on.

A pool's price stands still between swaps, so the last price before a moment *is* the price at that moment: a quiet pool gives
returns of zero, not missing ones.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice, PriceHistory
from keeper.core.model.view import MarketView, Quality
from keeper.core.quant.volatility import Bar
from keeper.core.signals.prices import log_price

MIN_ROWS = 12
"""Fewer price changes than this leave a variance with a standard error above 40 %: too few to call good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How far the history can be relied on."""

    quality: Quality
    as_of_s: int
    """Chain time up to which the price is known: the view's own when the last row's price is the pool's price now."""


def grade(view: MarketView, history: PriceHistory, policy: Policy) -> Grade:
    """Judge the history of the signal pool.

    The newest row may be old only because nobody traded since. Whether a row is lacking shows in the price: the last row's is
    the pool's price at the view's block, to the last digit, or swaps are unknown to us. Only then does the row's age count.
    Without any row nothing is known of the past: missing.
    """
    if not history.rows:
        return Grade(quality=Quality.MISSING, as_of_s=view.now_s)
    last = history.rows[-1]
    complete = last.sqrt_price_x96 == view.pool(policy.signal_pool).state.sqrt_price_x96
    as_of_s = view.now_s if complete else last.timestamp_s
    if view.now_s - as_of_s > policy.signals.stale_after_s:
        quality = Quality.STALE
    elif view.now_s - history.rows[0].timestamp_s < policy.signals.min_history_s or len(history.rows) < MIN_ROWS:
        quality = Quality.SHORT
    else:
        quality = Quality.GOOD
    return Grade(quality=quality, as_of_s=as_of_s)


def recent(history: PriceHistory, since_s: int) -> Sequence[BlockPrice]:
    """The row in force at ``since_s`` (the first one if that is younger) and every later one."""
    after = bisect_right(history.rows, since_s, key=attrgetter("timestamp_s"))
    return history.rows[max(after - 1, 0) :]


def sampled(rows: Sequence[BlockPrice], *, start_s: int, end_s: int, interval_s: int) -> list[float]:
    """Logarithms of the price at ``end_s``, one interval before, and so on back to ``start_s`` or the first row; oldest first.

    Args:
        rows: oldest first.
        start_s: chain time of the oldest sample wanted.
        end_s: chain time of the newest sample.
        interval_s: > 0.
    """
    if not rows:
        return []
    count = (end_s - max(start_s, rows[0].timestamp_s)) // interval_s + 1
    prices: list[float] = []
    row = 0
    for back in range(count - 1, -1, -1):
        moment = end_s - back * interval_s
        while row + 1 < len(rows) and rows[row + 1].timestamp_s <= moment:
            row += 1
        prices.append(log_price(rows[row].sqrt_price_x96))
    return prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars of equal length without a hole between them, oldest first."""

    bars: tuple[Bar, ...]
    swaps: int
    """In all bars together."""


def bars(rows: Sequence[BlockPrice], *, start_s: int, end_s: int, bar_s: int) -> Bars:
    """Whole bars that end at ``end_s``, none of which begins before ``start_s`` or the first row.

    A bar opens at the price in force when it begins, so no move falls between two bars.
    """
    if not rows:
        return Bars(bars=(), swaps=0)
    count = max((end_s - max(start_s, rows[0].timestamp_s)) // bar_s, 0)
    made: list[Bar] = []
    swaps = 0
    row = 0
    close = log_price(rows[0].sqrt_price_x96)
    for back in range(count - 1, -2, -1):
        # the first pass only walks up to where the first bar begins
        until_s = end_s - (back + 1) * bar_s
        opened = high = low = close
        while row < len(rows) and rows[row].timestamp_s <= until_s:
            high = max(high, log_price(rows[row].high_x96))
            low = min(low, log_price(rows[row].low_x96))
            close = log_price(rows[row].sqrt_price_x96)
            swaps += rows[row].swaps if back < count - 1 else 0
            row += 1
        if back < count - 1:
            made.append(Bar(open=opened, high=max(high, close), low=min(low, close), close=close))
    return Bars(bars=tuple(made), swaps=swaps)


def flat_window_s(policy: Policy) -> int:
    """How far back an estimator that weighs all data alike should look, in seconds.

    ``2 / ln 2`` half lives: the mean age of its data is then that of the exponentially weighted ones, so that the estimators
    speak of the same time. Never more than the look-back.
    """
    return min(policy.signals.lookback_s, int(2 / math.log(2) * policy.signals.ewma_half_life_s))
