"""Reasons not to act. Each says no with numbers, or None; none raises."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.core.model.decision import Veto
from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, Quality, SignalReading
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy.sight import Sight

DAY_S = 86_400
_GRADES = (Quality.GOOD, Quality.SHORT, Quality.STALE, Quality.MISSING)


def data_quality(forecast: SignalReading) -> Veto | None:
    """Nothing moves on a forecast that is short, stale or missing, withdrawals included: an outage is not news."""
    quality = forecast.quality
    if quality is Quality.GOOD:
        return None
    unit = "grade of the forecast: 0 good, 1 short, 2 stale, 3 missing"
    return _veto("data_quality", None, _GRADES.index(quality), 0, unit)


def price_band(view: MarketView, policy: Policy, protected: float) -> Veto | None:
    """Neither spot nor the protected price may be outside what the operator holds possible."""
    limits = policy.gates
    spot = price_at_sqrt(policy, view.pool(policy.signal_pool).state.sqrt_price_x96)
    if limits.price_min_quote <= min(spot, protected) and max(spot, protected) <= limits.price_max_quote:
        return None
    unit = f"{policy.quote.symbol} per {policy.base.symbol}"
    for price in (spot, protected):
        if price < limits.price_min_quote:
            return _veto("price_min", None, price, limits.price_min_quote, unit)
        if price > limits.price_max_quote:
            return _veto("price_max", None, price, limits.price_max_quote, unit)
    return None


def base_fee(view: MarketView, policy: Policy) -> Veto | None:
    """Inclusion may not be dearer than the ceiling."""
    if view.gas.base_fee_wei <= policy.gates.max_base_fee_wei:
        return None
    return _veto("base_fee", None, view.gas.base_fee_wei, policy.gates.max_base_fee_wei, "wei")


def twap(view: MarketView, policy: Policy, pools: Iterable[str], kind: LayerKind | None) -> Veto | None:
    """Every pool that is touched must have its mean price, with spot near it: spot alone can be pushed within a block."""
    for address in sorted({*pools, policy.signal_pool}):
        pool = view.pool(address)
        if pool.twap_tick is None:
            return _veto("twap_missing", kind, 0, policy.gates.twap_window_s, "s of pool history")
        found = abs(pool.state.tick - pool.twap_tick)
        if found > policy.gates.twap_limit_ticks:
            return _veto("twap_deviation", kind, found, policy.gates.twap_limit_ticks, "ticks")
    return None


def cooldown(sight: Sight, view: MarketView, policy: Policy) -> Veto | None:
    """A layer rests between two placements; one whose placement is not remembered rests from now."""
    elapsed_s = 0 if sight.memory is None else view.now_s - sight.memory.placed_at_s
    if elapsed_s >= policy.gates.cooldown_s:
        return None
    return _veto("cooldown", sight.kind, elapsed_s, policy.gates.cooldown_s, "s since placed")


def lean_cooldown(view: MarketView, policy: Policy) -> Veto | None:
    """Between two times that the lean is steered the whole rests as long as a layer does."""
    tilted_at_s = view.memory.tilted_at_s
    if tilted_at_s is None or view.now_s - tilted_at_s >= policy.gates.cooldown_s:
        return None
    return _veto("lean_cooldown", None, view.now_s - tilted_at_s, policy.gates.cooldown_s, "s since steered")


def shifts_per_day(view: MarketView, policy: Policy, kind: LayerKind, *, planned: int) -> Veto | None:
    """No more shifts in any 24 hours than allowed, those decided in this cycle included."""
    done = sum(view.now_s - moment < DAY_S for moment in view.memory.shifts_s) + planned
    if done < policy.gates.shifts_per_day:
        return None
    return _veto("shifts_per_day", kind, done, policy.gates.shifts_per_day, "shifts in 24 h")


def min_value(kind: LayerKind | None, value_quote: float, policy: Policy) -> Veto | None:
    """Small change is not worth moving."""
    if value_quote >= policy.gates.min_move_quote:
        return None
    return _veto("min_value", kind, value_quote, policy.gates.min_move_quote, policy.quote.symbol)


def gas_per_day(view: MarketView, policy: Policy, kind: LayerKind | None, *, wei: int) -> Veto | None:
    """Gas of the last 24 hours and of this cycle's moves, ``wei``, stays under the ceiling."""
    found = wei + sum(paid.wei for paid in view.memory.gas_paid if view.now_s - paid.timestamp_s < DAY_S)
    if found <= policy.gates.max_gas_day_wei:
        return None
    return _veto("gas_per_day", kind, found, policy.gates.max_gas_day_wei, "wei in 24 h")


def cost(kind: LayerKind | None, benefit_quote: float, cost_quote: float, policy: Policy) -> Veto | None:
    """What a move promises over the horizon must exceed a multiple of what it costs."""
    limit = policy.gates.cost_multiple * cost_quote
    if benefit_quote > limit:
        return None
    return _veto("cost", kind, benefit_quote, limit, f"{policy.quote.symbol} over the horizon")


def unchanged(sight: Sight) -> Veto | None:
    """A shift to where the layer already lies would only pay for the trip."""
    if sight.rules is None or not sight.ranges:
        return None
    wanted = {(sight.rules.pool, place) for place in sight.ranges}
    if wanted != {(position.pool, position.range) for position in sight.live}:
        return None
    return _veto("unchanged", sight.kind, 0, 1, "bands that would differ")


def _veto(gate: str, kind: LayerKind | None, found: float, limit: float, unit: str) -> Veto:
    return Veto(gate=gate, layer=kind, found=float(found), limit=float(limit), unit=unit)
