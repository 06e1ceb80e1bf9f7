"""Every reading, what it adds to the score and what it does: for ``keeper signals`` and ``keeper explain``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import signal_words, words
from keeper.app.cli.output import table
from keeper.core.model.policy import Policy
from keeper.core.model.view import Memory, Quality, SignalReading, find_reading
from keeper.core.quant.fusion import squashed
from keeper.core.signals import names
from keeper.core.signals.risk import counted_weight
from keeper.core.strategy.caution import Caution, caution, cautious_weights
from keeper.core.strategy.regime import RegimeState, Weather, next_regime, weather

COLUMNS = ("signal", "value", "z", "weight", "adds", "age", "quality", "what it does now")
_RIGHT = ("value", "z", "weight", "adds", "age")


_NEEDED = frozenset(
    {names.VOLATILITY_FORECAST, names.VOLATILITY_USUAL, names.CALENDAR, names.STRESS_SCORE, names.STRESS_AVAILABLE}
)
_NONE = Caution(score=None, event=1.0, width=1.0, insurance=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The readings of one moment, and what is judged by them."""

    readings: Sequence[SignalReading]
    policy: Policy
    memory: Memory
    """What the keeper carried into the moment."""
    now_s: int

    @property
    def judged(self) -> bool:
        """Whether there is a score: cycles of keepers of before there was one can be shown all the same."""
        return {one.name for one in self.readings} >= _NEEDED

    @property
    def careful(self) -> Caution:
        """What score and calendar ask for."""
        return caution(self.readings, self.policy) if self.judged else _NONE

    @property
    def weather(self) -> Weather:
        """What the regime is decided from."""
        return weather(self.readings, self.policy)

    @property
    def regime(self) -> RegimeState:
        """The regime that it leads to."""
        return next_regime(self.memory, self.weather, self.policy.regimes, self.policy.stress, self.now_s)


def contributions(readings: Sequence[SignalReading], policy: Policy) -> dict[str, float]:
    """What each signal adds to the score; together they are the score. Empty without one."""
    if all(one.value is None for one in readings if one.name == names.STRESS_SCORE):
        return {}
    weights = {one.name: counted_weight(one.name, one.weight) for one in policy.stress.weights}
    heard = {one.name: one.z for one in readings if one.z is not None and weights.get(one.name)}
    total = sum(weights[name] for name in heard)
    return {name: weights[name] * squashed(z) / total for name, z in heard.items()}


def document(seen: Seen) -> dict[str, Any]:
    """What a program reads; ``score``, ``regime`` and ``caution`` are null for a cycle of before there was a score."""
    policy, careful = seen.policy, seen.careful
    adds = contributions(seen.readings, policy)
    signals = [
        {
            "family": signal_words.family(one.name),
            "name": one.name,
            "value": one.value,
            "unit": one.unit,
            "z": one.z,
            "weight": policy.stress.weight(one.name),
            "counted_weight": counted_weight(one.name, policy.stress.weight(one.name)),
            "contribution": adds.get(one.name),
            "as_of_s": one.as_of_s,
            "age_s": seen.now_s - one.as_of_s,
            "quality": one.quality.value,
            "note": one.note,
            "source": one.source,
            "does": signal_words.does(one, policy, careful),
        }
        for one in _ordered(seen.readings)
    ]
    judged = _judged(seen) if seen.judged else {"score": None, "regime": None, "caution": None}
    return {"timestamp_s": seen.now_s, "signals": signals, **judged}


def _judged(seen: Seen) -> dict[str, Any]:
    policy, careful, state = seen.policy, seen.careful, seen.regime
    weights = cautious_weights(policy.ladder, policy.ladder.weights_in(state.regime), careful.insurance)
    return {
        "score": {
            "value": careful.score,
            "available": find_reading(seen.readings, names.STRESS_AVAILABLE).value,
            "least_available": policy.stress.least_available,
            "raise_from": policy.stress.raise_from,
            "protect_from": policy.stress.protect_from,
        },
        "regime": {
            "regime": state.regime.value,
            "since_s": state.since_s,
            "lower_since_s": state.lower_since_s,
            "ratio": state.ratio,
            "usual_volatility": seen.weather.usual,
            "raised": raised(seen),
            "reason": regime_reason(seen),
        },
        "caution": {
            "width": careful.width,
            "event": careful.event,
            "insurance": careful.insurance,
            "weights": {name: getattr(weights, name) for name in ("core", "secondary", "insurance", "idle")},
            "does": caution_words(seen),
        },
    }


def render(seen: Seen) -> Iterator[RenderableType]:
    """What a person reads."""
    yield readings_table(seen)
    yield from (Text(line) for line in summary(seen))


def readings_table(seen: Seen) -> RenderableType:
    """The readings alone, family by family."""
    adds, careful = contributions(seen.readings, seen.policy), seen.careful
    rows: list[tuple[str, ...]] = []
    for title, members in groupby(_ordered(seen.readings), key=lambda one: signal_words.family(one.name)):
        rows.append((f"{title}:", *[""] * (len(COLUMNS) - 1)))
        rows += [
            (
                f"  {one.name.replace('_', ' ')}",
                signal_words.value(one),
                "" if one.z is None else f"{one.z:+.2f}",
                _weight(one, seen.policy),
                "" if one.name not in adds else f"{adds[one.name]:+.3f}",
                "" if one.quality is Quality.MISSING else words.duration(seen.now_s - one.as_of_s),
                one.quality.value,
                signal_words.does(one, seen.policy, careful),
            )
            for one in members
        ]
    return table("Readings", COLUMNS, rows, right=_RIGHT)


def summary(seen: Seen) -> Iterator[str]:
    """Score, regime and caution, a line each."""
    if not seen.judged:
        yield "this cycle is of a keeper that had no score"
        return
    score = find_reading(seen.readings, names.STRESS_SCORE)
    available = find_reading(seen.readings, names.STRESS_AVAILABLE).value or 0.0
    told = f"none ({score.note})" if score.value is None else f"{score.value:+.3f} of at most ±0.905"
    yield f"score {told}; {available:.0%} of the weight is measured, {seen.policy.stress.least_available:.0%} wanted"
    yield f"regime {seen.regime.regime.value}: {regime_reason(seen)}"
    yield caution_words(seen)


def raised(seen: Seen) -> bool:
    """Whether the score makes the regime a notch rougher than volatility alone would, or keeps it there."""
    state, score, rules = seen.regime, seen.weather.score, seen.policy.stress
    if state.ratio is None or score is None:
        return False
    kept = state.regime is seen.memory.regime
    least = rules.raise_from * (1 - seen.policy.regimes.band if kept else 1)
    return score >= least and state.regime.severity == _edges_below(state.ratio, seen.policy) + 1


def regime_reason(seen: Seen) -> str:
    """Why the regime is what it is."""
    state, sky, rules = seen.regime, seen.weather, seen.policy.regimes
    if state.ratio is None:
        return f"the forecast is {sky.forecast.quality.value}, so no calmer than stressed"
    forecast = 0.0 if sky.forecast.value is None else sky.forecast.value
    told = f"forecast {words.percent(forecast)} is {state.ratio:.2f} times the usual {words.percent(sky.usual)}"
    edges = f"edges {rules.normal_from:g}, {rules.stressed_from:g}, {rules.crisis_from:g}"
    parts = [f"{told} ({edges})"]
    if raised(seen):
        parts.append("the score raises it by a notch")
    if state.lower_since_s is not None:
        waited = words.duration(seen.now_s - state.lower_since_s)
        parts.append(f"calmer for {waited} of the {words.duration(rules.dwell_s)} that it takes")
    elif _edges_below(state.ratio, seen.policy) < state.regime.severity and not raised(seen):
        parts.append("kept: within the band around the edge, or the score is not known")
    return "; ".join(parts)


def _edges_below(ratio: float, policy: Policy) -> int:
    rules = policy.regimes
    return sum(ratio >= edge for edge in (rules.normal_from, rules.stressed_from, rules.crisis_from))


def caution_words(seen: Seen) -> str:
    """What score and calendar do to widths, weights and regime."""
    careful, policy = seen.careful, seen.policy
    parts = []
    if careful.width > 1:
        of_score = 1 + policy.stress.width_gain * max(careful.score or 0.0, 0.0)
        asked = f"calendar asks for {math.sqrt(careful.event):.3f}, score for {of_score:.3f}"
        parts.append(f"widths times {careful.width:.3f} ({asked})")
    if careful.insurance > 0:
        before = policy.ladder.weights_in(seen.regime.regime)
        after = cautious_weights(policy.ladder, before, careful.insurance)
        parts.append(
            f"core {before.core:.1%} to {after.core:.1%}, secondary {before.secondary:.1%} to {after.secondary:.1%},"
            f" insurance {before.insurance:.1%} to {after.insurance:.1%}"
        )
    if raised(seen):
        parts.append(f"regime raised to {seen.regime.regime.value}")
    return f"score and calendar: {'; '.join(parts) if parts else 'change nothing'}"


def _ordered(readings: Sequence[SignalReading]) -> list[SignalReading]:
    return sorted(readings, key=lambda one: signal_words.rank(one.name))


def _weight(reading: SignalReading, policy: Policy) -> str:
    written = policy.stress.weight(reading.name)
    counted = counted_weight(reading.name, written)
    known = {one.name for one in policy.stress.weights}
    if reading.name not in known:
        return ""
    return f"{counted:g}" if counted == written else f"{counted:g} of {written:g}"
