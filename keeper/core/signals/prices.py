"""Prices of the base token in tokens of the quote, and how far spot has strayed from its mean."""

from __future__ import annotations

import math

from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolView
from keeper.core.model.view import MarketView, Quality, SignalReading
from keeper.core.signals import names
from keeper.core.signals.instrument import Measure, reading_of

LOG_TICK = math.log(1.0001)
"""Natural logarithm of the price step of one tick."""
_LOG_TEN = math.log(10)


def price_at_tick(policy: Policy, tick: float) -> float:
    """Price of the base token in tokens of the quote at a tick of any pool of the pair."""
    return _oriented(policy, tick * LOG_TICK)


def price_at_sqrt(policy: Policy, sqrt_price_x96: int) -> float:
    """Price of the base token in tokens of the quote at a pool's square-root price."""
    return _oriented(policy, log_price(sqrt_price_x96))


def log_price(sqrt_price_x96: int) -> float:
    """Natural logarithm of raw token1 per raw token0."""
    return 2 * math.log(sqrt_price_x96 / 2**96)


def _oriented(policy: Policy, log_raw: float) -> float:
    key = policy.pool(policy.signal_pool)
    log_human = log_raw + (key.token0.decimals - key.token1.decimals) * _LOG_TEN
    return math.exp(log_human if key.token0.address == policy.base.address else -log_human)


def price(view: MarketView, policy: Policy) -> SignalReading:
    """The time-weighted price of the signal pool; missing when its history is shorter than the window."""
    pool = view.pool(policy.signal_pool)
    value = None if pool.twap_tick is None else price_at_tick(policy, pool.twap_tick)
    return _reading(view, pool, names.PRICE, value, f"{policy.quote.symbol} per {policy.base.symbol}")


def spot(view: MarketView, policy: Policy) -> SignalReading:
    """The signal pool's price at the view's block: what anyone can push, never what is trusted."""
    pool = view.pool(policy.signal_pool)
    value = price_at_sqrt(policy, pool.state.sqrt_price_x96)
    return _reading(view, pool, names.SPOT, value, f"{policy.quote.symbol} per {policy.base.symbol}")


def twap_deviation_ticks(view: MarketView, policy: Policy) -> SignalReading:
    """Spot tick less mean tick of the signal pool, signed; missing when its history is shorter than the window."""
    pool = view.pool(policy.signal_pool)
    value = None if pool.twap_tick is None else float(pool.state.tick - pool.twap_tick)
    return _reading(view, pool, names.TWAP_DEVIATION_TICKS, value, "ticks")


def _reading(view: MarketView, pool: PoolView, name: str, value: float | None, unit: str) -> SignalReading:
    quality = Quality.MISSING if value is None else Quality.GOOD
    return reading_of(name, Measure(value, unit, view.now_s, pool.state.key.address, quality), view.block)
