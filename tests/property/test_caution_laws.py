"""What must hold of the regime and of caution, whatever the market does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.ladder import Regime
from keeper.core.model.policy import RegimeWeights, SignalWeight, StressPolicy
from keeper.core.model.view import Quality
from keeper.core.signals import names
from keeper.core.strategy.caution import caution, cautious_weights
from keeper.core.strategy.regime import next_regime, weather
from tests.builders import NOW_S, ladder_policy, memory, policy, readings

RULES = policy().regimes
UNSCORED = StressPolicy()
SCORED = StressPolicy(weights=(SignalWeight(name=names.RSI, weight=1.0),))
volatilities = st.floats(0.0, 5.0)
regimes = st.sampled_from(list(Regime))
poor = st.sampled_from([Quality.SHORT, Quality.STALE, Quality.MISSING])
scores = st.floats(-0.905, 0.905)
maybe_scores = st.none() | scores
moments = st.none() | st.integers(0, 100_000).map(lambda ago: NOW_S - ago)


def known(value=0.6, quality=Quality.GOOD, implied=0.6, **more):
    missing = quality is Quality.MISSING
    return readings(None if missing else value, quality=quality, implied=implied, **more)


def regime_of(remembered, value, *, quality=Quality.GOOD, score=None, rules=RULES, stress=SCORED, now_s=NOW_S):
    seen = weather(known(value, quality, score=score), policy(regimes=rules, stress=stress))
    return next_regime(remembered, seen, rules, stress, now_s)


def carried(remembered, state):
    return replace(remembered, regime=state.regime, regime_since_s=state.since_s, lower_regime_since_s=state.lower_since_s)


# ---- regime


@settings(deadline=None)
@given(regimes, volatilities, maybe_scores, moments, st.integers(1, 90_000), st.sampled_from([SCORED, UNSCORED]))
def test_deciding_twice_in_the_same_moment_changes_nothing(regime, value, score, lower, dwell, stress):
    rules = replace(RULES, dwell_s=dwell)
    remembered = memory(regime=regime, lower_regime_since_s=lower)
    once = regime_of(remembered, value, score=score, rules=rules, stress=stress)
    again = regime_of(carried(remembered, once), value, score=score, rules=rules, stress=stress)
    assert (again.regime, again.lower_since_s, again.since_s) == (once.regime, once.lower_since_s, once.since_s)


@settings(deadline=None)
@given(
    st.sampled_from([("normal_from", Regime.CALM), ("stressed_from", Regime.NORMAL), ("crisis_from", Regime.STRESSED)]),
    st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=30),
    st.booleans(),
)
def test_inside_the_band_of_an_edge_nothing_flaps(edge, wobble, start_above):
    name, below = edge
    middle = getattr(RULES, name) * RULES.usual_volatility
    regime = list(Regime)[below.severity + 1] if start_above else below
    remembered, now = memory(regime=regime), NOW_S
    for step in wobble:
        state = regime_of(remembered, middle * (1 + RULES.band * step), stress=UNSCORED, now_s=now)
        assert state.regime is regime
        assert state.lower_since_s is None
        remembered, now = replace(remembered, lower_regime_since_s=state.lower_since_s), now + 100_000


@settings(deadline=None)
@given(
    st.sampled_from([("normal_from", 0), ("stressed_from", 1), ("crisis_from", 2)]),
    st.lists(st.tuples(st.floats(-0.99, 0.99), st.floats(0.001, 0.999)), min_size=1, max_size=30),
    st.integers(0, 2),
)
def test_inside_the_bands_of_an_edge_and_of_the_score_nothing_flaps(edge, wobble, notches):
    name, below = edge
    middle = getattr(RULES, name) * RULES.usual_volatility
    regime = list(Regime)[min(below + notches, 3)]
    remembered, now = memory(regime=regime), NOW_S
    for ratio, part in wobble:
        score = SCORED.raise_from * (1 - RULES.band * part)
        state = regime_of(remembered, middle * (1 + RULES.band * ratio), score=score, now_s=now)
        assert state.regime is regime
        assert state.lower_since_s is None
        remembered, now = carried(remembered, state), now + 100_000


@settings(deadline=None)
@given(st.none() | regimes, volatilities, poor, maybe_scores)
def test_poor_data_is_never_calmer_than_good_and_never_below_stressed(regime, value, quality, score):
    remembered = memory(regime=regime)
    state = regime_of(remembered, value, quality=quality, score=score)
    assert state.regime.severity >= Regime.STRESSED.severity
    assert regime is None or state.regime.severity >= regime.severity
    assert state.lower_since_s is None


@settings(deadline=None)
@given(regimes, volatilities)
def test_rougher_is_believed_at_once_and_calmer_takes_its_dwell_and_one_notch(regime, value):
    remembered = memory(regime=regime)
    state = regime_of(remembered, value, stress=UNSCORED)
    ratio = value / RULES.usual_volatility
    edges = (RULES.normal_from, RULES.stressed_from, RULES.crisis_from)
    assert state.regime.severity == max(regime.severity, sum(ratio >= edge * (1 + RULES.band) for edge in edges))
    calmer = regime.severity > 0 and ratio < edges[regime.severity - 1] * (1 - RULES.band)
    assert (state.lower_since_s is not None) == calmer
    waited = replace(remembered, lower_regime_since_s=NOW_S)
    after = regime_of(waited, value, stress=UNSCORED, now_s=NOW_S + RULES.dwell_s)
    if calmer:
        assert after.regime.severity == regime.severity - 1
        assert regime_of(waited, value, stress=UNSCORED, now_s=NOW_S + RULES.dwell_s - 1).regime is regime


@settings(deadline=None)
@given(st.none() | regimes, volatilities, scores, moments, st.booleans())
def test_the_score_adds_one_notch_to_what_the_ratio_says_or_none(regime, value, score, lower, placed):
    remembered = memory(regime=regime, lower_regime_since_s=lower)
    remembered = remembered if placed else replace(remembered, layers=())
    neutral = regime_of(remembered, value, score=0.0)
    scored = regime_of(remembered, value, score=score)
    assert 0 <= scored.regime.severity - neutral.regime.severity <= 1
    if score < SCORED.raise_from * (1 - RULES.band):
        assert scored == neutral


@settings(deadline=None)
@given(st.sampled_from([name for name in Regime if name is not Regime.CALM]), volatilities, moments)
def test_a_missing_score_lets_nothing_become_calmer_while_signals_have_weight(regime, value, lower):
    remembered = memory(regime=regime, lower_regime_since_s=lower)
    state = regime_of(remembered, value, score=None)
    assert state.regime.severity >= regime.severity
    assert state.lower_since_s is None
    assert regime_of(remembered, value, score=None, stress=UNSCORED) == regime_of(remembered, value, score=0.0)


@settings(deadline=None)
@given(regimes, st.lists(st.tuples(volatilities, maybe_scores, st.integers(12, 50_000)), min_size=2, max_size=20))
def test_the_regime_goes_down_by_one_notch_at_a_time_and_not_before_its_dwell(regime, cycles):
    remembered, now = memory(regime=regime), NOW_S
    changed_s = NOW_S
    for value, score, later in cycles:
        now += later
        state = regime_of(remembered, value, score=score, now_s=now)
        notches = remembered.regime.severity - state.regime.severity
        assert notches <= 1
        assert notches < 1 or now - changed_s >= RULES.dwell_s
        changed_s = changed_s if notches == 0 else now
        remembered = carried(remembered, state)


# ---- caution


inner_parts = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 1))


@settings(deadline=None)
@given(inner_parts, st.floats(0, 1), st.booleans())
def test_cautious_weights_are_parts_of_one_whole(parts, part, layered):
    rules = ladder_policy() if layered else ladder_policy(layers=ladder_policy().layers[:2])
    core, secondary, insurance, idle = (one / sum(parts) for one in parts)
    before = RegimeWeights(regime=Regime.NORMAL, core=core, secondary=secondary, insurance=insurance, idle=idle)
    after = cautious_weights(rules, before, part)
    each = (after.core, after.secondary, after.insurance, after.idle)
    assert sum(each) == pytest.approx(1.0, abs=1e-12)
    assert all(0 <= one <= 1 + 1e-12 for one in each)
    assert after.core <= core
    assert after.secondary <= secondary
    assert after.core * secondary == pytest.approx(after.secondary * core, abs=1e-12)
    moved = core + secondary - after.core - after.secondary
    insured = layered and insurance > 0
    assert after.insurance - insurance == pytest.approx(moved if insured else 0, abs=1e-12)
    assert after.idle - idle == pytest.approx(0 if insured else moved, abs=1e-12)
    # the score, which has no hysteresis, neither opens nor closes a layer
    for name in ("core", "secondary", "insurance"):
        assert (getattr(after, name) > 0) == (getattr(before, name) > 0)


@settings(deadline=None)
@given(scores, scores, st.floats(1, 2), st.floats(1, 2), st.floats(0, 1), st.floats(0, 0.5))
def test_more_stress_or_variance_never_means_less_width_or_insurance(one, other, event, later, width, insurance):
    rules = policy(stress=replace(SCORED, width_gain=width, insurance_gain=insurance))
    low, high = sorted((one, other))
    less, more = (
        caution(known(score=score, event=multiplier), rules)
        for score, multiplier in ((low, min(event, later)), (high, max(event, later)))
    )
    assert 1 <= less.width <= more.width
    assert 0 <= less.insurance <= more.insurance <= 1
    for regime in Regime:
        weights = rules.ladder.weights_in(regime)
        before, after = (cautious_weights(rules.ladder, weights, each.insurance) for each in (less, more))
        assert weights.insurance <= before.insurance <= after.insurance
