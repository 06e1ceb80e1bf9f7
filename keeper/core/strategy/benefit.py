"""What placing a layer anew is worth and what it costs, over the horizon, in tokens of the quote.

**What the benefit is.** The fee income that the new place is expected to earn over the horizon less what the old one would
earn if it were left alone, both by the same formula: while in range, liquidity ``L`` earns ``L sqrt(P) IV^2 / 4`` a year
(``value * IV^2 / 8 * concentration`` for a centred range), times the mean time inside over the horizon. A range that the price
has left is credited with the time for which the price is expected back, so a layer that may well recover by itself is not moved
for nothing, and the new one is debited for the time it too will spend outside.

**What it is not.** It is not profit. In range, fees over loss to arbitrage is ``(IV / sigma)^2`` whatever the width: at fair
fees the net edge of *every* placement is zero, and a gate on net edge would never place anything. To provide liquidity is the
mandate; the loss to arbitrage is its price, and the ledger reports it. Nothing here decides whether a pool is worth it.

**Which volatility pays.** The smaller of the pool-implied and the forecast one. A pool that pays less than fair is believed,
one that has paid more is not counted on: past edge does not predict next week's, and traded-up fees are cheap to fake. Without
a good pool-implied reading fees are taken to pay exactly the loss to arbitrage. Layers in other pools are credited with the
signal pool's rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from keeper.core.model.ladder import Position, TargetLayer, TickRange
from keeper.core.model.plan import Burn, Collect, Decrease, Increase, Mint, Step, Swap
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, Quality, SignalReading, find_reading
from keeper.core.quant.barrier import expected_years_inside
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.lvr import lvr_rate
from keeper.core.signals import names
from keeper.core.signals.prices import LOG_TICK, log_price
from keeper.core.strategy.gas import stage_gas
from keeper.core.strategy.valuation import raw_to_quote, wei_to_quote

_WITHDRAWAL: tuple[type[Step], ...] = (Decrease, Collect, Burn)
"""Of one position."""


class Odds(NamedTuple):
    """What income is computed from."""

    volatility: float
    """Forecast per year, from which the time in range follows."""
    fee_volatility: float
    """Per year, from which the income while in range follows."""
    price: float
    """Of the base token in tokens of the quote, protected."""


class Expense(NamedTuple):
    """What a move is expected to cost before it is planned."""

    gas_wei: int
    gas_quote: float
    swap_quote: float
    """Fee and own impact of the swap to the new ratio."""

    @property
    def total_quote(self) -> float:
        """Everything together."""
        return self.gas_quote + self.swap_quote


def odds(readings: Sequence[SignalReading], price: float) -> Odds | None:
    """The volatilities to reckon with; None without any forecast.

    Args:
        readings: of this cycle.
        price: of the base token in tokens of the quote, protected.
    """
    forecast = find_reading(readings, names.VOLATILITY_FORECAST).value
    if forecast is None:
        return None
    implied = find_reading(readings, names.VOLATILITY_POOL_IMPLIED)
    paid = forecast
    if implied.quality is Quality.GOOD and implied.value is not None:
        paid = min(forecast, implied.value)
    return Odds(volatility=forecast, fee_volatility=paid, price=price)


def income_of(view: MarketView, policy: Policy, positions: Sequence[Position], chances: Odds) -> float:
    """Fees that held positions are expected to earn over the horizon if left alone, in tokens of the quote."""
    return math.fsum(_income(view, policy, p.pool, p.range, p.liquidity, chances) for p in positions if p.liquidity > 0)


def income_from(view: MarketView, policy: Policy, target: TargetLayer, value_quote: float, chances: Odds) -> float:
    """Fees that a target is expected to earn over the horizon with ``value_quote`` in it, in tokens of the quote."""
    total = 0.0
    for band in target.bands:
        unit = _unit_quote(view, policy, band.pool, band.range, chances.price)
        liquidity = value_quote * band.share / unit if unit > 0 else 0.0
        total += _income(view, policy, band.pool, band.range, liquidity, chances)
    return total


def shift_expense(
    view: MarketView, policy: Policy, target: TargetLayer, positions: Sequence[Position], value_quote: float, price: float
) -> Expense:
    """Cost of withdrawing ``positions`` and placing ``target``, each in a transaction, with a swap when the ratio asks for it.

    The wallet's other funds are not counted on to save the swap, nor is another layer's swap to net against it: too dear rather
    than too cheap. Planning prices the real one.
    """
    swapped = _to_swap(view, policy, target, positions, value_quote, price)
    gas = stage_gas(_WITHDRAWAL * len(positions)) + stage_gas([Mint] * len(target.bands))
    if swapped > 0:
        gas += stage_gas([Swap])
    return _expense(view, policy, gas, _swap_quote(view, policy, swapped, price), price)


def close_expense(view: MarketView, policy: Policy, positions: Sequence[Position], price: float) -> Expense:
    """Cost of withdrawing ``positions``."""
    return _expense(view, policy, stage_gas(_WITHDRAWAL * len(positions)), 0.0, price)


def compound_expense(view: MarketView, policy: Policy, positions: Sequence[Position], price: float) -> Expense:
    """Cost of putting the fees of ``positions`` back: one transaction to collect, one to add."""
    gas = stage_gas([Collect] * len(positions)) + stage_gas([Increase] * len(positions))
    return _expense(view, policy, gas, 0.0, price)


def sale_expense(view: MarketView, policy: Policy, collects: int, value_quote: float, price: float) -> Expense:
    """Cost of collecting what so many positions owe, if any, and of selling that value in a pool."""
    gas = stage_gas([Collect] * collects) + stage_gas([Swap])
    return _expense(view, policy, gas, _swap_quote(view, policy, value_quote, price), price)


def _income(view: MarketView, policy: Policy, pool: str, place: TickRange, liquidity: float, chances: Odds) -> float:
    log_spot = log_price(view.pool(pool).state.sqrt_price_x96)
    years = expected_years_inside(
        lower=place.lower * LOG_TICK - log_spot,
        upper=place.upper * LOG_TICK - log_spot,
        volatility=chances.volatility,
        years=policy.ladder.horizon_s / SECONDS_A_YEAR,
    )
    raw1 = lvr_rate(liquidity, math.exp(log_spot / 2), chances.fee_volatility) * years
    return raw_to_quote(policy, chances.price, 0.0, raw1)


def _unit_quote(view: MarketView, policy: Policy, pool: str, place: TickRange, price: float) -> float:
    return raw_to_quote(policy, price, *_unit_amounts(view, pool, place))


def _unit_amounts(view: MarketView, pool: str, place: TickRange) -> tuple[float, float]:
    """Raw tokens that one unit of liquidity takes now."""
    lower, upper = (math.exp(tick * LOG_TICK / 2) for tick in (place.lower, place.upper))
    at = min(max(view.pool(pool).state.sqrt_price_x96 / 2**96, lower), upper)
    return 1 / at - 1 / upper, at - lower


def _to_swap(
    view: MarketView, policy: Policy, target: TargetLayer, positions: Sequence[Position], value_quote: float, price: float
) -> float:
    """Value that must change from one token to the other, in tokens of the quote; 0 within the tolerance."""
    wanted0 = 0.0
    for band in target.bands:
        amount0, amount1 = _unit_amounts(view, band.pool, band.range)
        value0 = raw_to_quote(policy, price, amount0, 0.0)
        whole = value0 + raw_to_quote(policy, price, 0.0, amount1)
        wanted0 += band.share * value0 / whole if whole > 0 else 0.0
    held0 = sum(raw_to_quote(policy, price, p.amount0 + p.fees0, 0.0) for p in positions)
    held = held0 + sum(raw_to_quote(policy, price, 0.0, p.amount1 + p.fees1) for p in positions)
    if held <= 0:
        return 0.0
    off = abs(held0 / held - wanted0)
    return off * value_quote if off > policy.execution.unplaced_tolerance else 0.0


def _swap_quote(view: MarketView, policy: Policy, swapped: float, price: float) -> float:
    """Fee and own impact in the cheapest configured pool: a swap of D moves the square-root price by D / (L sqrt(P))."""
    if swapped <= 0 or not policy.execution.swap_pools:
        return 0.0
    costs = []
    for address in policy.execution.swap_pools:
        state = view.pool(address).state
        depth = raw_to_quote(policy, price, 0.0, state.liquidity * state.sqrt_price_x96 / 2**96)
        impact = swapped * swapped / depth if depth > 0 else swapped
        costs.append(swapped * state.key.fee_pips / 1_000_000 + impact)
    return min(costs)


def _expense(view: MarketView, policy: Policy, gas: int, swap_quote: float, price: float) -> Expense:
    gas_wei = gas * view.gas.price_wei
    return Expense(gas_wei=gas_wei, gas_quote=wei_to_quote(policy, price, gas_wei), swap_quote=swap_quote)
