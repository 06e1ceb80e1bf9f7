from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.view import Quality
from keeper.core.signals import names
from tests.markets import LEVEL, YEAR_S, hours_of, known, read_at, walk
from tests.pairs import NOW_S
from tests.policies import policy

RULES = policy()


def read(path, now_s=NOW_S):
    return read_at(RULES, known(RULES, hours=hours_of(RULES, path)), now_s)


def test_both_equal_an_independent_computation_on_hourly_logarithms():
    path = walk(24 * 20, seed=3, deviation=0.006)
    found, closes = read(path), pd.Series(path[1:])
    line = closes.ewm(span=12, adjust=False).mean() - closes.ewm(span=26, adjust=False).mean()
    histogram = (line - line.ewm(span=9, adjust=False).mean()).iloc[-1]
    an_hour = found[names.VOLATILITY_FORECAST].value * math.sqrt(HOUR_S / YEAR_S)
    assert found[names.MACD].value == pytest.approx(histogram / an_hour, rel=1e-6)
    moves = np.diff(path[1:])
    gain, loss = moves[:14].clip(0).mean(), (-moves[:14]).clip(0).mean()
    for move in moves[14:]:
        gain, loss = (13 * gain + max(move, 0)) / 14, (13 * loss + max(-move, 0)) / 14
    assert found[names.RSI].value == pytest.approx(100 - 100 / (1 + gain / loss), rel=1e-9)
    assert {found[names.RSI].quality, found[names.MACD].quality} == {Quality.GOOD}


@pytest.mark.parametrize(("step", "value"), [(0.001, 100.0), (-0.001, 0.0), (0.0, 50.0)])
def test_an_index_of_one_side_alone_is_at_its_end_and_of_a_flat_price_in_the_middle(step, value):
    assert read([LEVEL + step * n for n in range(40)])[names.RSI].value == pytest.approx(value)


def test_a_price_that_never_moved_has_no_deviation_to_tell_a_distance_in():
    found = read([LEVEL] * 60)[names.MACD]
    assert (found.value, found.note) == (None, "no volatility to tell it in")


def test_few_hours_are_missing_or_short():
    ten, twenty = read(walk(10)), read(walk(20))
    assert ten[names.RSI].note == "10 hours are known, 15 wanted"
    assert ten[names.RSI].quality is Quality.MISSING
    assert twenty[names.RSI].quality is Quality.GOOD
    assert (twenty[names.MACD].quality, twenty[names.MACD].note) == (Quality.SHORT, "20 hours are known, 35 wanted")
    assert {read_at(RULES, known(RULES))[name].note for name in (names.RSI, names.MACD)} == {"no whole hour is known yet"}


def test_an_old_hour_is_stale():
    path = walk(50)
    edge_s = HOUR_S + RULES.signals.stale_after_s
    assert read(path, NOW_S + edge_s)[names.RSI].quality is Quality.GOOD
    assert read(path, NOW_S + edge_s + 1)[names.RSI].quality is Quality.STALE


def test_hours_that_are_missing_are_passed_over():
    path = walk(60, seed=5, deviation=0.006)
    whole = hours_of(RULES, path)
    split = hours_of(RULES, path[:31], end_s=whole[0].start_s - DAY_S)
    rest = hours_of(RULES, path[30:])
    found = read_at(RULES, known(RULES, hours=(*split, *rest)))
    assert found[names.RSI].value == pytest.approx(read(path)[names.RSI].value, rel=1e-9)
