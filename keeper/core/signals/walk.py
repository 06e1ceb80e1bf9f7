"""The keeper's own instruments and models walked over the past, one day after the other, none knowing what came after it.

What the live state makes anew at every turn is here kept and carried on, so that years pass in a minute. Models are fitted
on the schedule and the windows of :mod:`keeper.core.signals.forecast`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from keeper.core.model.bar import DAY_S, HOUR_S, PriceBar, Quote, Sample
from keeper.core.model.policy import Policy
from keeper.core.quant import garch, har
from keeper.core.signals import names
from keeper.core.signals.breadth import Breadth
from keeper.core.signals.candle import Candle, Lens
from keeper.core.signals.flow import Flow
from keeper.core.signals.forecast import Forecasts
from keeper.core.signals.hours import HourSums
from keeper.core.signals.implied import Implied
from keeper.core.signals.instrument import Instrument, Moment, ways_of
from keeper.core.signals.lending import Lending
from keeper.core.signals.marks import Marks
from keeper.core.signals.momentum import Momentum
from keeper.core.signals.order import Kind, Piece
from keeper.core.signals.realised import Ewma, Realised
from keeper.core.signals.sheet import Measured
from keeper.core.signals.stress import Stress

BENCHMARK = "ewma_14d"
MODELS = (
    BENCHMARK,
    "ewma_configured",
    "ewma_3d",
    "ewma_1d",
    "har",
    "har_all_days",
    "garch_t",
    "median_configured",
    "median_14d",
)
"""``har`` is fitted to the last 180 days as the keeper does, ``har_all_days`` to all that have passed; ``median_configured`` is
what the keeper acts on, ``median_14d`` the same with the benchmark in place of the configured average. A median is of what
there is: GARCH is often refused, because its variance would never come back."""
_HOURS_A_DAY = 24
_FITTED_DAYS = 180
_REFIT_DAYS = 7
_LEAST_GARCH_HOURS = 30 * _HOURS_A_DAY
_MISSING_S = 2 * HOUR_S
"""A day may lack so much of its measured time and still count: one hour, and the first interval."""
_NEVER_S = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What was known at the end of one day of UTC."""

    start_s: int
    variance: float | None
    """Realised in that day; None when too much of it is not known."""
    expected: Mapping[int, Mapping[str, float]]
    """Days ahead -> model -> variance that it expects of all of them together; a model that cannot say is left out."""
    stress: Mapping[str, float]
    """Signal -> its z-score against its own trailing past, more is more stress; what is not available is left out."""


def walk(pieces: Iterable[tuple[Kind, Piece]], policy: Policy, horizons_days: tuple[int, ...]) -> Iterator[Day]:
    """Every day whose last hour is known, oldest first.

    Args:
        pieces: as :func:`keeper.core.signals.order.in_order` gives them, of any length.
        policy: the rules.
        horizons_days: how far ahead to forecast, each at least 1.
    """
    walker = _Walker(policy, horizons_days)
    for kind, piece in pieces:
        day = walker.take(kind, piece)
        if day is not None:
            yield day


class _Walker:
    def __init__(self, policy: Policy, horizons_days: tuple[int, ...]) -> None:
        self._lens = Lens(policy)
        self._realised = Realised(policy)
        # GARCH is fitted once, by the models
        forecasts = Forecasts(policy, self._realised, fit_from_s=_NEVER_S)
        self._instruments: tuple[Instrument, ...] = (
            self._realised,
            forecasts,
            Implied(policy),
            Momentum(policy),
            Flow(policy),
            Breadth(policy),
            Lending(policy),
            Marks(policy),
        )
        self._stress = Stress(policy)
        self._models = _Models(policy.signals.ewma_half_life_s)
        self._horizons = horizons_days

    def take(self, kind: Kind, piece: Piece) -> Day | None:
        match piece:
            case PriceBar():
                if kind is Kind.HOUR:
                    return self._hour(self._lens.candle(piece))
                minute = self._lens.minute(piece)
                for instrument in self._instruments:
                    instrument.minute(minute)
            case Sample():
                for instrument in self._instruments:
                    instrument.sample(piece)
            case Quote():
                for instrument in self._instruments:
                    instrument.quote(piece)
        return None

    def _hour(self, candle: Candle) -> Day | None:
        for instrument in self._instruments:
            instrument.hour(candle)
        measures = Measured(Moment(candle.end_s), ways_of(self._instruments))
        r = self._realised.bounded(candle.close - candle.open, HOUR_S)
        self._models.hour(candle, self._realised.hours[-1], r)
        ends_day = candle.end_s % DAY_S == 0
        stress = self._stress.scores(measures) if ends_day else {}
        self._stress.push(measures)
        if not ends_day:
            return None
        variance = self._variance(candle.end_s - DAY_S)
        self._models.day(candle.end_s, variance)
        stress.pop(names.CALENDAR, None)  # what is scheduled is told for the whole horizon, by the caller
        return Day(
            start_s=candle.end_s - DAY_S,
            variance=variance,
            expected={days: self._models.expected(days) for days in self._horizons},
            stress=stress,
        )

    def _variance(self, since_s: int) -> float | None:
        hours = [hour for hour in list(self._realised.hours)[-_HOURS_A_DAY:] if hour.start_s >= since_s]
        sampled_s = sum(hour.sampled_s for hour in hours)
        if sampled_s < DAY_S - _MISSING_S:
            return None
        return math.fsum(hour.variance for hour in hours) * DAY_S / sampled_s


class _Models:
    """Every model, fitted on what has passed."""

    def __init__(self, configured_half_life_s: int) -> None:
        self._averages = {
            BENCHMARK: Ewma(half_life_s=14 * DAY_S),
            "ewma_configured": Ewma(half_life_s=configured_half_life_s),
            "ewma_3d": Ewma(half_life_s=3 * DAY_S),
            "ewma_1d": Ewma(half_life_s=DAY_S),
        }
        self._days: list[float] = []
        self._last_end_s: int | None = None
        self._returns: deque[float] = deque(maxlen=_FITTED_DAYS * _HOURS_A_DAY)
        self._end_s: int | None = None
        self._har: har.HarModel | None = None
        self._har_all: har.HarModel | None = None
        self._garch: garch.GarchModel | None = None
        self._garch_variance = 0.0

    def hour(self, candle: Candle, closed: HourSums, r: float) -> None:
        if closed.sampled_s:
            for average in self._averages.values():
                average.update(closed.variance / closed.sampled_s, closed.sampled_s)
        if self._end_s == candle.start_s:
            self._returns.append(r)
            if self._garch is not None:
                self._garch_variance = garch.next_variance(self._garch, self._garch_variance, r)
        self._end_s = candle.end_s

    def day(self, end_s: int, variance: float | None) -> None:
        if variance is None or (self._last_end_s is not None and self._last_end_s != end_s - DAY_S):
            self._days.clear()  # what comes next no longer follows on it
        self._last_end_s = end_s
        if variance is not None:
            self._days.append(variance)
        self._har = har.fit_har(self._days[-_FITTED_DAYS:])
        self._har_all = har.fit_har(self._days)
        if end_s // DAY_S % _REFIT_DAYS == 0 and len(self._returns) >= _LEAST_GARCH_HOURS:
            returns = list(self._returns)
            self._garch = garch.fit_garch(returns)
            if self._garch is not None:
                self._garch_variance = garch.filtered(returns, self._garch)[-1]

    def expected(self, days: int) -> dict[str, float]:
        found = {name: average.rate * days * DAY_S for name, average in self._averages.items() if average.rate is not None}
        for name, model in (("har", self._har), ("har_all_days", self._har_all)):
            if model is not None:
                found[name] = _har_ahead(model, self._days, days)
        if self._garch is not None:
            found["garch_t"] = garch.horizon_sum(self._garch, self._garch_variance, days * _HOURS_A_DAY)
        for name, average_name in (("median_configured", "ewma_configured"), ("median_14d", BENCHMARK)):
            if average_name in found and "har" in found:
                found[name] = median(found[part] for part in (average_name, "har", "garch_t") if part in found)
        return found


def _har_ahead(model: har.HarModel, days: list[float], ahead: int) -> float:
    """Sum over the coming days, each forecast taken for what came before the next: the model is linear, so this is its mean."""
    past = days[-har.MONTH_DAYS :]
    for _ in range(ahead):
        past.append(har.forecast(model, past))
    return math.fsum(past[har.MONTH_DAYS :])
