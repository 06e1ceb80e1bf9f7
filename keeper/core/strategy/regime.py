"""How rough the market is, with hysteresis: rougher is believed at once, calmer only after a dwell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keeper.core.model.ladder import Regime
from keeper.core.model.policy import Policy, RegimePolicy, StressPolicy
from keeper.core.model.view import Memory, Quality, SignalReading, find_reading
from keeper.core.signals import names

_REGIMES = tuple(Regime)
_SEVERITY = {regime: regime.severity for regime in Regime}


class RegimeState(NamedTuple):
    """The regime of this cycle and what led to it."""

    regime: Regime
    since_s: int
    """Chain time of the cycle that first decided on it."""
    lower_since_s: int | None
    """Since when the readings have asked for a calmer one."""
    ratio: float | None
    """Forecast over usual volatility; None without a forecast that can be relied on."""


class Weather(NamedTuple):
    """What the regime is decided from."""

    forecast: SignalReading
    usual: float
    """Volatility per year that counts as usual."""
    score: float | None
    """Stress score; None when too little of its weight is available."""


def weather(readings: Sequence[SignalReading], policy: Policy) -> Weather:
    """The forecast, the level that it is held against, and the score.

    Usual is the median of the daily forecasts of 180 days, or the operator's figure while fewer than 30 are known.
    """
    usual = find_reading(readings, names.VOLATILITY_USUAL).value
    return Weather(
        forecast=find_reading(readings, names.VOLATILITY_FORECAST),
        usual=policy.regimes.usual_volatility if usual is None else usual,
        score=find_reading(readings, names.STRESS_SCORE).value,
    )


def next_regime(memory: Memory, seen: Weather, rules: RegimePolicy, stress: StressPolicy, now_s: int) -> RegimeState:
    """The regime that the readings of this cycle lead to.

    Up, over any number of edges, as soon as the ratio passes ``edge * (1 + band)``. Down one notch after the ratio has been
    below ``edge * (1 - band)`` of the present regime's lower edge in every cycle of the dwell, and the dwell starts again: a
    crisis takes three dwells to become calm. A forecast that is missing, short or stale gives the more cautious of the present
    regime and stressed.

    The score adds one notch to what the ratio says while it is at ``raise_from`` or above, never more and never less; it keeps
    the notch until it is below ``raise_from * (1 - band)``. A score that is missing although signals have weight lets nothing
    become calmer.

    The hysteresis protects a placed ladder. Before the first placement there is none, and the plain edges decide afresh.

    Args:
        memory: of the earlier cycles.
        seen: forecast, usual volatility and score.
        rules: edges, band and dwell.
        stress: from where the score counts.
        now_s: chain time of this cycle.
    """
    present = memory.regime if memory.layers else None
    forecast = seen.forecast
    if forecast.quality is not Quality.GOOD or forecast.value is None:
        cautious = max(present or Regime.STRESSED, Regime.STRESSED, key=_SEVERITY.__getitem__)
        return _state(memory, cautious, None, None, now_s)
    ratio = forecast.value / seen.usual if seen.usual > 0 else float("inf")
    raised = seen.score is not None and seen.score >= stress.raise_from
    if present is None:
        return _state(memory, _notched(_edges_below(ratio, rules, 1.0), raised=raised), None, ratio, now_s)
    severity = _SEVERITY[present]
    up = _notched(_edges_below(ratio, rules, 1.0 + rules.band), raised=raised)
    if _SEVERITY[up] > severity:
        return _state(memory, up, None, ratio, now_s)
    kept = seen.score is not None and seen.score >= stress.raise_from * (1.0 - rules.band)
    down = _notched(_edges_below(ratio, rules, 1.0 - rules.band), raised=kept)
    if _SEVERITY[down] >= severity or (seen.score is None and _has_weight(stress)):
        return _state(memory, present, None, ratio, now_s)
    since_s = now_s if memory.lower_regime_since_s is None else memory.lower_regime_since_s
    if now_s - since_s < rules.dwell_s:
        return _state(memory, present, since_s, ratio, now_s)
    calmer = _REGIMES[severity - 1]
    return _state(memory, calmer, now_s if _SEVERITY[down] < _SEVERITY[calmer] else None, ratio, now_s)


def _has_weight(stress: StressPolicy) -> bool:
    return any(one.weight > 0 for one in stress.weights)


def _notched(severity: int, *, raised: bool) -> Regime:
    return _REGIMES[min(severity + raised, len(_REGIMES) - 1)]


def _edges_below(ratio: float, rules: RegimePolicy, factor: float) -> int:
    return sum([ratio >= edge * factor for edge in (rules.normal_from, rules.stressed_from, rules.crisis_from)])


def _state(memory: Memory, regime: Regime, lower_since_s: int | None, ratio: float | None, now_s: int) -> RegimeState:
    kept = memory.regime is regime and memory.regime_since_s is not None
    since_s = memory.regime_since_s if kept and memory.regime_since_s is not None else now_s
    return RegimeState(regime=regime, since_s=since_s, lower_since_s=lower_since_s, ratio=ratio)
