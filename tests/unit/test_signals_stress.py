from __future__ import annotations

import math

import pytest

from keeper.core.model.bar import HOUR_S
from keeper.core.model.policy import SignalWeight, StressPolicy
from keeper.core.model.view import Quality
from keeper.core.quant.fusion import influence_bound, squashed
from keeper.core.quant.robust import MAD_TO_DEVIATION
from keeper.core.signals import names
from keeper.core.signals.instrument import Measure, missing
from keeper.core.signals.risk import MOVABLE_CAP, RISKS, USUAL_DISTANCE, Side, counted_weight, scheduled_z
from keeper.core.signals.stress import WINDOW, Stress
from tests.pairs import NOW_S
from tests.policies import policy


def measure(value, quality=Quality.GOOD):
    return (
        missing("u", NOW_S, "s", "x")
        if value is None
        else Measure(value=value, unit="u", as_of_s=NOW_S, source="s", quality=quality)
    )


def stress(**weights):
    rules = StressPolicy(weights=tuple(SignalWeight(name=name, weight=weight) for name, weight in weights.items()))
    return Stress(policy(stress=rules))


def after(values, name, **weights):
    """A score that remembers these values of one signal."""
    made = stress(**weights)
    for value in values:
        made.push({name: measure(value)})
    return made


def z_after(values, name, value, quality=Quality.GOOD):
    return after(values, name).scores({name: measure(value, quality)}).get(name)


COUNT = [float(n) for n in range(1, 102)]  # median 51, median distance 25


def test_a_z_score_is_the_distance_from_the_median_in_robust_deviations():
    assert z_after(COUNT, names.JUMP_SHARE, 76.0) == pytest.approx(1 / MAD_TO_DEVIATION)
    assert z_after(COUNT, names.JUMP_SHARE, 26.0) == pytest.approx(-1 / MAD_TO_DEVIATION)
    assert z_after(COUNT, names.JUMP_SHARE, 1e9) == 3


def test_ratios_are_held_against_their_logarithms():
    past = [math.exp(value / 50) for value in COUNT]
    assert z_after(past, names.VOLATILITY_FORECAST, math.exp(76 / 50)) == pytest.approx(1 / MAD_TO_DEVIATION)
    assert z_after(past, names.VOLATILITY_FORECAST, 0.0) is None


def test_low_means_stress_where_the_risk_says_so_and_either_way_where_a_direction_is_not_believed():
    assert z_after(COUNT, names.QUICK_RATIO, 26.0) == pytest.approx(1 / MAD_TO_DEVIATION)
    assert z_after(COUNT, names.RSI, 26.0) == z_after(COUNT, names.RSI, 76.0)
    assert z_after(COUNT, names.RSI, 51.0) == -USUAL_DISTANCE
    assert z_after(COUNT, names.RSI, 1e9) == pytest.approx(3 - USUAL_DISTANCE)


@pytest.mark.parametrize("name", RISKS)
def test_turned_over_every_signal_keeps_within_the_limit(name):
    risk = RISKS[name]
    for z in (-3.0, -1.0, 0.0, 1.0, 3.0):
        assert abs(risk.turned(z)) <= 3
        assert risk.turned(z) == (risk.turned(-z) if risk.side is Side.EITHER else -risk.turned(-z))


def test_less_than_twenty_hours_are_no_past():
    assert z_after(COUNT[:19], names.JUMP_SHARE, 5.0) is None
    assert z_after(COUNT[:20], names.JUMP_SHARE, 5.0) is not None


def test_only_the_last_thirty_days_count():
    past = [1e6] * 500 + COUNT * 8
    assert len(COUNT * 8) > WINDOW
    assert z_after(past, names.JUMP_SHARE, 51.0) == pytest.approx(0.0, abs=0.1)


def test_a_past_that_never_varied_makes_any_other_value_extreme():
    assert z_after([0.1] * 50, names.JUMP_SHARE, 0.1) == 0
    assert z_after([0.1] * 50, names.JUMP_SHARE, 0.2) == 3


def test_rounding_is_not_a_variation():
    past = [0.1 + n % 7 * 1.4e-17 for n in range(50)]
    assert z_after(past, names.JUMP_SHARE, 0.1 + 1e-15) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("quality", [Quality.STALE, Quality.MISSING])
def test_what_is_stale_or_missing_is_neither_scored_nor_remembered(quality):
    value = None if quality is Quality.MISSING else 76.0
    assert z_after(COUNT, names.JUMP_SHARE, value, quality) is None
    made = after(COUNT, names.JUMP_SHARE)
    for _ in range(500):
        made.push({names.JUMP_SHARE: measure(None if value is None else 1e9, quality)})
    assert made.scores({names.JUMP_SHARE: measure(51.0)})[names.JUMP_SHARE] == 0


def test_short_counts():
    assert z_after(COUNT, names.JUMP_SHARE, 76.0, Quality.SHORT) is not None


@pytest.mark.parametrize(("multiplier", "z"), [(1.0, 0.0), (1.25, 1.0), (1.75, 3.0), (9.0, 3.0)])
def test_the_calendar_speaks_without_a_past(multiplier, z):
    assert scheduled_z(multiplier) == pytest.approx(z)
    made = stress(calendar=1.0)
    assert made.scores({names.CALENDAR: measure(multiplier)})[names.CALENDAR] == pytest.approx(z)
    assert names.CALENDAR not in made.scores({names.CALENDAR: measure(multiplier, Quality.STALE)})


def score_of(made, **values):
    found = made.measures(NOW_S, values)
    return found[names.STRESS_SCORE], found[names.STRESS_AVAILABLE]


def test_the_score_is_the_weighted_mean_of_what_is_available():
    made = stress(volatility_forecast=0.5, calendar=0.35, implied_over_realised=0.15)
    score, available = score_of(made, volatility_forecast=2.0, calendar=1.0, implied_over_realised=-1.0)
    assert score.value == pytest.approx(0.5 * squashed(2) + 0.35 * squashed(1) + 0.15 * squashed(-1))
    assert available.value == 1
    score, available = score_of(made, volatility_forecast=2.0, implied_over_realised=-1.0)
    assert score.value == pytest.approx((0.5 * squashed(2) + 0.15 * squashed(-1)) / 0.65)
    assert available.value == pytest.approx(0.65)


def test_too_little_weight_is_no_score_and_names_what_is_lacking():
    made = stress(volatility_forecast=0.5, calendar=0.35, implied_over_realised=0.15)
    score, available = score_of(made, volatility_forecast=3.0)
    assert (score.quality, score.note) == (Quality.MISSING, "not available: calendar, implied_over_realised")
    assert available.value == pytest.approx(0.5)
    nothing, _ = score_of(stress(rsi=0.0), rsi=3.0)
    assert nothing.note == "no signal has weight"


def test_what_can_be_moved_on_chain_weighs_no_more_than_the_cap():
    assert counted_weight(names.RSI, 1) == MOVABLE_CAP
    assert counted_weight(names.VOLATILITY_FORECAST, 1) == counted_weight(names.CALENDAR, 1) == 1
    made = stress(volatility_forecast=0.85, rsi=0.5)
    low, high = (score_of(made, volatility_forecast=0.5, rsi=z)[0].value for z in (-3.0, 3.0))
    assert high - low == pytest.approx(influence_bound(MOVABLE_CAP, 1.0))


def test_every_weighted_signal_is_known_to_be_movable_or_not():
    movable = {name for name, risk in RISKS.items() if risk.movable}
    assert RISKS.keys() - movable == {names.VOLATILITY_FORECAST, names.VOLATILITY_OUTSIDE}


def test_the_past_is_taken_at_whole_hours():
    from tests.markets import LEVEL, fed, known, minutes_of, readings, walk, wide_policy

    rules = wide_policy()
    minutes = minutes_of(rules, [LEVEL, *walk(40 * 60 + 30)], end_s=NOW_S + 31 * 60)
    hourly, also_now = fed(rules, known(rules, minutes[:-31])), fed(rules, known(rules, minutes))
    before, after_half = readings(hourly)[names.RSI], readings(also_now, NOW_S + 31 * 60)[names.RSI]
    assert before.value == after_half.value
    assert before.z == after_half.z
    assert NOW_S % HOUR_S == 0
