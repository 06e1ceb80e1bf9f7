from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S
from keeper.core.model.view import Quality
from keeper.core.quant.volatility import garman_klass, parkinson, rogers_satchell, two_scale, yang_zhang
from keeper.core.signals import names
from keeper.core.signals.candle import Lens
from tests.markets import LEVEL, YEAR_S, hours_of, known, minutes_of, read_at, walk
from tests.pairs import NOW_S
from tests.policies import policy

RULES = policy()
STRIDE = 5
RANGES = (names.VOLATILITY_PARKINSON, names.VOLATILITY_GK, names.VOLATILITY_RS, names.VOLATILITY_YZ)
ALL = (*RANGES, names.VOLATILITY_EWMA, names.VOLATILITY_1D, names.VOLATILITY_7D, names.VOLATILITY_30D, names.VOLATILITY_TSRV)


def a_year(variance, seconds):
    return math.sqrt(variance * YEAR_S / seconds)


def five_minute(path):
    return np.asarray(path[STRIDE:]) - np.asarray(path[:-STRIDE])


def values(minutes, now_s=NOW_S, rules=RULES, **series):
    return {name: one.value for name, one in read_at(rules, known(rules, minutes, **series), now_s).items()}


def test_a_path_of_equal_returns_reads_their_size_whatever_the_weights():
    found = values(minutes_of(RULES, [LEVEL + 1e-4 * n for n in range(601)]))
    for name in (names.VOLATILITY_EWMA, names.VOLATILITY_1D, names.VOLATILITY_7D):
        assert found[name] == pytest.approx(a_year((5e-4) ** 2, 300), rel=1e-9)


def test_the_moving_average_weighs_every_return_by_its_age():
    path = walk(20 * 60)
    squares = five_minute(path) ** 2 / 300
    ages = np.arange(len(squares))[::-1] * MINUTE_S
    weights = 0.5 ** (ages / RULES.signals.ewma_half_life_s)
    assert values(minutes_of(RULES, path))[names.VOLATILITY_EWMA] == pytest.approx(
        a_year(float(weights @ squares / weights.sum()), 1), rel=1e-9
    )


@pytest.mark.parametrize(
    ("name", "hours"), [(names.VOLATILITY_1D, 24), (names.VOLATILITY_7D, 168), (names.VOLATILITY_30D, 720)]
)
@pytest.mark.parametrize("late", [0, 25])
def test_a_window_is_the_sum_over_its_whole_hours_and_the_one_that_has_begun(name, hours, late):
    path = walk(60 * 60 + late, seed=3)
    squares = five_minute(path)[-(hours * 60 + late) :] ** 2 / STRIDE
    found = values(minutes_of(RULES, path, end_s=NOW_S + late * MINUTE_S), NOW_S + late * MINUTE_S)[name]
    assert found == pytest.approx(a_year(float(squares.mean()), MINUTE_S), rel=1e-9)


def test_the_two_scale_estimate_is_the_published_one_over_its_window():
    path = walk(17 * 60, seed=4)  # the flat window at a half life of six hours
    steps = len(path) - 1
    expected = two_scale(path, STRIDE) * steps / (steps - STRIDE + 1)  # per minute that a return was measured over
    assert values(minutes_of(RULES, path))[names.VOLATILITY_TSRV] == pytest.approx(
        a_year(expected, steps * MINUTE_S), rel=0.005
    )


def test_noise_of_single_minutes_leaves_the_two_scale_estimate_alone():
    clean = walk(24 * 60, seed=5)
    noise = np.random.default_rng(6).normal(0.0, 0.0008, len(clean))  # as large as a minute's own deviation
    quiet, noisy = values(minutes_of(RULES, clean)), values(minutes_of(RULES, list(np.asarray(clean) + noise)))
    assert noisy[names.VOLATILITY_1D] > 1.15 * quiet[names.VOLATILITY_1D]
    assert noisy[names.VOLATILITY_TSRV] == pytest.approx(quiet[names.VOLATILITY_TSRV], rel=0.08)


def test_where_noise_outweighs_the_market_the_two_scale_estimate_is_not_corrected_below_zero():
    path = [LEVEL + (0.001 if n % STRIDE == 0 else 0.0) for n in range(24 * 60 + 1)]
    assert two_scale(path, STRIDE) < 0
    assert values(minutes_of(RULES, path))[names.VOLATILITY_TSRV] == pytest.approx(0.0, abs=1e-9)


def test_returns_of_one_minute_have_no_finer_scale():
    rules = replace(RULES, signals=replace(RULES.signals, sample_interval_s=60))
    found = values(minutes_of(rules, walk(20 * 60)), rules=rules)
    assert found[names.VOLATILITY_TSRV] == pytest.approx(
        a_year(float(np.mean(np.diff(walk(20 * 60))[-18 * 60 :] ** 2)), 60), rel=0.03
    )


def test_ranges_are_the_published_estimators_on_whole_hours():
    path = walk(12 * 60, seed=7)
    minutes = minutes_of(RULES, path)
    lens, history = Lens(RULES), known(RULES, minutes)
    bars = [lens.candle(hour).bar for hour in history.hours]
    assert bars[0].high == pytest.approx(max(path[:61]), rel=1e-12)
    found = values(minutes)
    for name, estimator in zip(RANGES, (parkinson, garman_klass, rogers_satchell, yang_zhang), strict=True):
        assert found[name] == pytest.approx(a_year(estimator(bars), HOUR_S), rel=1e-12)


def test_the_part_of_jumps_is_what_neighbouring_returns_do_not_explain():
    path = np.asarray(walk(24 * 60, seed=8))
    path[700:] += 0.015  # within the ten deviations that a return counts at most
    returns = five_minute(path)
    total = float(returns @ returns) / STRIDE
    neighbours = math.pi / 2 * float(np.abs(returns[STRIDE:]) @ np.abs(returns[:-STRIDE])) / STRIDE
    first = float(returns[:STRIDE] @ returns[:STRIDE]) / STRIDE
    found = values(minutes_of(RULES, list(path)))[names.JUMP_SHARE]
    assert found == pytest.approx(1 - (neighbours + first) / total, rel=1e-9)
    assert found > 0.1


@pytest.mark.parametrize("gap_s", [60, 3_600, 40_000])
def test_no_return_spans_a_gap(gap_s):
    before = minutes_of(RULES, [LEVEL] * 400, end_s=NOW_S - 8 * HOUR_S - gap_s)
    after = minutes_of(RULES, [LEVEL + 0.1] * 481)
    found = values((*before, *after))
    assert {found[names.VOLATILITY_EWMA], found[names.VOLATILITY_1D]} == {0.0}


def test_minutes_after_hours_that_have_none_begin_at_the_hours_close():
    before = minutes_of(RULES, [LEVEL] * 121, end_s=NOW_S - 10 * HOUR_S)
    imported = hours_of(RULES, [LEVEL, LEVEL + 0.05], end_s=NOW_S - 9 * HOUR_S)
    after = minutes_of(RULES, [LEVEL + 0.05] * 541)
    history = known(RULES, (*before, *after))
    hours = tuple(sorted((*history.hours, *imported), key=lambda hour: hour.start_s))
    found = values((*before, *after), hours=hours)
    # twelve hours of which one moved by 5 %, once
    assert found[names.VOLATILITY_1D] == pytest.approx(a_year(0.05**2, 12 * HOUR_S), rel=0.01)


def test_hours_alone_read_as_their_own_returns():
    path = walk(60 * 24, seed=9, deviation=0.006)
    found = values((), hours=hours_of(RULES, path))
    returns = np.diff(path)
    assert found[names.VOLATILITY_30D] == pytest.approx(a_year(float((returns[-720:] ** 2).mean()), HOUR_S), rel=1e-9)
    assert found[names.VOLATILITY_1D] == pytest.approx(a_year(float((returns[-24:] ** 2).mean()), HOUR_S), rel=1e-9)
    assert found[names.VOLATILITY_TSRV] is None


def test_what_lies_before_a_long_gap_is_not_of_the_last_day():
    wild = minutes_of(RULES, [LEVEL + 0.001 * n for n in range(36 * 60)], end_s=NOW_S - 10 * DAY_S)
    calm = minutes_of(RULES, [LEVEL + 1e-5 * n for n in range(7 * 60 + 1)])
    read = read_at(RULES, known(RULES, (*wild, *calm)))
    day = read[names.VOLATILITY_1D]
    assert day.value == pytest.approx(a_year((5e-5) ** 2, 300), rel=1e-6)
    assert (day.quality, day.note) == (Quality.SHORT, "7 of 24 hours are known")
    assert read[names.JUMP_SHARE].value == pytest.approx(0.0, abs=1e-6)


def test_a_pool_that_stood_still_reads_zero_and_is_good():
    read = read_at(RULES, known(RULES, minutes_of(RULES, [LEVEL] * (25 * 60))))
    assert {read[name].value for name in (*ALL, names.JUMP_SHARE)} == {0.0}
    assert read[names.VOLATILITY_EWMA].quality is Quality.GOOD


def test_nothing_known_is_missing_and_says_what_to_do():
    for name in (*ALL, names.JUMP_SHARE):
        one = read_at(RULES, known(RULES))[name]
        assert (one.value, one.quality) == (None, Quality.MISSING)
        assert "keeper data download" in one.note


def test_less_than_the_least_history_is_short():
    minutes = minutes_of(RULES, walk(5 * 60))
    read = read_at(RULES, known(RULES, minutes))
    assert read[names.VOLATILITY_EWMA].quality is Quality.SHORT
    assert read[names.VOLATILITY_EWMA].note == "18000 s of bars in the look-back, 21600 wanted"
    longer = read_at(RULES, known(RULES, minutes_of(RULES, walk(6 * 60))))
    assert longer[names.VOLATILITY_EWMA].quality is Quality.GOOD


def test_few_swaps_are_short_and_few_an_hour_only_for_ranges():
    still = read_at(RULES, known(RULES, minutes_of(RULES, walk(600), swaps=0)))
    assert still[names.VOLATILITY_EWMA].note == "0 swaps in the look-back, 12 wanted"
    thin = minutes_of(RULES, walk(600))
    thin = [replace(bar, swaps=int(bar.start_s % 180 == 0)) for bar in thin]
    read = read_at(RULES, known(RULES, thin))
    assert read[names.VOLATILITY_EWMA].quality is Quality.GOOD
    assert {read[name].note for name in RANGES} == {"fewer than 30 swaps an hour"}


def test_old_bars_are_stale_whatever_else():
    read = read_at(RULES, known(RULES, minutes_of(RULES, walk(600))), NOW_S + 1_801)
    assert {read[name].quality for name in ALL} == {Quality.STALE}
    assert read[names.VOLATILITY_EWMA].note == "the newest bar ended 1801 s ago"
    assert (
        read_at(RULES, known(RULES, minutes_of(RULES, walk(600))), NOW_S + 1_800)[names.VOLATILITY_EWMA].quality is Quality.GOOD
    )


def test_ranges_of_a_few_hours_after_a_gap_are_short():
    before = minutes_of(RULES, walk(10 * 60), end_s=NOW_S - 4 * HOUR_S)
    read = read_at(RULES, known(RULES, (*before, *minutes_of(RULES, walk(3 * 60)))))
    assert read[names.VOLATILITY_EWMA].quality is Quality.GOOD
    assert read[names.VOLATILITY_GK].note == "3 whole hours follow on one another, 6 wanted"


def test_one_bar_and_one_swap_are_too_few_and_raise_nothing():
    read = read_at(RULES, known(RULES, minutes_of(RULES, [LEVEL, LEVEL + 0.01], swaps=1)))
    assert {read[name].value for name in ALL} == {None}
    assert read[names.JUMP_SHARE].value is None


def test_wicks_inside_blocks_count_for_nothing():
    minutes = minutes_of(RULES, walk(10 * 60, seed=11))
    wild = [replace(bar, wick_high_x96=bar.high_x96 * 2, wick_low_x96=bar.low_x96 // 2) for bar in minutes]
    assert values(wild) == values(minutes)


def test_a_gap_in_minutes_leaves_the_sums_of_what_is_known():
    path = walk(26 * 60, seed=12)
    minutes = minutes_of(RULES, path)
    kept = [*minutes[:700], *minutes[710:]]
    parts = [path[:701], path[710:]]
    squares = np.concatenate([five_minute(part) ** 2 for part in parts]) / STRIDE
    times = np.concatenate([np.arange(STRIDE, 701), np.arange(710 + STRIDE, len(path))])
    inside = squares[times > 2 * 60]
    assert values(kept)[names.VOLATILITY_1D] == pytest.approx(a_year(float(inside.mean()), MINUTE_S), rel=1e-9)
    assert len(known(RULES, kept).hours) == 25
    assert all(later.start_s > bar.start_s for bar, later in itertools.pairwise(kept))
