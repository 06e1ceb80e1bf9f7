from __future__ import annotations

import math

import numpy as np
import pytest
import talib

from keeper.core.quant.oscillators import FLAT_RSI, Ema, Macd, Rsi, macd, rsi

WALK = (2000 * np.exp(np.cumsum(np.random.default_rng(11).standard_normal(600) * 0.01))).tolist()


@pytest.mark.parametrize("period", [2, 14, 50])
def test_rsi_is_that_of_ta_lib(period):
    found, expected = rsi(WALK, period), talib.RSI(np.array(WALK), period)
    assert found[:period] == [None] * period
    assert found[period:] == pytest.approx(expected[period:].tolist(), abs=1e-9)


def test_rsi_is_told_only_after_its_period():
    index = Rsi(3)
    assert [index.update(x) for x in (1.0, 2.0, 3.0)] == [None, None, None]
    assert index.value is None
    assert index.update(2.5) == index.value == pytest.approx(100 * 2 / 2.5)


def test_rsi_of_a_series_that_only_rises_is_100_that_only_falls_0_and_that_stands_the_middle():
    assert rsi(range(40))[-1] == 100
    assert rsi(range(40, 0, -1))[-1] == 0
    assert rsi([7.0] * 40)[-1] == FLAT_RSI == 50


def test_rsi_keeps_its_last_word_while_the_price_stands():
    index = Rsi()
    for x in WALK:
        last = index.update(x)
    for _ in range(100):
        index.update(WALK[-1])
    assert index.value == pytest.approx(last, rel=1e-9)


def test_macd_comes_together_with_that_of_ta_lib():
    line, signal, _ = talib.MACD(np.array(WALK), 12, 26, 9)
    ours = macd(WALK)
    assert abs(ours[33].line - line[33]) > 1e-3
    for at in (300, 599):
        assert ours[at].line == pytest.approx(line[at], abs=1e-6)
        assert ours[at].signal == pytest.approx(signal[at], abs=1e-6)


def test_macd_is_zero_at_its_first_value_and_in_a_flat_market():
    points = macd([5.0] * 30)
    assert all(point.line == point.signal == point.histogram == 0 for point in points)
    index = Macd()
    assert index.point is None
    assert index.update(5.0) == index.point == points[0]


def test_macd_follows_a_trend_and_the_signal_follows_the_line():
    points = macd([float(i) for i in range(300)])
    # an average of a ramp lags by (span - 1) / 2
    assert points[-1].line == pytest.approx(25 / 2 - 11 / 2, rel=1e-6)
    assert points[20].histogram > 0 > macd([-float(i) for i in range(21)])[-1].histogram


def test_an_average_starts_at_the_first_value():
    average = Ema(9)
    assert average.value is None
    assert average.update(4.0) == 4
    assert average.update(9.0) == pytest.approx(4 + 0.2 * 5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_refused_value_leaves_no_trace(bad):
    for index in (Rsi(3), Macd(), Ema(9)):
        twin = type(index)(3) if isinstance(index, Rsi) else (Macd() if isinstance(index, Macd) else Ema(9))
        for at, x in enumerate(WALK[:60]):
            if at % 7 == 0:
                with pytest.raises(ValueError, match="finite"):
                    index.update(bad)
            assert index.update(x) == twin.update(x)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Rsi(0), "period"),
        (lambda: Ema(0.5), "span"),
        (lambda: Ema(math.nan), "span"),
        (lambda: Macd(26, 12), "below slow"),
        (lambda: Macd(12, 26, 0), "span"),
    ],
)
def test_useless_periods_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
