from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.core.quant.har import LEAST_DAYS, MONTH_DAYS, HarModel, fit_har, forecast

TRUE = HarModel(intercept=1e-4, daily=0.35, weekly=0.3, monthly=0.25, floor=1e-6)


def days_of(model, count, seed, noise=0.5):
    draw = np.random.default_rng(seed)
    days = [1e-3] * MONTH_DAYS
    for _ in range(count):
        days.append(forecast(model, days) * math.exp(noise * draw.standard_normal() - noise**2 / 2))
    return days[MONTH_DAYS:]


def test_a_forecast_is_what_its_formula_says():
    days = [float(i) for i in range(1, 41)]
    model = HarModel(intercept=0.5, daily=0.1, weekly=0.2, monthly=0.3, floor=1e-9)
    expected = 0.5 + 0.1 * 40 + 0.2 * (sum(days[-7:]) / 7) + 0.3 * (sum(days[-30:]) / 30)
    assert forecast(model, days) == pytest.approx(expected, rel=1e-14)


def test_days_older_than_a_month_are_not_looked_at():
    recent = days_of(TRUE, 30, 1)
    assert forecast(TRUE, [99.0, *recent]) == forecast(TRUE, recent)


def test_the_fit_finds_the_model_that_made_the_days():
    found = fit_har(days_of(TRUE, 20_000, 3))
    assert (found.daily, found.weekly, found.monthly) == pytest.approx((0.35, 0.3, 0.25), abs=0.05)
    assert found.intercept == pytest.approx(1e-4, rel=0.3)


def test_the_fit_is_exact_without_noise():
    draw = np.random.default_rng(8)
    days = (1e-3 * (1 + draw.random(MONTH_DAYS))).tolist()
    for _ in range(120):
        days.append(forecast(TRUE, days))
    found = fit_har(days)
    assert (found.daily, found.weekly, found.monthly) == pytest.approx((0.35, 0.3, 0.25), rel=1e-9)
    assert found.intercept == pytest.approx(1e-4, rel=1e-9)


def test_the_fit_is_the_weighted_one_of_statsmodels():
    from statsmodels.api import OLS, WLS

    days = days_of(TRUE, 300, 9)
    rows = [[1.0, days[t - 1], np.mean(days[t - 7 : t]), np.mean(days[t - 30 : t])] for t in range(30, 300)]
    expected_level = np.maximum(OLS(days[30:], rows).fit().fittedvalues, np.quantile(days, 0.05))
    theirs = WLS(days[30:], rows, weights=expected_level**-2).fit().params
    found = fit_har(days)
    assert [found.intercept, found.daily, found.weekly, found.monthly] == pytest.approx(theirs.tolist(), rel=1e-6)


def test_the_fit_beats_the_mean_and_the_last_day_out_of_sample():
    from keeper.core.quant.scores import qlike

    days = days_of(TRUE, 1_000, 4)
    model, mean = fit_har(days[:500]), sum(days[:500]) / 500
    losses = {"har": 0.0, "mean": 0.0, "last": 0.0}
    for at in range(500, 1_000):
        losses["har"] += qlike(days[at], forecast(model, days[:at]))
        losses["mean"] += qlike(days[at], mean)
        losses["last"] += qlike(days[at], days[at - 1])
    assert losses["har"] < 0.9 * min(losses["mean"], losses["last"])


def test_a_constant_variance_is_forecast_as_it_is():
    assert forecast(fit_har([2e-3] * 200), [2e-3] * 30) == pytest.approx(2e-3, rel=1e-9)


def test_the_same_days_give_the_same_model():
    days = days_of(TRUE, 300, 5)
    assert fit_har(days) == fit_har(list(days))


def test_quiet_days_do_not_stop_the_fit_and_the_floor_stays_above_zero():
    days = [0.0 if at % 3 == 0 else day for at, day in enumerate(days_of(TRUE, 300, 6))]
    model = fit_har(days)
    assert model.floor > 0
    assert forecast(model, days) > 0


def test_no_forecast_falls_below_a_twentieth_of_the_days():
    days = days_of(TRUE, 300, 7)
    model = fit_har(days)
    assert sum(day < model.floor for day in days) == 15
    assert forecast(model, [0.0] * 30) >= model.floor


def test_too_few_days_and_days_that_never_moved_give_no_model():
    assert fit_har(days_of(TRUE, LEAST_DAYS - 1, 1)) is None
    assert fit_har(days_of(TRUE, LEAST_DAYS, 1)) is not None
    assert fit_har([0.0] * 200) is None


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fit_har([1.0] * 100 + [math.nan]), "variance"),
        (lambda: fit_har([1.0] * 100 + [-1.0]), "variance"),
        (lambda: forecast(TRUE, [1.0] * 29), "30 days"),
        (lambda: forecast(TRUE, [1.0] * 29 + [math.inf]), "variance"),
        (lambda: HarModel(intercept=math.nan, daily=0, weekly=0, monthly=0, floor=1), "coefficients"),
        (lambda: HarModel(intercept=0, daily=0, weekly=0, monthly=0, floor=0), "floor"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
