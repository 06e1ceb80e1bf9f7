from __future__ import annotations

import math

import numpy as np
import pytest
import talib

from keeper.core.quant.accumulation import (
    AccumulationDistribution,
    accumulation_distribution,
    advance_decline,
    money_flow,
)


def test_the_line_is_that_of_ta_lib():
    draw = np.random.default_rng(5)
    low = 100 + draw.random(200)
    high = low + draw.random(200) * (draw.random(200) > 0.1)  # one bar in ten without range
    close = low + (high - low) * draw.random(200)
    volume = draw.random(200) * 1e6
    found = accumulation_distribution(highs=high.tolist(), lows=low.tolist(), closes=close.tolist(), volumes=volume.tolist())
    assert found == pytest.approx(talib.AD(high, low, close, volume).tolist(), rel=1e-9, abs=1e-6)


def test_a_close_at_the_top_adds_the_volume_and_one_at_the_bottom_takes_it():
    line = AccumulationDistribution()
    assert line.total == 0
    assert line.update(high=2.0, low=1.0, close=2.0, volume=10.0) == 10
    assert line.update(high=2.0, low=1.0, close=1.0, volume=4.0) == 6
    assert line.update(high=2.0, low=1.0, close=1.5, volume=99.0) == 6
    assert line.total == 6


def test_a_bar_without_range_says_nothing():
    assert money_flow(high=2.0, low=2.0, close=2.0, volume=1e9) == 0


def test_breadth_counts_only_what_moved():
    assert advance_decline([0.1, 0.2, -0.1, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert advance_decline([0.1, 0.2]) == 1
    assert advance_decline([-0.1]) == -1


def test_breadth_of_markets_that_stand_still_is_zero():
    assert advance_decline([]) == advance_decline([0.0, 0.0]) == advance_decline([0.001, -0.001, 0.001], still=0.001) == 0


def test_a_move_inside_the_band_is_none():
    assert advance_decline([0.0011, -0.0009, -0.0009], still=0.001) == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: money_flow(high=1.0, low=2.0, close=1.5, volume=1.0), "between"),
        (lambda: money_flow(high=2.0, low=1.0, close=2.5, volume=1.0), "between"),
        (lambda: money_flow(high=2.0, low=1.0, close=math.nan, volume=1.0), "finite"),
        (lambda: money_flow(high=2.0, low=1.0, close=1.5, volume=-1.0), "volume"),
        (lambda: accumulation_distribution(highs=[2.0], lows=[1.0], closes=[1.5], volumes=[]), "zip"),
        (lambda: advance_decline([math.nan]), "finite"),
        (lambda: advance_decline([0.1], still=-1.0), "still"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_refused_bar_leaves_the_total():
    line = AccumulationDistribution()
    line.update(high=2.0, low=1.0, close=2.0, volume=10.0)
    with pytest.raises(ValueError, match="volume"):
        line.update(high=2.0, low=1.0, close=2.0, volume=math.inf)
    assert line.total == 10
