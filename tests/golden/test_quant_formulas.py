"""Published and independently computed numbers. Ref: the sources that the functions name."""

from __future__ import annotations

import math

import pytest

from keeper.core.quant.barrier import expected_exit_years, stay_probability
from keeper.core.quant.lvr import (
    concentration,
    implied_volatility_from_fee_growth,
    implied_volatility_from_volume,
    lvr_rate,
)
from keeper.core.quant.returns import compound_period_years
from keeper.core.quant.volatility import close_to_close, ewma, garman_klass
from tests.eight_bars import BARS, RETURNS

WEEK = 7 / 365
LOWER, UPPER = math.log(1600 / 2000), math.log(2500 / 2000)


def test_close_to_close_variance():
    assert close_to_close(RETURNS) == pytest.approx(3.38154866372617e-4, rel=1e-12)


def test_ewma_variance():
    assert ewma(RETURNS, 0.94) == pytest.approx(2.36132046014664e-4, rel=1e-12)


def test_garman_klass_variance():
    assert garman_klass(BARS) == pytest.approx(2.49437846735725e-4, rel=1e-12)


def test_probability_to_stay_in_a_range_for_a_week():
    nu = -(0.8**2) / 2
    found = stay_probability(lower=LOWER, upper=UPPER, volatility=0.8, years=WEEK, drift=nu)
    assert found == pytest.approx(0.911565777072268, abs=1e-12)


def test_probability_to_stay_with_a_drift_of_half_a_year():
    nu = 0.5 - 0.8**2 / 2
    found = stay_probability(lower=LOWER, upper=UPPER, volatility=0.8, years=WEEK, drift=nu)
    assert found == pytest.approx(0.911871075248668, abs=1e-12)


@pytest.mark.parametrize(
    ("probability", "sigmas"),
    [
        (0.50, 1.14897325814965),
        (0.683, 1.41005530957352),
        (0.80, 1.64484973228242),
        (0.90, 1.95996394941865),
        (0.95, 2.24140272733214),
        (0.99, 2.8070337683438),
    ],
)
def test_half_widths_of_given_probabilities(probability, sigmas):
    assert stay_probability(lower=-sigmas, upper=sigmas, volatility=1.0, years=1.0) == pytest.approx(probability, abs=1e-9)


def test_expected_exit():
    days = 365 * expected_exit_years(lower=LOWER, upper=UPPER, volatility=0.8, drift=-0.32)
    assert days == pytest.approx(28.2803459130856, rel=1e-12)
    assert 365 * expected_exit_years(lower=LOWER, upper=UPPER, volatility=0.8) == pytest.approx(28.397595687481, rel=1e-12)


def test_lvr_of_a_full_range_and_of_a_concentrated_position():
    # 2 sqrt(P) L is the value of a full range: L = V / (2 sqrt(P))
    assert lvr_rate(1e5 / (2 * math.sqrt(2000)), math.sqrt(2000), 0.8) == pytest.approx(0.08 * 1e5, rel=1e-12)
    daily = 0.05 * math.sqrt(365)
    assert lvr_rate(0.5, 1.0, daily) / 365 == pytest.approx(3.125e-4, rel=1e-12)
    assert lvr_rate(1059.01699437495, math.sqrt(2000), 0.8) == pytest.approx(7577.70876399967, rel=1e-12)


def test_concentration():
    assert concentration(math.log(1.25)) == pytest.approx(9.47213595499958, rel=1e-13)


def test_implied_volatility_from_volume():
    for fee, expected in ((0.003, 1.21206297741386), (0.0001, 0.221291411282149)):
        found = implied_volatility_from_volume(fees=fee * 30e6, liquidity=2e6, sqrt_price=math.sqrt(2000), seconds=86_400)
        assert found == pytest.approx(expected, rel=1e-12)


def test_implied_volatility_from_fee_growth_of_a_real_pool():
    # USDC/WETH 0.05 %, blocks 12,592,730 to 12,595,130, square-root prices at both ends; the mean is of USDC per WETH
    prices = [(2**96 / s) ** 2 for s in (1572870474530747053922465913548413, 1614597671756688859431835915000000)]
    found = implied_volatility_from_fee_growth(
        growth0_x128=4727744195091118907136119318964,
        growth1_x128=2042654302665938784356921928276952665822,
        sqrt_price=math.sqrt(2 / math.fsum(prices)),
        seconds=2400 * 13.3,
    )
    assert found == pytest.approx(1.5112203456750823, rel=1e-12)


def test_compound_period():
    years = compound_period_years(cost=5, value=1e5, rate=0.2)
    assert years == pytest.approx(0.05, rel=1e-12)
    assert years * 365 == pytest.approx(18.25, rel=1e-12)
