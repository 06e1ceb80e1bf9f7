from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.quant.barrier import (
    _by_images,
    _by_sines,
    expected_exit_years,
    expected_years_inside,
    stay_probability,
)
from keeper.core.quant.lvr import concentration, implied_volatility_from_fee_growth, implied_volatility_from_volume, lvr_rate
from keeper.core.quant.returns import compound_period_years

below = st.floats(-1.0, -0.01)
above = st.floats(0.01, 1.0)
sigmas = st.floats(0.05, 2.0)
times = st.floats(1e-5, 0.5)
drifts = st.floats(-0.5, 0.5)


@settings(deadline=None)
@given(below, above, st.floats(0.3, 0.8), st.floats(-0.3, 0.3))
def test_both_series_agree_where_either_could_serve(lower, upper, deviation, shift):
    deviation, shift = deviation * (upper - lower), shift * (upper - lower)
    assert _by_sines(lower, upper, deviation, shift) == pytest.approx(_by_images(lower, upper, deviation, shift), abs=1e-9)


@settings(deadline=None)
@given(below, above, sigmas, times, drifts)
def test_to_stay_grows_with_width_and_shrinks_with_time(lower, upper, sigma, years, drift):
    stay = stay_probability(lower=lower, upper=upper, volatility=sigma, years=years, drift=drift)
    assert 0.0 <= stay <= 1.0
    assert stay_probability(lower=lower * 1.1, upper=upper * 1.1, volatility=sigma, years=years, drift=drift) >= stay - 1e-10
    assert stay_probability(lower=lower, upper=upper, volatility=sigma, years=years * 1.1, drift=drift) <= stay + 1e-10


@settings(deadline=None)
@given(below, above, sigmas, times, drifts)
def test_to_stay_is_the_same_seen_in_a_mirror(lower, upper, sigma, years, drift):
    one = stay_probability(lower=lower, upper=upper, volatility=sigma, years=years, drift=drift)
    other = stay_probability(lower=-upper, upper=-lower, volatility=sigma, years=years, drift=-drift)
    assert one == pytest.approx(other, abs=1e-9)


def test_a_price_that_does_not_move_stays():
    assert stay_probability(lower=-0.1, upper=0.1, volatility=0.0, years=1.0) == 1
    assert stay_probability(lower=-0.1, upper=0.1, volatility=0.5, years=0.0) == 1
    assert stay_probability(lower=-0.1, upper=0.1, volatility=0.0, years=1.0, drift=0.2) == 0


@settings(max_examples=20, deadline=None)
@given(below, above, sigmas, st.floats(-3, 3))
def test_the_mean_exit_is_the_integral_of_staying(lower, upper, sigma, pull):
    drift = pull * sigma**2 / (upper - lower)
    exact = expected_exit_years(lower=lower, upper=upper, volatility=sigma, drift=drift)
    horizon, steps = 12 * (upper - lower) ** 2 / sigma**2, 1_000
    # a quadratic grid: most happens early
    total = 0.0
    for i in range(steps):
        years = horizon * ((i + 0.5) / steps) ** 2
        stay = stay_probability(lower=lower, upper=upper, volatility=sigma, years=years, drift=drift)
        total += stay * horizon * (2 * i + 1) / steps**2
    assert total == pytest.approx(exact, rel=0.02)


@settings(deadline=None)
@given(below, above, sigmas)
def test_the_mean_exit_is_continuous_where_the_drift_vanishes(lower, upper, sigma):
    flat = expected_exit_years(lower=lower, upper=upper, volatility=sigma)
    near = 2e-6 * sigma**2 / (upper - lower)
    assert expected_exit_years(lower=lower, upper=upper, volatility=sigma, drift=near) == pytest.approx(flat, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(0.001, 0.5), sigmas, times)
def test_time_inside_matches_quadrature(lower, width, sigma, years):
    upper, steps = lower + width, 2_000
    normal = NormalDist()
    total = 0.0
    for i in range(steps):
        spread = sigma * math.sqrt(years) * (i + 0.5) / steps
        total += (normal.cdf(upper / spread) - normal.cdf(lower / spread)) * (2 * i + 1) / steps**2 * years
    found = expected_years_inside(lower=lower, upper=upper, volatility=sigma, years=years)
    assert found == pytest.approx(total, abs=2e-3 * years)
    assert 0.0 <= found <= years


@settings(max_examples=40, deadline=None)
@given(below, above, sigmas, times)
def test_time_inside_counts_returns_so_it_is_no_shorter_than_until_the_first_exit(lower, upper, sigma, years):
    steps = 200
    until_exit = sum(
        stay_probability(lower=lower, upper=upper, volatility=sigma, years=years * (i + 1) / steps) for i in range(steps)
    )
    inside = expected_years_inside(lower=lower, upper=upper, volatility=sigma, years=years)
    assert inside >= until_exit * years / steps - 1e-9


def test_time_inside_of_a_still_price():
    assert expected_years_inside(lower=-0.1, upper=0.1, volatility=0.0, years=2.0) == 2
    assert expected_years_inside(lower=0.1, upper=0.2, volatility=0.0, years=2.0) == 0


@settings(deadline=None)
@given(st.floats(1e-4, 10))
def test_concentration_lies_between_the_full_range_and_two_over_the_width(half_width):
    assert 1.0 < concentration(half_width) < 1 + 2 / half_width


def test_fee_growth_of_one_unit_of_liquidity_implies_what_volume_implies():
    by_volume = implied_volatility_from_volume(fees=12.5, liquidity=1_000.0, sqrt_price=50.0, seconds=3_600)
    growth = int(12.5 / 1_000 * 2**128)
    by_growth = implied_volatility_from_fee_growth(growth0_x128=0, growth1_x128=growth, sqrt_price=50.0, seconds=3_600)
    assert by_growth == pytest.approx(by_volume, rel=1e-12)


@settings(deadline=None)
@given(st.floats(0.01, 3), st.floats(1, 1e6), st.floats(0.1, 1e3))
def test_fees_at_the_implied_volatility_pay_exactly_the_loss_to_arbitrage(sigma, liquidity, sqrt_price):
    day = lvr_rate(liquidity, sqrt_price, sigma) / 365
    found = implied_volatility_from_volume(fees=day, liquidity=liquidity, sqrt_price=sqrt_price, seconds=86_400)
    assert found == pytest.approx(sigma, rel=1e-9)


@settings(deadline=None)
@given(st.floats(0.01, 100), st.floats(1e3, 1e7), st.floats(0.01, 10), st.floats(0.2, 5))
def test_no_other_period_costs_less_than_the_best_one(cost, value, rate, factor):
    def total(period):
        return cost / period + rate**2 * value * period / 2

    best = compound_period_years(cost=cost, value=value, rate=rate)
    assert total(best) <= total(best * factor) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: stay_probability(lower=0.0, upper=1.0, volatility=1, years=1), "strictly between"),
        (lambda: stay_probability(lower=-1.0, upper=math.nan, volatility=1, years=1), "finite"),
        (lambda: stay_probability(lower=-1.0, upper=1.0, volatility=-1, years=1), "volatility"),
        (lambda: expected_exit_years(lower=-1, upper=1, volatility=0), "volatility"),
        (lambda: expected_years_inside(lower=1, upper=1, volatility=1, years=1), "below upper"),
        (lambda: concentration(0.0), "half_width"),
        (lambda: lvr_rate(-1, 1, 1), "liquidity"),
        (lambda: implied_volatility_from_volume(fees=1, liquidity=0, sqrt_price=1, seconds=1), "liquidity"),
        (lambda: implied_volatility_from_fee_growth(growth0_x128=-1, growth1_x128=0, sqrt_price=1, seconds=1), "growth0"),
        (lambda: compound_period_years(cost=1, value=1, rate=0), "rate"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
