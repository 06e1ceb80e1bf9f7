"""Volatility of the coming day: three models, each with its own error so far, and the median of them.

The exponentially weighted average needs no fit and is the one to beat. The heterogeneous autoregression is fitted anew at every
midnight, GARCH once a week, also after a fit that was refused, both on the bars in hand and on nothing later.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from functools import partial
from itertools import islice
from statistics import fmean, median

from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant import garch, har
from keeper.core.quant.scores import qlike
from keeper.core.quant.volatility import annualised
from keeper.core.signals import names
from keeper.core.signals.candle import Candle
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing
from keeper.core.signals.realised import UNIT, Realised

MODELS = ("ewma", "har", "garch")
SCORED_DAYS = 56
"""Over which a model's error so far is told."""
USUAL_DAYS = 180
LEAST_USUAL_DAYS = 30
"""Fewer days than this say little of what is usual."""
HOURS_A_DAY = 24
_LEAST_SAMPLED_S = 22 * HOUR_S
"""Of a day, for it to count."""
_GARCH_HOURS = 180 * HOURS_A_DAY
_LEAST_GARCH_HOURS = 30 * HOURS_A_DAY
_REFIT_DAYS = 7
_DUST = 1e-12
"""Variance of a day below which it counts as this much: about 0.002 % a year, so that a dead market has no infinite error."""


class Forecasts(Instrument):
    """Expected variance of the next 24 hours.

    Args:
        policy: the rules.
        realised: the volatility so far; it must be given every piece before this one is.
        fit_from_s: chain time before which nothing is fitted by GARCH, to spare a start the fits that no error is told of.
    """

    def __init__(self, policy: Policy, realised: Realised, *, fit_from_s: int) -> None:
        self._source = policy.signal_pool
        self._realised = realised
        self._fit_from_s = fit_from_s
        self._days: deque[float] = deque(maxlen=USUAL_DAYS)
        self._forecast_days: deque[float] = deque(maxlen=USUAL_DAYS)
        self._returns: deque[float] = deque(maxlen=_GARCH_HOURS)
        self._har: har.HarModel | None = None
        self._garch: garch.GarchModel | None = None
        self._garch_variance = 0.0
        self._was_fitted = False
        self._end_s: int | None = None
        self._midnight_s: int | None = None
        self._expected: dict[str, float] = {}
        self._errors: dict[str, deque[float]] = {name: deque(maxlen=SCORED_DAYS) for name in MODELS}
        self._of_hour: dict[str, float] | None = None
        self._usual_volatility: float | None = None
        self._mean_errors: dict[str, float] = {}

    def hour(self, candle: Candle) -> None:
        """Feed the filter; at midnight score yesterday's forecasts and fit again."""
        if self._end_s is not None and candle.start_s == self._end_s:
            r = self._realised.bounded(candle.close - candle.open, HOUR_S)
            self._returns.append(r)
            if self._garch is not None:
                self._garch_variance = garch.next_variance(self._garch, self._garch_variance, r)
        self._end_s = candle.end_s
        self._of_hour = None
        if candle.end_s % DAY_S == 0:
            self._midnight(candle.end_s)

    def variances(self) -> dict[str, float]:
        """Variance that each model expects of the next 24 hours; a model that cannot say is left out."""
        ewma = self._realised.variance_day()
        if ewma is None:
            return {}
        if self._of_hour is None:
            self._of_hour = self._fitted()
        return {"ewma": ewma, **self._of_hour}

    def ways(self) -> Mapping[str, Way]:
        """The models, their median, what is usual, and the errors: each by itself."""
        return {
            **{_NAMES[name]: partial(self._model, name) for name in MODELS if name != "ewma"},
            names.VOLATILITY_FORECAST: self._center,
            names.VOLATILITY_USUAL: self._usual,
            **{_ERRORS[name]: partial(self._error, name) for name in MODELS},
        }

    def _fitted(self) -> dict[str, float]:
        found = {}
        if self._har is not None and (days := self._realised.last_days()) is not None:
            found["har"] = har.forecast(self._har, days)
        if self._garch is not None:
            found["garch"] = garch.horizon_sum(self._garch, self._garch_variance, HOURS_A_DAY)
        return found

    def _midnight(self, now_s: int) -> None:
        day = [hour for hour in islice(reversed(self._realised.hours), HOURS_A_DAY) if hour.start_s >= now_s - DAY_S]
        sampled_s = sum(hour.sampled_s for hour in day)
        follows, self._midnight_s = self._midnight_s == now_s - DAY_S, now_s
        if not follows or sampled_s < _LEAST_SAMPLED_S:
            self._days.clear()  # what comes next no longer follows on it
            self._expected = {}
        if sampled_s < _LEAST_SAMPLED_S:
            return
        variance = math.fsum(hour.variance for hour in day) * DAY_S / sampled_s
        self._days.append(variance)
        for name, expected in self._expected.items():
            if expected > 0:
                self._errors[name].append(qlike(max(variance, _DUST), max(expected, _DUST)))
        self._fit(now_s)
        self._of_hour = None
        self._expected = self.variances()
        if self._expected:
            self._forecast_days.append(median(self._expected.values()))
        if len(self._forecast_days) >= LEAST_USUAL_DAYS:
            self._usual_volatility = annualised(median(self._forecast_days), DAY_S)
        self._mean_errors = {name: fmean(errors) for name, errors in self._errors.items() if errors}

    def _fit(self, now_s: int) -> None:
        self._har = har.fit_har(self._days)
        due = not self._was_fitted or now_s // DAY_S % _REFIT_DAYS == 0
        if due and now_s >= self._fit_from_s and len(self._returns) >= _LEAST_GARCH_HOURS:
            returns, self._was_fitted = list(self._returns), True
            # a fit that is refused ends the model before it too: an old one errs by more than none
            self._garch = garch.fit_garch(returns)
            if self._garch is not None:
                self._garch_variance = garch.filtered(returns, self._garch)[-1]

    def _model(self, model: str, moment: Moment, _before: Measures, /) -> Measures:
        name = _NAMES[model]
        return {name: self._volatility(moment, self.variances().get(model))}

    def _center(self, moment: Moment, _before: Measures, /) -> Measures:
        variances = self.variances()
        center = median(variances.values()) if variances else None
        return {names.VOLATILITY_FORECAST: self._volatility(moment, center)}

    def _volatility(self, moment: Moment, variance: float | None) -> Measure:
        quality, note = self._realised.grade(moment.now_s)
        as_of_s = self._as_of_s(moment)
        if variance is None:
            return missing(UNIT, as_of_s, self._source, note or "not enough days to fit")
        return Measure(annualised(variance, DAY_S), UNIT, as_of_s, self._source, quality, note)

    def _usual(self, moment: Moment, _before: Measures, /) -> Measures:
        as_of_s = self._as_of_s(moment)
        if self._usual_volatility is None:
            note = f"{len(self._forecast_days)} days, {LEAST_USUAL_DAYS} wanted: the configured one stands"
            return {names.VOLATILITY_USUAL: missing(UNIT, as_of_s, self._source, note)}
        return {names.VOLATILITY_USUAL: Measure(self._usual_volatility, UNIT, as_of_s, self._source)}

    def _error(self, model: str, moment: Moment, _before: Measures, /) -> Measures:
        name, as_of_s, count = _ERRORS[model], self._as_of_s(moment), len(self._errors[model])
        if not count:
            return {name: missing("mean QLIKE", as_of_s, self._source, "no day has been forecast and passed yet")}
        short = count < SCORED_DAYS
        measure = Measure(
            value=self._mean_errors[model],
            unit="mean QLIKE",
            as_of_s=as_of_s,
            source=self._source,
            quality=Quality.SHORT if short else Quality.GOOD,
            note=f"over {count} of {SCORED_DAYS} days" if short else "",
        )
        return {name: measure}

    def _as_of_s(self, moment: Moment) -> int:
        return self._realised.end_s or moment.now_s


_NAMES = {"ewma": names.VOLATILITY_EWMA, "har": names.VOLATILITY_HAR, "garch": names.VOLATILITY_GARCH}
_ERRORS = {"ewma": names.FORECAST_ERROR_EWMA, "har": names.FORECAST_ERROR_HAR, "garch": names.FORECAST_ERROR_GARCH}
