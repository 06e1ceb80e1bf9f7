"""Every signal held against its own past, and the score that they make together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant.fusion import named_score
from keeper.core.quant.robust import RollingMedian, z_of
from keeper.core.signals import names
from keeper.core.signals.instrument import Measure, Measures, Moment, Way, missing
from keeper.core.signals.risk import RISKS, counted_weight, scheduled_z

WINDOW = 720
"""Hours of the past that a value is held against: 30 days."""
_DIGITS = 12
"""Kept after the point: a value that stands still must not seem to vary by what its sums were rounded by."""
SCORED = (*RISKS, names.CALENDAR)
"""Every signal that may have a z-score."""
_USABLE = (Quality.GOOD, Quality.SHORT)
_SCORE, _AVAILABLE = "-0.905 to 0.905", "fraction of weight"


class Stress:
    """Trailing windows of every scored signal, one value an hour.

    Args:
        policy: the weights.
    """

    def __init__(self, policy: Policy) -> None:
        self._rules = policy.stress
        weights = {one.name: counted_weight(one.name, one.weight) for one in policy.stress.weights}
        self._weights = {name: weight for name, weight in weights.items() if weight > 0}
        self._windows = {name: RollingMedian(WINDOW) for name in RISKS}
        self._kept: dict[str, tuple[Measure, float | None]] = {}

    def push(self, measures: Measures) -> None:
        """Remember the values at the end of an hour."""
        self._kept.clear()
        for name, window in self._windows.items():
            value = _scaled(name, measures[name]) if name in measures else None
            if value is not None:
                window.push(value)

    def z(self, name: str, measure: Measure) -> float | None:
        """Stress of one signal, in deviations from its own past; None without a usable value or enough past."""
        if measure.value is None:
            return None
        if name in self._windows:
            # that of the very same measure stands until the next hour is remembered
            known = self._kept.get(name)
            if known is None or known[0] is not measure:
                known = self._kept[name] = measure, self._z(name, measure)
            return known[1]
        if name == names.CALENDAR and measure.quality is Quality.GOOD:
            return scheduled_z(measure.value)
        return None

    def scores(self, measures: Measures, of: Iterable[str] = SCORED) -> dict[str, float]:
        """:meth:`z` of each signal that is measured and has one."""
        return {name: z for name in of if name in measures and (z := self.z(name, measures[name])) is not None}

    def ways(self) -> Mapping[str, Way]:
        """The score and how much of the weight is available: both together."""
        return dict.fromkeys((names.STRESS_SCORE, names.STRESS_AVAILABLE), self._now)

    def _now(self, moment: Moment, before: Measures, /) -> Measures:
        return self.measures(moment.now_s, self.scores(before, self._weights))

    def measures(self, now_s: int, scores: dict[str, float]) -> Measures:
        """The score, missing where too little of the weight is available, and how much of it is."""
        score = named_score(self._weights, scores)
        available = Measure(value=score.available, unit=_AVAILABLE, as_of_s=now_s, source="score")
        if score.value is None or score.available < self._rules.least_available:
            lacking = ", ".join(name for name in self._weights if name not in scores)
            why = f"not available: {lacking}" if lacking else "no signal has weight"
            return {names.STRESS_SCORE: missing(_SCORE, now_s, "score", why), names.STRESS_AVAILABLE: available}
        measure = Measure(value=score.value, unit=_SCORE, as_of_s=now_s, source="score")
        return {names.STRESS_SCORE: measure, names.STRESS_AVAILABLE: available}

    def _z(self, name: str, measure: Measure) -> float | None:
        value = _scaled(name, measure)
        z = None if value is None else z_of(self._windows[name], value)
        return None if z is None else RISKS[name].turned(z)


def _scaled(name: str, measure: Measure) -> float | None:
    if measure.value is None or measure.quality not in _USABLE:
        return None
    scaled = RISKS[name].scaled(measure.value)
    return None if scaled is None else round(scaled, _DIGITS)
