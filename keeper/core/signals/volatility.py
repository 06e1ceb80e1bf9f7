"""Realised volatility of the signal pool's price, three ways, and the forecast that is made of them.

The pool's price is pinned inside the fee on either side of the outside price: ``sample_interval_s`` should let a typical return
exceed three fees, or volatility reads low.
"""

from __future__ import annotations

import itertools
import math
from statistics import median

from keeper.core.model.policy import Policy
from keeper.core.model.pool import PriceHistory
from keeper.core.model.view import MarketView, Quality, SignalReading
from keeper.core.quant.volatility import annualised, close_to_close, decay_of, ewma, garman_klass, subsampled, two_scale
from keeper.core.signals import names
from keeper.core.signals.prices import log_price
from keeper.core.signals.series import Grade, bars, flat_window_s, grade, recent, sampled

UNIT = "per year"
SWAPS_A_BAR = 30
"""With fewer the true high and low of a bar go unseen and Garman-Klass reads low."""
MEASURED = (names.VOLATILITY_EWMA, names.VOLATILITY_GK, names.VOLATILITY_TSRV)


def volatility_ewma(view: MarketView, history: PriceHistory, policy: Policy) -> SignalReading:
    """Exponentially weighted close-to-close volatility on a regular grid that ends now, seeded with the grid's own mean."""
    rules = policy.signals
    found = grade(view, history, policy)
    start_s = view.now_s - rules.lookback_s
    prices = sampled(recent(history, start_s), start_s=start_s, end_s=view.now_s, interval_s=rules.sample_interval_s)
    returns = [later - earlier for earlier, later in itertools.pairwise(prices)]
    value = None
    if returns:
        decay = decay_of(rules.ewma_half_life_s, rules.sample_interval_s)
        value = annualised(ewma(returns, decay, seed=close_to_close(returns)), rules.sample_interval_s)
    return _reading(view, policy, names.VOLATILITY_EWMA, value, found)


def volatility_gk(view: MarketView, history: PriceHistory, policy: Policy) -> SignalReading:
    """Garman-Klass volatility of the bars of the last :func:`flat_window_s`; short below 30 swaps a bar on average."""
    found = grade(view, history, policy)
    start_s = view.now_s - flat_window_s(policy)
    made = bars(recent(history, start_s), start_s=start_s, end_s=view.now_s, bar_s=policy.signals.bar_s)
    value = None
    if made.bars:
        value = annualised(garman_klass(made.bars), policy.signals.bar_s)
        if found.quality is Quality.GOOD and made.swaps < SWAPS_A_BAR * len(made.bars):
            found = Grade(quality=Quality.SHORT, as_of_s=found.as_of_s)
    return _reading(view, policy, names.VOLATILITY_GK, value, found)


def volatility_tsrv(view: MarketView, history: PriceHistory, policy: Policy) -> SignalReading:
    """Two-scale volatility of every block's last price over :func:`flat_window_s`, the slow scale near the sample interval.

    Where noise carries the corrected value to zero or below, the uncorrected one is told: too high rather than too calm.
    """
    found = grade(view, history, policy)
    start_s = view.now_s - flat_window_s(policy)
    rows = recent(history, start_s)
    value = None
    if len(rows) >= 3:
        span_s = view.now_s - max(start_s, rows[0].timestamp_s)
        steps = len(rows) - 1
        stride = min(max(round(steps * policy.signals.sample_interval_s / max(span_s, 1)), 2), max(steps // 2, 2))
        prices = [log_price(row.sqrt_price_x96) for row in rows]
        variance = two_scale(prices, stride)
        if variance <= 0.0:
            variance = subsampled(prices, stride)
        value = annualised(variance, span_s) if span_s else None
    return _reading(view, policy, names.VOLATILITY_TSRV, value, found)


def volatility_forecast(readings: tuple[SignalReading, ...], view: MarketView, policy: Policy) -> SignalReading:
    """Median of the good measurements; of the short ones, then of the stale ones, when none is good.

    Three views of the last hours, no model of the future: over a day volatility is mostly its own past.
    """
    measured = [reading for reading in readings if reading.name in MEASURED and reading.value is not None]
    for quality in (Quality.GOOD, Quality.SHORT, Quality.STALE):
        values = [reading.value for reading in measured if reading.quality is quality and reading.value is not None]
        if values:
            as_of_s = min(reading.as_of_s for reading in measured if reading.quality is quality)
            return _reading(view, policy, names.VOLATILITY_FORECAST, median(values), Grade(quality=quality, as_of_s=as_of_s))
    missing = Grade(quality=Quality.MISSING, as_of_s=view.now_s)
    return _reading(view, policy, names.VOLATILITY_FORECAST, None, missing)


def _reading(view: MarketView, policy: Policy, name: str, value: float | None, found: Grade) -> SignalReading:
    usable = value is not None and math.isfinite(value)
    return SignalReading(
        name=name,
        value=value if usable else None,
        unit=UNIT,
        as_of_s=found.as_of_s,
        block=view.block.number,
        source=policy.signal_pool,
        quality=found.quality if usable else Quality.MISSING,
    )
