"""What the stress score and the calendar do to the ladder: wider, and more of it far out. Never a direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import CalendarPolicy, LadderPolicy, Policy, RegimeWeights
from keeper.core.model.view import SignalReading, find_reading
from keeper.core.signals import names
from keeper.core.signals.calendar import multiplier_at


class Caution(NamedTuple):
    """How much more careful than the forecast alone asks for."""

    score: float | None
    """Stress score; None when too little of its weight is available."""
    event: float
    """Variance over the horizon times this is expected because of a scheduled event; 1 without one."""
    width: float
    """Widths are those of the forecast times this, at least 1."""
    insurance: float
    """Part of the ladder's value that moves into insurance, in [0, 1]."""


def caution(readings: Sequence[SignalReading], policy: Policy) -> Caution:
    """What the readings of this cycle ask for. A missing score asks for nothing.

    Width follows the larger of what event and score ask for: the event has its say in the score too.

    A calendar that has run out counts with the events that it still knows: were they dropped, a layer would be taken back in
    the middle of the window for which it was widened.
    """
    score = find_reading(readings, names.STRESS_SCORE).value
    scheduled = find_reading(readings, names.CALENDAR).value
    event = 1.0 if scheduled is None else scheduled
    above = max(score or 0.0, 0.0)
    return Caution(
        score=score,
        event=event,
        width=max(math.sqrt(event), 1 + policy.stress.width_gain * above),
        insurance=min(policy.stress.insurance_gain * above, 1.0),
    )


def cautious_weights(ladder: LadderPolicy, weights: RegimeWeights, part: float) -> RegimeWeights:
    """``weights`` with a part of the ladder's value moved outward: from core and secondary, in proportion, to insurance.

    Where no insurance is wanted it stays idle, and at most half of what the two layers hold is moved: the score has no
    hysteresis, and a layer that it filled or emptied alone would be opened and closed as it wobbles.
    """
    inner = weights.core + weights.secondary
    if inner <= 0 or part <= 0:
        return weights
    moved = min(part, inner / 2)
    kept = 1 - moved / inner
    insured = weights.insurance > 0 and ladder.layer(LayerKind.INSURANCE) is not None
    return replace(
        weights,
        core=weights.core * kept,
        secondary=weights.secondary * kept,
        insurance=weights.insurance + (moved if insured else 0.0),
        idle=weights.idle + (0.0 if insured else moved),
    )


def event_at(rules: CalendarPolicy, at_s: int, horizon_s: int) -> float:
    """The multiplier of variance that the calendar called for at a moment; 1 without an event."""
    return multiplier_at(rules.calendar, at_s, horizon_s=horizon_s, lead_s=rules.lead_s)
