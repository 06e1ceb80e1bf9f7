"""What the signal pool pays, as a volatility."""

from __future__ import annotations

import math
from statistics import fmean

from keeper.core.model.policy import Policy
from keeper.core.model.pool import PriceHistory
from keeper.core.model.view import MarketView, Quality, SignalReading
from keeper.core.quant.lvr import implied_volatility_from_fee_growth
from keeper.core.signals import names
from keeper.core.signals.prices import log_price
from keeper.core.signals.series import recent, sampled

_BACKWARDS = 1 << 255
"""Growth is taken modulo 2**256; above this it ran backwards: the sample stems from a block that is no longer canonical."""


def volatility_pool_implied(view: MarketView, history: PriceHistory, policy: Policy) -> SignalReading:
    """Volatility at which the pool's fees since the oldest remembered sample equal the loss to arbitrage.

    Fee growth is what liquidity providers get: the protocol's part is taken before it. Short while the samples reach back less
    than ``min_history_s``; missing without samples. It is an average over the samples' time and has no age of its own.
    """
    state = view.pool(policy.signal_pool).state
    sample = view.memory.fee_growth[0] if view.memory.fee_growth else None
    value = None
    quality = Quality.MISSING
    if sample is not None and sample.timestamp_s < view.now_s:
        growth0 = (state.fee_growth_global0_x128 - sample.fee_growth_global0_x128) % 2**256
        growth1 = (state.fee_growth_global1_x128 - sample.fee_growth_global1_x128) % 2**256
        seconds = view.now_s - sample.timestamp_s
        if max(growth0, growth1) < _BACKWARDS:
            value = implied_volatility_from_fee_growth(
                growth0_x128=growth0,
                growth1_x128=growth1,
                sqrt_price=_mean_sqrt_price(view, history, policy, sample.timestamp_s),
                seconds=seconds,
            )
            quality = Quality.SHORT if seconds < policy.signals.min_history_s else Quality.GOOD
    return SignalReading(
        name=names.VOLATILITY_POOL_IMPLIED,
        value=value,
        unit="per year",
        as_of_s=view.now_s,
        block=view.block.number,
        source=policy.signal_pool,
        quality=quality,
    )


def _mean_sqrt_price(view: MarketView, history: PriceHistory, policy: Policy, since_s: int) -> float:
    interval_s = policy.signals.sample_interval_s
    prices = sampled(recent(history, since_s), start_s=since_s, end_s=view.now_s, interval_s=interval_s)
    if not prices:
        prices = [log_price(view.pool(policy.signal_pool).state.sqrt_price_x96)]
    return math.exp(fmean(prices) / 2)
