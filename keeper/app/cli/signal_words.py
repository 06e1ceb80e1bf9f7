"""Readings in plain words: which family they are of, their numbers with units, and what each does now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality, SignalReading
from keeper.core.signals import names
from keeper.core.signals.risk import RISKS, counted_weight
from keeper.core.strategy.caution import Caution

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "volatility": (
        names.VOLATILITY_FORECAST,
        names.VOLATILITY_USUAL,
        names.VOLATILITY_EWMA,
        names.VOLATILITY_HAR,
        names.VOLATILITY_GARCH,
        names.FORECAST_ERROR_EWMA,
        names.FORECAST_ERROR_HAR,
        names.FORECAST_ERROR_GARCH,
        names.VOLATILITY_1D,
        names.VOLATILITY_7D,
        names.VOLATILITY_30D,
        names.VOLATILITY_TSRV,
        names.VOLATILITY_PARKINSON,
        names.VOLATILITY_GK,
        names.VOLATILITY_RS,
        names.VOLATILITY_YZ,
        names.JUMP_SHARE,
    ),
    "implied volatility": (
        names.VOLATILITY_POOL_IMPLIED,
        names.VOLATILITY_POOL_IMPLIED_7D,
        names.VOLATILITY_POOL_IMPLIED_30D,
        names.IMPLIED_OVER_REALISED,
        names.VOLATILITY_OUTSIDE,
    ),
    "momentum": (names.RSI, names.MACD),
    "flow": (
        names.ACCUMULATION,
        names.TAKER_FLOW,
        names.ARBITRAGE_SHARE,
        names.JIT_SHARE,
        names.VOLUME_TO_TVL,
        names.PRICE_TO_CASH_FLOW,
        names.FEE_YIELD,
    ),
    "market around": (names.BREADTH, names.BREADTH_DIVERGENCE, names.EFFECTIVE_RATE_BASE, names.EFFECTIVE_RATE_QUOTE),
    "lending": (names.QUICK_RATIO, names.QUICK_RATIO_CHANGE, names.KINK_DISTANCE, names.LIQUIDATIONS),
    "calendar": (names.CALENDAR, names.CALENDAR_NEXT),
    "price and ranges": (names.PRICE, names.SPOT, names.TWAP_DEVIATION_TICKS, names.MARK_DEVIATION),
    "score": (names.STRESS_SCORE, names.STRESS_AVAILABLE),
}
"""In the order in which they are shown."""
_RANGES, _LENDING, OTHERS = "price and ranges", "lending", "others"
_PERCENT: Mapping[str, str] = {
    "per year": "% a year",
    "fraction of variance": "% of variance",
    "fraction of volume": "% of volume",
    "fraction of weight": "% of weight",
    "fraction of time": "% of time",
    "per day": "% a day",
}
"""Unit of a fraction -> its words as a percentage."""
_WORDS: Mapping[str, str] = {"0 to 100": "of 100", "-1 to 1": "(-1 to 1)", "-0.905 to 0.905": "(-0.905 to 0.905)"}
"""Unit that is a range -> how it stands beside a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How the numbers of a unit are shown."""

    factor: float
    unit: str
    places: int


def family(name: str) -> str:
    """The family of a reading."""
    for title, members in FAMILIES.items():
        if name in members:
            return title
    if name.startswith("in_range_share"):
        return _RANGES
    return _LENDING if name.startswith(names.QUICK_RATIO) else OTHERS


def rank(name: str) -> tuple[int, int]:
    """Where a reading stands in the table."""
    title = family(name)
    titles = [*FAMILIES, OTHERS]
    members = FAMILIES.get(title, ())
    return titles.index(title), members.index(name) if name in members else len(members)


def scale(unit: str, typical: float) -> Scale:
    """Factor, words and digits after the point for values of about that size."""
    if unit in _PERCENT:
        return Scale(factor=100.0, unit=_PERCENT[unit], places=1 if abs(typical) >= 0.1 else 2)
    size = abs(typical)
    places = 0 if size >= 10_000 else 2 if size >= 10 else 3 if size >= 0.01 or size == 0 else 6
    return Scale(factor=1.0, unit=_WORDS.get(unit, unit), places=places)


def value(reading: SignalReading) -> str:
    """A value with its unit; a dash for none."""
    if reading.value is None:
        return "-"
    shown = scale(reading.unit, reading.value)
    return f"{reading.value * shown.factor:,.{shown.places}f} {shown.unit}".rstrip()


def does(reading: SignalReading, policy: Policy, careful: Caution) -> str:
    """What the reading does in this cycle."""
    if reading.value is None:
        lacking = f"not available: {reading.note.removeprefix('not available: ')}".removesuffix(": ")
        return "; ".join(part for part in (lacking, _without(reading, policy)) if part)
    told = _role(reading, policy, careful)
    poor = f"{reading.quality.value}: {reading.note}" if reading.note and reading.quality is not Quality.GOOD else reading.note
    return f"{told} ({poor})" if poor else told


def _without(reading: SignalReading, policy: Policy) -> str:
    match reading.name:
        case names.VOLATILITY_FORECAST:
            return "nothing moves"
        case names.STRESS_SCORE if any(one.weight > 0 for one in policy.stress.weights):
            return "nothing becomes calmer"
        case names.PRICE | names.TWAP_DEVIATION_TICKS:
            return "gate: no layer is placed"
    return ""


def _role(reading: SignalReading, policy: Policy, careful: Caution) -> str:
    weighed = _weighed(reading, policy)
    match reading.name:
        case names.VOLATILITY_FORECAST if reading.quality is not Quality.GOOD:
            told = "gate: nothing moves on a poor forecast"
        case names.VOLATILITY_FORECAST:
            told = "decides the widths and the regime"
        case names.STRESS_SCORE:
            told = _score_does(reading, policy, careful)
        case names.CALENDAR if careful.event > 1:
            told = _widens(math.sqrt(careful.event), careful)
        case names.CALENDAR:
            told = "no event acts"
        case names.TWAP_DEVIATION_TICKS:
            refuses = abs(reading.value or 0.0) > policy.gates.twap_limit_ticks
            told = f"gate: {'refuses' if refuses else 'open'}, limit {policy.gates.twap_limit_ticks} ticks"
        case _:
            told = _ROLES.get(reading.name, "" if reading.name in RISKS else "shown only")
    if told and weighed:
        return f"{told}; {weighed}"
    return told or weighed


def _weighed(reading: SignalReading, policy: Policy) -> str:
    if reading.name not in RISKS and reading.name != names.CALENDAR:
        return ""
    if not counted_weight(reading.name, policy.stress.weight(reading.name)):
        return "" if reading.name in _ACTING else "shown only: weight 0"
    if reading.z is not None:
        return "has its say in the score"
    return "not in the score: too little past" if reading.quality is Quality.GOOD else "not in the score"


def _score_does(reading: SignalReading, policy: Policy, careful: Caution) -> str:
    parts = []
    above = max(careful.score or 0.0, 0.0)
    if above and policy.stress.width_gain:
        parts.append(_widens(1 + policy.stress.width_gain * above, careful))
    if careful.insurance > 0:
        parts.append(f"moves {careful.insurance:.1%} of value outward")
    if reading.value is not None and reading.value >= policy.stress.raise_from:
        parts.append("raises the regime by a notch, up to crisis")
    if reading.value is not None and reading.value >= policy.stress.protect_from:
        parts.append("asks for protection")
    return ", ".join(parts) or "asks for nothing"


def _widens(factor: float, careful: Caution) -> str:
    if factor < careful.width:
        return f"asks for layers {factor:.2f} times as wide, others for more"
    return f"widens layers {factor:.2f} times"


_ACTING = frozenset({names.VOLATILITY_FORECAST, names.CALENDAR})
_FORECASTS = "one of three forecasts, whose median decides"
_ROLES: Mapping[str, str] = {
    names.VOLATILITY_USUAL: "what the forecast is held against",
    names.VOLATILITY_EWMA: _FORECASTS,
    names.VOLATILITY_HAR: _FORECASTS,
    names.VOLATILITY_GARCH: _FORECASTS,
    names.VOLATILITY_POOL_IMPLIED: "the fee income to expect, when below the forecast",
    names.STRESS_AVAILABLE: "how much of the score's weight is measured",
    names.PRICE: "values the ladder",
}
