"""When a tier of the hedge ladder wakes, and when it falls asleep again."""

from __future__ import annotations

import math

from keeper.core.model.decision import Reason
from keeper.core.model.hedge import TierPolicy
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.replication import ladder_value, loss_against_cash, strip_payoff
from keeper.core.quant.tail import price_quantile
from keeper.core.signals.prices import price_at_tick
from keeper.core.strategy.caution import Caution
from keeper.core.strategy.hedge.exposure import bands, vanillas
from keeper.core.strategy.valuation import fees_quote

WALKED, SCORE, EVENT, CHEAP, MANDATE = "hedge_walked", "hedge_score", "hedge_event", "hedge_cheap", "hedge_mandate"


def awake_before_quotes(
    tier: TierPolicy, view: MarketView, policy: Policy, careful: Caution, walked: float | None
) -> tuple[Reason, ...]:
    """Every condition of the tier that holds and needs no quote.

    A tier that was awake at the last cycle stays so until its conditions have receded by the hysteresis.

    Args:
        tier: one of the policy's.
        view: of the cycle.
        policy: the rules.
        careful: what score and calendar ask for.
        walked: :func:`walked_part`, the same for every tier.
    """
    wake = tier.wake
    held_open = 1.0 - policy.hedge.hysteresis if tier.name in view.memory.hedge.awake else 1.0
    found = []
    if wake.walked is not None and walked is not None and walked >= wake.walked * held_open:
        found.append(_reason(WALKED, tier, walked, wake.walked, "of the way to the ladder's end"))
    if wake.score is not None and careful.score is not None and careful.score >= wake.score * held_open:
        found.append(_reason(SCORE, tier, careful.score, wake.score, "stress score"))
    if wake.calendar and careful.event > 1.0:
        found.append(_reason(EVENT, tier, careful.event, 1.0, "times variance scheduled"))
    return tuple(found)


def cheap_reason(tier: TierPolicy, view: MarketView, policy: Policy, implied: float, forecast: float) -> Reason | None:
    """The option's implied volatility is under the forecast by the tier's margin or more."""
    if tier.wake.cheap is None or forecast <= 0:
        return None
    held_open = 1.0 - policy.hedge.hysteresis if tier.name in view.memory.hedge.awake else 1.0
    found = 1.0 - implied / forecast
    if found < tier.wake.cheap * held_open:
        return None
    return _reason(CHEAP, tier, found, tier.wake.cheap, "implied volatility under the forecast")


def walked_part(view: MarketView, policy: Policy, price: float) -> float | None:
    """Part of the way, in logarithms of price, from the ladder's centre to whichever end is nearer; above 1 outside.

    None without a ladder. The centre is the geometric mean of its ends.
    """
    ranges = [position.range for position in view.ladder.positions if position.liquidity > 0]
    if not ranges:
        return None
    ticks = min([one.lower for one in ranges]), max([one.upper for one in ranges])
    low, high = sorted([math.log(price_at_tick(policy, tick)) for tick in ticks])
    return abs(math.log(price) - (low + high) / 2) / ((high - low) / 2)


def mandate(view: MarketView, policy: Policy, volatility: float, price: float) -> Reason | None:
    """The loss at the quantile, net of fees and of held options, is more than the mandate allows: every tier wakes."""
    hedge = policy.hedge
    if hedge.loss_cap >= 1:
        return None
    ladder = bands(view, policy)
    if not ladder:
        return None
    years = hedge.horizon_s / SECONDS_A_YEAR
    floor = price_quantile(price=price, quantile=hedge.quantile, volatility=volatility, years=years)
    fees = fees_quote(policy, price, view.ladder.positions)
    loss = loss_against_cash(ladder, entry=price, price=floor, fees=fees)
    loss -= strip_payoff(vanillas(view), floor)
    limit = hedge.loss_cap * ladder_value(ladder, price)
    if loss <= limit:
        return None
    unit = f"{policy.quote.symbol} lost at the quantile of {hedge.quantile:g}"
    return Reason(trigger=MANDATE, layer=None, found=loss, limit=limit, unit=unit)


def _reason(trigger: str, tier: TierPolicy, found: float, limit: float, unit: str) -> Reason:
    return Reason(trigger=trigger, layer=None, found=float(found), limit=float(limit), unit=f"{tier.name}: {unit}")
