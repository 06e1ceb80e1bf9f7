from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, median

import numpy as np
import pytest

from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.view import Quality
from keeper.core.quant import garch
from keeper.core.quant.garch import filtered, fit_garch, horizon_sum
from keeper.core.quant.har import fit_har, forecast
from keeper.core.quant.scores import qlike
from keeper.core.signals import names
from tests.markets import LEVEL, cut, hours_of, known, minutes_of, read_at
from tests.pairs import NOW_S
from tests.policies import policy

RULES = policy()
MIDNIGHT_S = NOW_S // DAY_S * DAY_S
DAYS = 125
DAILY = 365


def path_of(hours, seed=1):
    """Volatility that clusters, so that there is something to fit."""
    chance = np.random.default_rng(seed)
    level, log, path = 0.0, LEVEL, [LEVEL]
    for _ in range(hours):
        level = 0.97 * level + 0.2 * chance.standard_normal()
        log += 0.006 * math.exp(level / 2) * chance.standard_normal()
        path.append(log)
    return path


PATH = path_of(DAYS * 24)
RETURNS = np.diff(PATH)
DAY_SUMS = (RETURNS.reshape(DAYS, 24) ** 2).sum(axis=1)


@pytest.fixture(scope="module")
def history():
    return known(RULES, hours=hours_of(RULES, PATH, end_s=MIDNIGHT_S))


@pytest.fixture(scope="module")
def read(history):
    return read_at(RULES, history, MIDNIGHT_S + 60)


def ewma_at(hour):
    """Of a day, from the returns of so many hours."""
    kept = 0.5 ** (HOUR_S / RULES.signals.ewma_half_life_s)
    weights = kept ** np.arange(hour)[::-1]
    return float(weights @ RETURNS[:hour] ** 2 / weights.sum()) * 24


def har_at(day):
    model = fit_har(list(DAY_SUMS[:day]))
    return None if model is None else forecast(model, list(DAY_SUMS[:day]))


def test_the_moving_average_is_that_of_the_hours(read):
    assert read[names.VOLATILITY_EWMA].value == pytest.approx(math.sqrt(ewma_at(DAYS * 24) * DAILY), rel=1e-9)


def test_the_autoregression_is_fitted_to_the_whole_days_that_are_known(read):
    assert read[names.VOLATILITY_HAR].value == pytest.approx(math.sqrt(har_at(DAYS) * DAILY), rel=1e-9)


def test_garch_is_fitted_on_its_day_of_the_week_to_the_past_alone_and_filtered_to_now(read):
    # days since 1970 that are multiples of seven, as is the day of the last fit
    last_fit = next(day for day in range(DAYS, 0, -1) if (MIDNIGHT_S // DAY_S - DAYS + day) % 7 == 0)
    past = list(RETURNS[1 : last_fit * 24])  # the first hour follows on none
    model = fit_garch(past)
    variance = filtered(past, model)[-1]
    for r in RETURNS[last_fit * 24 :]:
        variance = model.omega + model.alpha * r * r + model.beta * variance
    expected = math.sqrt(horizon_sum(model, variance, 24) * DAILY)
    assert 0 < last_fit < DAYS
    assert read[names.VOLATILITY_GARCH].value == pytest.approx(expected, rel=1e-5)
    later = fit_garch(list(RETURNS[1:]))
    everything = math.sqrt(horizon_sum(later, filtered(list(RETURNS[1:]), later)[-1], 24) * DAILY)
    assert read[names.VOLATILITY_GARCH].value != pytest.approx(everything, rel=1e-5)


def test_a_fit_that_was_refused_is_tried_again_on_the_next_day_of_fits_alone(history, monkeypatch):
    lengths = []

    def refused(returns):
        lengths.append(len(returns))

    monkeypatch.setattr(garch, "fit_garch", refused)
    assert read_at(RULES, history, MIDNIGHT_S + 60)[names.VOLATILITY_GARCH].value is None
    assert len(lengths) > 5
    assert {later - earlier for earlier, later in pairwise(lengths[1:])} == {7 * 24}


def test_the_forecast_is_the_median_of_the_models_that_can_speak(read):
    three = [read[name].value for name in (names.VOLATILITY_EWMA, names.VOLATILITY_HAR, names.VOLATILITY_GARCH)]
    assert read[names.VOLATILITY_FORECAST].value == pytest.approx(median(three), rel=1e-12)
    assert len(set(three)) == 3


def test_with_one_model_it_is_that_one_and_with_two_the_mean_of_their_variances():
    few = known(RULES, hours=hours_of(RULES, PATH[: 20 * 24], end_s=MIDNIGHT_S))
    one = read_at(RULES, few, MIDNIGHT_S)
    assert one[names.VOLATILITY_HAR].value is one[names.VOLATILITY_GARCH].value is None
    assert one[names.VOLATILITY_FORECAST].value == one[names.VOLATILITY_EWMA].value
    some = known(RULES, hours=hours_of(RULES, PATH[: 60 * 24 + 1], end_s=MIDNIGHT_S))
    two = read_at(RULES, some, MIDNIGHT_S)
    assert two[names.VOLATILITY_HAR].note == "not enough days to fit"
    expected = (two[names.VOLATILITY_EWMA].value ** 2 + two[names.VOLATILITY_GARCH].value ** 2) / 2
    assert two[names.VOLATILITY_FORECAST].value == pytest.approx(math.sqrt(expected), rel=1e-12)


def test_errors_so_far_are_those_of_the_last_days_each_forecast_at_its_midnight(read):
    of_ewma = [qlike(DAY_SUMS[day], ewma_at(day * 24)) for day in range(1, DAYS)]
    of_har = [qlike(DAY_SUMS[day], har_at(day)) for day in range(1, DAYS) if har_at(day) is not None]
    assert read[names.FORECAST_ERROR_EWMA].value == pytest.approx(fmean(of_ewma[-56:]), rel=1e-9)
    assert read[names.FORECAST_ERROR_EWMA].quality is Quality.GOOD
    assert read[names.FORECAST_ERROR_HAR].value == pytest.approx(fmean(of_har[-56:]), rel=1e-9)
    assert read[names.FORECAST_ERROR_HAR].note == f"over {len(of_har)} of 56 days"
    assert read[names.FORECAST_ERROR_GARCH].quality is Quality.GOOD


def test_usual_is_the_median_of_the_daily_forecasts(history):
    at_s = MIDNIGHT_S - (DAYS - 30) * DAY_S  # so early that only the moving average speaks
    found = read_at(RULES, cut(history, at_s), at_s)[names.VOLATILITY_USUAL]
    expected = median(ewma_at(24 * day) for day in range(1, 31))
    assert (found.value, found.quality) == (pytest.approx(math.sqrt(expected * DAILY), rel=1e-9), Quality.GOOD)


def test_usual_is_missing_until_thirty_days_were_forecast(history):
    early = MIDNIGHT_S - (DAYS - 29) * DAY_S
    found = read_at(RULES, cut(history, early), early)[names.VOLATILITY_USUAL]
    assert (found.quality, found.note) == (Quality.MISSING, "29 days, 30 wanted: the configured one stands")
    assert read_at(RULES, cut(history, early + DAY_S), early + DAY_S)[names.VOLATILITY_USUAL].quality is Quality.GOOD


def test_the_autoregression_looks_at_the_hours_since_midnight_too():
    later = known(RULES, hours=hours_of(RULES, PATH, end_s=MIDNIGHT_S + 10 * HOUR_S))
    found = read_at(RULES, later, MIDNIGHT_S + 10 * HOUR_S)[names.VOLATILITY_HAR].value
    whole = [float((RETURNS[14 + 24 * day : 38 + 24 * day] ** 2).sum()) for day in range(DAYS - 1)]
    model = fit_har(whole)
    newest = [
        float((RETURNS[len(RETURNS) - 24 * back : len(RETURNS) - 24 * back + 24] ** 2).sum()) for back in range(30, 0, -1)
    ]
    assert found == pytest.approx(math.sqrt(forecast(model, newest) * DAILY), rel=1e-9)


@pytest.mark.parametrize("lost", [0, 12, 23])
def test_a_day_that_lacks_hours_of_its_own_breaks_the_series_of_days(history, lost):
    """``lost``: the first of three hours that are missing, of the day twenty days ago."""
    begin_s = MIDNIGHT_S - 20 * DAY_S + lost * HOUR_S
    hours = tuple(hour for hour in history.hours if not begin_s <= hour.start_s < begin_s + 3 * HOUR_S)
    found = read_at(RULES, replace(history, hours=hours), MIDNIGHT_S)
    assert found[names.VOLATILITY_HAR].quality is Quality.MISSING  # no ninety days follow on one another
    assert found[names.VOLATILITY_GARCH].value is not None
    errors = [qlike(DAY_SUMS[day], ewma_at(day * 24)) for day in range(1, DAYS - 20)]
    assert found[names.FORECAST_ERROR_EWMA].value != pytest.approx(fmean(errors[-56:]), rel=1e-6)


def test_a_forecast_is_not_scored_against_a_day_that_was_not_seen_whole(history):
    lost_s = MIDNIGHT_S - HOUR_S  # the hour that ends at the last midnight
    hours = tuple(hour for hour in history.hours if hour.start_s != lost_s)
    errors = [qlike(DAY_SUMS[day], ewma_at(day * 24)) for day in range(1, DAYS - 1)]
    found = read_at(RULES, replace(history, hours=hours), MIDNIGHT_S)
    assert found[names.FORECAST_ERROR_EWMA].value == pytest.approx(fmean(errors[-56:]), rel=1e-9)


def test_after_a_midnight_that_was_missed_two_days_are_not_taken_for_one():
    """Days that are all alike, but the last hour before one midnight is unknown: no sum may run on into the next day."""
    hours = hours_of(RULES, [LEVEL + (0.01 if n % 2 else 0.0) for n in range(40 * 24 + 1)], end_s=MIDNIGHT_S)
    kept = tuple(hour for hour in hours if hour.start_s != MIDNIGHT_S - DAY_S - HOUR_S)
    found = read_at(RULES, known(RULES, hours=kept), MIDNIGHT_S)
    assert found[names.FORECAST_ERROR_EWMA].value == pytest.approx(0.0, abs=1e-9)


def test_a_market_that_never_moved_has_no_infinite_error():
    hours = hours_of(RULES, [LEVEL] * (100 * 24 + 1), end_s=MIDNIGHT_S)
    found = read_at(RULES, known(RULES, hours=hours), MIDNIGHT_S)
    assert found[names.VOLATILITY_FORECAST].value == 0
    assert found[names.VOLATILITY_HAR].value is found[names.VOLATILITY_GARCH].value is None
    assert found[names.FORECAST_ERROR_EWMA].value is None  # nothing was expected and nothing came


def test_the_forecast_is_as_good_as_the_bars_it_stands_on():
    found = read_at(RULES, known(RULES, minutes_of(RULES, PATH[:200])))
    assert found[names.VOLATILITY_FORECAST].quality is Quality.SHORT
    stale = read_at(RULES, known(RULES, minutes_of(RULES, PATH[:600])), NOW_S + DAY_S)
    assert stale[names.VOLATILITY_FORECAST].quality is Quality.STALE
    assert read_at(RULES, known(RULES))[names.VOLATILITY_FORECAST].quality is Quality.MISSING
