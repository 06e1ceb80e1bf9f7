"""Published and independently computed numbers of the market's senses. Ref: the sources that the functions name."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import pytest

from keeper.core.quant.accumulation import accumulation_distribution
from keeper.core.quant.fusion import Term, stress_score, variance_multiplier
from keeper.core.quant.garch import GarchModel, filtered, horizon_sum
from keeper.core.quant.lvr import (
    arbitrage_rate,
    full_range_loss,
    implied_volatility_lambert,
    lvr_rate,
    tick_value,
    trade_probability,
)
from keeper.core.quant.markets import MOST_QUICK_RATIO, effective_rate, fee_yield, price_to_cash_flow, quick_ratio, utilisation
from keeper.core.quant.oscillators import macd, rsi
from keeper.core.quant.volatility import (
    bipower,
    garman_klass_full,
    jump,
    parkinson,
    rogers_satchell,
    sample_variance,
    subsampled,
    two_scale,
    yang_zhang,
    yang_zhang_weight,
)
from tests.eight_bars import BARS, CLOSES, HIGHS, LOWS, RETURNS

VOLUMES = (120, 90, 200, 150, 170, 110, 260, 180)
DAILY_5_PERCENT = 0.05 * math.sqrt(365)

# Daily closes of QQQQ and the 14-day index of StockCharts' own worksheet (ChartSchool, Relative Strength Index)
QQQQ = (
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931,
    46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521,
    45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
)  # fmt: skip
QQQQ_RSI = (
    70.5328, 66.3186, 66.5498, 69.4063, 66.3552, 57.9749, 62.9296, 63.2571, 56.0593, 62.3771,
    54.7076, 50.4228, 39.9898, 41.4605, 41.8689, 45.4632, 37.3040, 33.0795, 37.7730,
)  # fmt: skip


# ---- volatility


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (sample_variance(RETURNS), 3.86599936796405e-4),
        (parkinson(BARS), 2.61136377161462e-4),
        (garman_klass_full(BARS), 2.48849538690067e-4),
        (rogers_satchell(BARS), 2.23359908254316e-4),
        (yang_zhang(BARS), 2.54033669894945e-4),
        (yang_zhang_weight(7), 0.127182044887781),
    ],
    ids=["close to close about the mean", "parkinson", "garman-klass", "rogers-satchell", "yang-zhang", "its weight"],
)
def test_variance_of_eight_bars(found, expected):
    assert found == pytest.approx(expected, rel=1e-12)


def test_garch_filter_and_its_day_ahead():
    model = GarchModel(omega=1e-6, alpha=0.08, beta=0.9)
    to_come = filtered(RETURNS, model)[-1]
    assert to_come == pytest.approx(3.02289214037537e-4, rel=1e-12)
    assert horizon_sum(model, to_come, 24) == pytest.approx(6.04672384599457e-3, rel=1e-12)


def test_noisy_day_with_a_jump():
    # PCG64 of seed 7: 23,401 steps of 80 % a year, 2 % upward at second 12,000, then noise of 5e-4 on every price
    import numpy as np

    draw, count = np.random.default_rng(7), 23_401
    clean = np.cumsum(draw.standard_normal(count) * 0.8 / math.sqrt(365 * count))
    clean[12_000:] += 0.02
    prices = (clean + draw.standard_normal(count) * 5e-4).tolist()
    coarse = prices[::300]
    realised = subsampled(coarse, 1)
    continuous = bipower([b - a for a, b in itertools.pairwise(coarse)])
    assert subsampled(prices, 1) == pytest.approx(1.37826442745665e-2, rel=1e-12)
    assert realised == pytest.approx(2.38113880298705e-3, rel=1e-12)
    assert two_scale(prices, 300) == pytest.approx(2.3336148724398e-3, rel=1e-12)
    assert continuous == pytest.approx(2.47051956864204e-3, rel=1e-12)
    assert not jump(realised, continuous)  # 78 points do not show even a jump of half a day's deviation
    truth = 0.8**2 / 365 + 0.02**2
    assert truth == pytest.approx(2.15342465753e-3, rel=1e-11)


# ---- liquidity, arbitrage, implied volatility


def test_turnover_at_which_a_third_of_a_percent_breaks_even():
    daily_loss = lvr_rate(0.5, 1.0, DAILY_5_PERCENT) / 365  # of a full range worth 1
    assert 100 * daily_loss / 0.003 == pytest.approx(10.4166666667, rel=1e-11)
    assert lvr_rate(1059.01699437495, math.sqrt(2000), 0.8) / 10_000 == pytest.approx(0.757770876399967, rel=1e-12)


def test_loss_of_a_full_range_against_holding():
    found = full_range_loss(value=1e5, volatility=0.8, years=30 / 365)
    assert found == pytest.approx(655.3772204661024, rel=1e-13)
    to_first_order = lvr_rate(1e5 / 2, 1.0, 0.8) * 30 / 365
    assert to_first_order == pytest.approx(657.534246575, rel=1e-11)


def test_infinite_width_bound_of_a_published_optimizer():
    volatility_per_block, jump_rate = 0.0004546440886143422, 0.0022437060869181266
    assert lvr_rate(0.5, 1.0, volatility_per_block) * (1 + jump_rate) == pytest.approx(2.5895628019841654e-08, rel=1e-13)


@pytest.mark.parametrize(
    ("fee_bps", "row"),
    [
        (1, (96.7, 92.9, 80.6, 63.0, 21.2)),
        (5, (85.5, 72.5, 45.5, 25.4, 5.1)),
        (10, (74.7, 56.9, 29.4, 14.5, 2.6)),
        (30, (49.5, 30.5, 12.2, 5.4, 0.9)),
        (100, (22.8, 11.6, 4.0, 1.7, 0.3)),
    ],
)
def test_table_of_trade_probabilities(fee_bps, row):
    found = [
        100 * trade_probability(gamma=fee_bps / 10_000, volatility=DAILY_5_PERCENT, block_s=block_s)
        for block_s in (600, 120, 12, 2, 0.05)
    ]
    assert [f"{percent:.1f}" for percent in found] == [f"{percent:.1f}" for percent in row]


@pytest.mark.parametrize(
    ("fee_bps", "block_s", "daily"),
    [(30, 12, 3.81098006251159e-05), (5, 12, 1.42045465149543e-04), (5, 2, 7.93270519459594e-05)],
)
def test_daily_take_of_arbitrage(fee_bps, block_s, daily):
    found = arbitrage_rate(gamma=fee_bps / 10_000, volatility=DAILY_5_PERCENT, block_s=block_s) / 365
    assert found == pytest.approx(daily, rel=1e-12)


def test_lamberts_volatility():
    wide = tick_value(liquidity=2e6, sqrt_price=math.sqrt(2000), tick_spacing=60)
    assert wide == pytest.approx(268314.842394418, rel=1e-14)
    assert implied_volatility_lambert(fee=0.003, volume_day=30e6, tick_value=wide) == pytest.approx(1.21209305085989, rel=1e-12)
    narrow = tick_value(liquidity=2e6, sqrt_price=math.sqrt(2000), tick_spacing=1)
    found = implied_volatility_lambert(fee=0.0001, volume_day=30e6, tick_value=narrow)
    assert found == pytest.approx(0.312961138660415, rel=1e-12)
    assert found / 0.221291411282149 == pytest.approx(math.sqrt(2), rel=1e-4)  # overstated in this tier


@pytest.mark.parametrize(("fee", "turnover", "published"), [(0.01, 6.8493, 6.8), (0.003, 76.1035, 76), (0.0005, 2739.73, 2749)])
def test_turnover_of_a_tick_at_a_volatility_of_one(fee, turnover, published):
    assert implied_volatility_lambert(fee=fee, volume_day=turnover, tick_value=1.0) == pytest.approx(1.0, abs=1e-5)
    assert turnover == pytest.approx(published, rel=0.008)  # the last one is published with a slip of 0.3 %


def test_fees_of_a_vanishing_range_are_the_price_of_an_option():
    strike, volatility, years, width, steps = 2000.0, 0.8, 30 / 365, 1e-7, 2_000
    normal = NormalDist()
    half = volatility * math.sqrt(years) / 2
    put = strike * (normal.cdf(half) - normal.cdf(-half))
    assert put == pytest.approx(182.5968156369, rel=1e-12)
    # as much liquidity as buys one token0 on its way down through the range, of which the middle is the strike
    liquidity = 1 / (math.exp(width / 2) - math.exp(-width / 2)) * math.sqrt(strike)
    income = 0.0
    for step in range(steps):
        root = (step + 0.5) / steps * math.sqrt(years)  # the density has a root of time below it
        spread = NormalDist(-(volatility**2) * root**2 / 2, volatility * root)
        inside = spread.cdf(width) - spread.cdf(-width)
        income += lvr_rate(liquidity, math.sqrt(strike), volatility) * inside * 2 * root * math.sqrt(years) / steps
    assert income == pytest.approx(put, rel=1e-6)


# ---- indicators


def test_rsi_of_the_published_worksheet():
    found = rsi(QQQQ)
    assert found[:14] == [None] * 14
    assert found[14:] == pytest.approx(QQQQ_RSI, abs=6e-5)
    assert found[14] == pytest.approx(70.532789483695, abs=1e-12)
    assert found[15] == pytest.approx(66.3185618051723, abs=1e-12)
    assert found[-1] == pytest.approx(37.7729521144348, abs=1e-12)


def test_macd_that_starts_at_the_first_value_and_the_one_of_ta_lib():
    import numpy as np
    import talib

    series = [2000 + 50 * math.sin(i / 5) + 2 * i for i in range(60)]
    ours = macd(series)[-1]
    assert ours.line == pytest.approx(-1.34968340680462, abs=2e-12)
    assert ours.signal == pytest.approx(1.67117148446198, abs=2e-12)
    line, signal, _ = talib.MACD(np.array(series), 12, 26, 9)
    assert line[-1] == pytest.approx(-2.24121730017214, abs=2e-12)
    assert signal[-1] == pytest.approx(0.35978864634895, abs=2e-12)


def test_accumulation_distribution_of_eight_bars():
    found = accumulation_distribution(highs=HIGHS, lows=LOWS, closes=CLOSES, volumes=VOLUMES)
    assert found[-1] == pytest.approx(167.138994287152, rel=1e-13)


def test_effective_exchange_rate():
    assert effective_rate((1.02, 0.97, 1.10), (0.5, 0.3, 0.2)) == pytest.approx(1.02002341953757, rel=1e-13)


def test_price_to_cash_flow():
    found = price_to_cash_flow(tvl=50e6, fee=0.0005, volume_day=30e6)
    assert found == pytest.approx(9.13242009132, rel=1e-12)
    assert fee_yield(tvl=50e6, fee=0.0005, volume_day=30e6) == pytest.approx(1 / 9.13242009132, rel=1e-12)


def test_quick_ratio():
    assert utilisation(available=18.0, debt=82.0) == pytest.approx(0.82, rel=1e-15)
    assert quick_ratio(available=18.0, debt=82.0) == pytest.approx(0.219512195122, rel=1e-12)
    assert quick_ratio(available=18.0, debt=0.0) == MOST_QUICK_RATIO == 10


def test_variance_around_a_release():
    found = variance_multiplier(horizon_s=72 * 3_600, event_s=6 * 3_600, kappa=4)
    assert found == pytest.approx(1.25, rel=1e-15)
    assert math.sqrt(found) == pytest.approx(1.1180339887, rel=1e-10)


def test_stress_score():
    read = zip((0.35, 0.15, 0.15, 0.15, 0.2), (2.1, -0.4, 0.8, None, 9.0), strict=True)
    found = stress_score(Term(weight=weight, z=z) for weight, z in read)
    assert found.value == pytest.approx(0.567115202584226, rel=1e-14)
    assert found.available == pytest.approx(0.85, rel=1e-14)
