"""Published and independently computed numbers of the statistics that judge a backtest. Ref: the sources the functions name."""

from __future__ import annotations

import math
from datetime import date
from itertools import accumulate

import pytest

from keeper.core.quant.cash_flows import CashFlow, money_weighted_rates
from keeper.core.quant.sharpe import (
    Track,
    annualised,
    deflated_sharpe,
    max_drawdown,
    minimum_track_length,
    probabilistic_sharpe,
    sharpe_ratio,
    sortino_ratio,
    track_of,
)

RETURNS = (0.01, -0.02, 0.015, 0.003, -0.007, 0.012, -0.004, 0.009, -0.011, 0.006)


def test_sharpe_ratio_of_ten_days():
    assert sharpe_ratio(RETURNS) == pytest.approx(0.114306114492295, rel=1e-13)
    assert annualised(sharpe_ratio(RETURNS), periods_a_year=365) == pytest.approx(2.18381525106151, rel=1e-13)
    assert track_of(RETURNS).ratio == pytest.approx(0.114306114492295, rel=1e-13)


def test_sortino_ratio_of_ten_days():
    assert annualised(sortino_ratio(RETURNS), periods_a_year=365) == pytest.approx(3.2444491846761, rel=1e-13)


def test_drawdown_of_ten_days():
    values = list(accumulate(RETURNS, lambda value, r: value * (1 + r), initial=1.0))
    assert max_drawdown(values) == pytest.approx(-0.02, rel=1e-13)


@pytest.mark.parametrize(("trials", "belief"), [(100, 0.90039683444939), (46, 0.950501706875579)])
def test_deflated_ratio_of_the_papers_example(trials, belief):
    # five years of 250 days, ratio 2.5 a year, variance of the trials' ratios one half a year
    chosen = Track(observations=1_250, ratio=2.5 / math.sqrt(250), skewness=-3.0, kurtosis=10.0)
    assert deflated_sharpe(chosen, trials=trials, variance=0.5 / 250) == pytest.approx(belief, rel=1e-13)


@pytest.mark.parametrize(
    ("periods", "skewness", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_years_that_tell_a_ratio_of_two_from_one(periods, skewness, kurtosis, years):
    track = Track(observations=2, ratio=2 / math.sqrt(periods), skewness=skewness, kurtosis=kurtosis)
    found = minimum_track_length(track, benchmark=1 / math.sqrt(periods), confidence=0.95) / periods
    assert f"{found:.2f}" == f"{years:.2f}"


@pytest.mark.parametrize(("skewness", "kurtosis", "belief"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_belief_in_two_years_of_months(skewness, kurtosis, belief):
    track = Track(observations=24, ratio=0.458, skewness=skewness, kurtosis=kurtosis)
    assert probabilistic_sharpe(track) == pytest.approx(belief, abs=5e-4)


def test_yearly_rate_of_four_flows():
    flows = [
        CashFlow(day=date(2025, month, day), amount=amount)
        for month, day, amount in ((1, 1, -10_000.0), (2, 15, -2_500.0), (6, 30, 1_800.0), (12, 31, 11_950.0))
    ]
    assert money_weighted_rates(flows) == pytest.approx((0.111035358993601,), abs=1e-13)
