"""How rough the market is, with hysteresis: rougher is believed at once, calmer only after a dwell."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from keeper.core.model.ladder import Regime
from keeper.core.model.policy import RegimePolicy
from keeper.core.model.view import Memory, Quality, SignalReading

MIN_DAYS = 30
"""Days of journaled forecasts from which the usual level is taken; below that the operator's figure stands."""
_REGIMES = tuple(Regime)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeState:
    """The regime of this cycle and what led to it."""

    regime: Regime
    since_s: int
    """Chain time of the cycle that first decided on it."""
    lower_since_s: int | None
    """Since when the readings have asked for a calmer one."""
    ratio: float | None
    """Forecast over usual volatility; None without a forecast that can be relied on."""


def usual_volatility(memory: Memory, rules: RegimePolicy) -> float:
    """Median of the journaled daily forecasts once there are 30 of them, else the operator's figure; per year."""
    if len(memory.volatilities) < MIN_DAYS:
        return rules.usual_volatility
    return median(day.annualised for day in memory.volatilities)


def next_regime(memory: Memory, forecast: SignalReading, rules: RegimePolicy, now_s: int) -> RegimeState:
    """The regime that the forecast of this cycle leads to.

    Up, over any number of edges, as soon as the ratio passes ``edge * (1 + band)``. Down one notch after the ratio has been
    below ``edge * (1 - band)`` of the present regime's lower edge in every cycle of the dwell, and the dwell starts again: a
    crisis takes three dwells to become calm. A forecast that is missing, short or stale gives the more cautious of the present
    regime and stressed.

    The hysteresis protects a placed ladder. Before the first placement there is none, and the plain edges decide afresh.

    Args:
        memory: of the earlier cycles.
        forecast: the reading of forecast volatility.
        rules: edges, band and dwell.
        now_s: chain time of this cycle.
    """
    present = memory.regime if memory.layers else None
    if forecast.quality is not Quality.GOOD or forecast.value is None:
        cautious = max(present or Regime.STRESSED, Regime.STRESSED, key=lambda regime: regime.severity)
        return _state(memory, cautious, None, None, now_s)
    usual = usual_volatility(memory, rules)
    ratio = forecast.value / usual if usual > 0 else float("inf")
    if present is None:
        return _state(memory, _REGIMES[_edges_below(ratio, rules, 1.0)], None, ratio, now_s)
    up = _edges_below(ratio, rules, 1.0 + rules.band)
    down = _edges_below(ratio, rules, 1.0 - rules.band)
    if up > present.severity:
        return _state(memory, _REGIMES[up], None, ratio, now_s)
    if down >= present.severity:
        return _state(memory, present, None, ratio, now_s)
    since_s = now_s if memory.lower_regime_since_s is None else memory.lower_regime_since_s
    if now_s - since_s < rules.dwell_s:
        return _state(memory, present, since_s, ratio, now_s)
    calmer = _REGIMES[present.severity - 1]
    return _state(memory, calmer, now_s if down < calmer.severity else None, ratio, now_s)


def _edges_below(ratio: float, rules: RegimePolicy, factor: float) -> int:
    return sum(ratio >= edge * factor for edge in (rules.normal_from, rules.stressed_from, rules.crisis_from))


def _state(memory: Memory, regime: Regime, lower_since_s: int | None, ratio: float | None, now_s: int) -> RegimeState:
    kept = memory.regime is regime and memory.regime_since_s is not None
    since_s = memory.regime_since_s if kept and memory.regime_since_s is not None else now_s
    return RegimeState(regime=regime, since_s=since_s, lower_since_s=lower_since_s, ratio=ratio)
