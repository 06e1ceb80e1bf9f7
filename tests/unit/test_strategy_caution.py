"""What the stress score makes of regime, widths and weights: more careful by a little, and never a direction."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.policy import SignalWeight
from keeper.core.model.view import NO_MEMORY
from keeper.core.signals import names
from keeper.core.signals.instrument import Measure
from keeper.core.signals.risk import RISKS, Side
from keeper.core.signals.stress import WINDOW, Stress
from keeper.core.strategy import decide
from keeper.core.strategy.caution import caution, cautious_weights
from keeper.core.strategy.regime import next_regime, weather
from tests.builders import NOW_S, memory, policy, reading, readings, view
from tests.calendars import DAY_S, HOUR_S
from tests.stories import GOLDEN_ROOT, SHIPPED, attentive, opened, triggers

CORE, SECONDARY, INSURANCE = LayerKind


def test_no_calendar_asks_for_nothing():
    made = caution(readings(event=None), attentive())
    assert (made.event, made.width, made.insurance, made.score) == (1.0, 1.0, 0.0, None)


# ---- the score


@pytest.mark.parametrize(
    ("score", "event_", "width", "insurance"),
    [
        (None, None, 1.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (-0.9, 1.0, 1.0, 0.0),
        (0.4, 1.0, 1.1, 0.04),
        (0.0, 1.25, GOLDEN_ROOT, 0.0),
        (0.4, 1.25, GOLDEN_ROOT, 0.04),
        (0.6, 1.25, 1.15, 0.06),
        (-0.4, 1.25, GOLDEN_ROOT, 0.0),
    ],
)
def test_width_follows_the_larger_of_event_and_positive_score_and_insurance_the_score(score, event_, width, insurance):
    made = caution(readings(score=score, event=event_), policy(stress=SHIPPED))
    assert made.width == pytest.approx(width, rel=1e-10)
    assert made.insurance == pytest.approx(insurance, abs=1e-12)


def test_a_part_moves_from_the_inner_layers_in_proportion_to_insurance():
    rules = policy().ladder
    made = cautious_weights(rules, rules.weights_in(Regime.NORMAL), 0.08)
    assert (made.core, made.secondary, made.insurance, made.idle) == pytest.approx((0.45, 0.27, 0.23, 0.05), abs=1e-12)


def test_without_insurance_the_part_stays_idle():
    rules = policy().ladder
    bare = replace(rules, layers=rules.layers[:2])
    made = cautious_weights(bare, rules.weights_in(Regime.NORMAL), 0.08)
    assert (made.core, made.insurance, made.idle) == pytest.approx((0.45, 0.15, 0.13), abs=1e-12)
    unwanted = replace(rules.weights_in(Regime.NORMAL), core=0.65, insurance=0.0)
    made = cautious_weights(rules, unwanted, 0.095)
    assert (made.core, made.insurance, made.idle) == pytest.approx((0.585, 0.0, 0.145), rel=0.01)


def test_no_layer_is_emptied_by_the_score_however_large_its_gain():
    rules = policy().ladder
    made = cautious_weights(rules, rules.weights_in(Regime.CRISIS), 0.5)
    assert (made.core, made.secondary, made.insurance) == (0.0, 0.125, 0.475)


def test_protection_is_asked_for_from_the_score_on_and_a_hold_tells_the_score():
    rules = policy(stress=SHIPPED)
    story = opened(rules)
    for score, asks in ((0.29, False), (0.30, True), (0.35, True)):
        made = decide(story.seen(NOW_S + 60), readings(score=score), rules)
        assert made.is_hold
        assert (("protect", None) in triggers(made)) is asks
        told_score = next(reason for reason in made.reasons if reason.trigger == "score")
        assert (told_score.found, told_score.limit) == (score, 0.4)


def test_the_score_alone_turns_normal_into_stressed_and_its_weights_are_placed():
    rules = policy(stress=SHIPPED)
    story = opened(rules)
    seen = story.seen(NOW_S + 2 * HOUR_S)
    assert decide(seen, readings(score=0.39), rules).regime is Regime.NORMAL
    made = decide(seen, readings(score=0.40), rules)
    assert made.regime is Regime.STRESSED
    assert ("regime", CORE) in triggers(made)
    weights = {move.target.kind: move.target.weight for move in made.moves}
    expected = cautious_weights(rules.ladder, rules.ladder.weights_in(Regime.STRESSED), 0.04)
    assert weights == {kind: pytest.approx(expected.weight(kind)) for kind in LayerKind}


@pytest.mark.parametrize(("score", "kept"), [(0.40, True), (0.37, True), (0.361, True), (0.359, False), (0.0, False)])
def test_the_notch_is_kept_until_the_score_is_below_its_band(score, kept):
    rules = policy(stress=SHIPPED)
    remembered = memory(regime=Regime.STRESSED, lower_regime_since_s=NOW_S - 10 * DAY_S)
    state = next_regime(remembered, weather(readings(score=score), rules), rules.regimes, rules.stress, NOW_S)
    assert (state.regime is Regime.STRESSED) is kept
    assert (state.lower_since_s is None) is kept or state.regime is Regime.NORMAL


def test_a_gap_in_the_score_starts_the_dwell_again():
    rules = policy(stress=SHIPPED)
    waiting = memory(regime=Regime.STRESSED, lower_regime_since_s=NOW_S - 1)

    def after(score):
        return next_regime(waiting, weather(readings(score=score), rules), rules.regimes, rules.stress, NOW_S).lower_since_s

    assert (after(0.0), after(None)) == (NOW_S - 1, None)


def test_usual_is_the_median_that_is_read_or_the_operators_figure():
    rules = policy()
    assert weather(readings(usual=0.3), rules).usual == pytest.approx(0.3, abs=0)
    assert weather(readings(usual=None), rules).usual == rules.regimes.usual_volatility
    for usual, regime in ((0.2, Regime.CRISIS), (0.35, Regime.STRESSED), (None, Regime.NORMAL), (1.2, Regime.CALM)):
        fresh = next_regime(NO_MEMORY, weather(readings(usual=usual), rules), rules.regimes, rules.stress, NOW_S)
        assert fresh.regime is regime


# ---- no direction

DIRECTIONAL = (
    names.RSI,
    names.MACD,
    names.ACCUMULATION,
    names.TAKER_FLOW,
    names.BREADTH,
    names.BREADTH_DIVERGENCE,
    names.EFFECTIVE_RATE_BASE,
    names.EFFECTIVE_RATE_QUOTE,
    names.MARK_DEVIATION,
)
CENTRE = {names.RSI: 50.0}
REACH = {names.RSI: 40.0}


def swinging(side, hour=None):
    """Values of every directional signal: at an hour of a past that swings both ways, or far out on one side now."""
    part = side if hour is None else side * math.sin(hour * 1.7) / 2
    return {
        name: Measure(value=CENTRE.get(name, 0.0) + part * REACH.get(name, 2.0), unit="", as_of_s=NOW_S, source="a test")
        for name in DIRECTIONAL
    }


@pytest.mark.parametrize("alone", [*DIRECTIONAL, None])
def test_mirrored_signals_make_the_same_score_and_the_same_decision(alone):
    scored = DIRECTIONAL if alone is None else (alone,)
    weights = tuple(SignalWeight(name=name, weight=1 / len(scored)) for name in scored)
    rules = policy(stress=replace(SHIPPED, weights=weights))
    made = []
    for side in (1, -1):
        stress = Stress(rules)
        for hour in range(WINDOW):
            stress.push(swinging(side, hour))
        now = swinging(side)
        score = stress.measures(NOW_S, stress.scores(now))[names.STRESS_SCORE].value
        signals = tuple(reading(name, measure.value) for name, measure in now.items())
        made.append(decide(view(), (*readings(score=score), *signals), rules))
        assert score > 0.3
    up, down = made
    assert up.regime is down.regime
    assert [move.target.bands for move in up.moves] == [move.target.bands for move in down.moves]
    assert [move.target.weight for move in up.moves] == pytest.approx([move.target.weight for move in down.moves], rel=1e-12)


def test_what_tells_a_direction_is_turned_into_stress_whichever_way_it_points():
    assert {name for name, risk in RISKS.items() if risk.side is Side.EITHER} == set(DIRECTIONAL)
    for name in DIRECTIONAL:
        assert RISKS[name].turned(2.5) == RISKS[name].turned(-2.5)


def test_a_signal_without_a_say_changes_no_decision():
    rules = policy(stress=SHIPPED)
    bare = decide(view(), readings(score=0.2), rules)
    for value in (0.0, 10.0, 50.0, 90.0, 100.0):
        assert decide(view(), (*readings(score=0.2), reading(names.RSI, value, z=value)), rules) == bare
