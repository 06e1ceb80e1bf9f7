from __future__ import annotations

import math

import pytest

from keeper.core.quant.fusion import Term, influence_bound, squashed, stress_score, variance_multiplier


def test_a_single_term_is_the_score_whatever_it_weighs():
    for weight in (0.01, 1.0, 50.0):
        assert stress_score([Term(weight=weight, z=1.0)]).value == pytest.approx(math.tanh(0.5), rel=1e-15)


def test_silence_is_not_calm():
    silent = stress_score([Term(weight=1.0, z=None)])
    assert (silent.value, silent.available) == (None, 0)
    assert stress_score([]) == silent
    assert stress_score([Term(weight=0.0, z=3.0)]) == silent


def test_a_term_without_weight_changes_nothing():
    heard = [Term(weight=0.5, z=1.0), Term(weight=0.5, z=None)]
    assert stress_score([*heard, Term(weight=0.0, z=-3.0)]) == stress_score(heard)


def test_available_is_the_share_of_weight_that_is_heard():
    found = stress_score([Term(weight=3.0, z=0.0), Term(weight=1.0, z=None)])
    assert (found.value, found.available) == (0, 0.75)


def test_a_shout_says_no_more_than_three_deviations():
    assert squashed(9.0) == squashed(3.0) == -squashed(-1e300) == pytest.approx(0.9051482536)


def test_the_bound_is_reached_by_a_term_that_turns_round():
    others = [Term(weight=0.85, z=0.3)]
    high, low = (stress_score([*others, Term(weight=0.15, z=z)]).value for z in (1e9, -1e9))
    assert high - low == pytest.approx(influence_bound(0.15, 1.0), rel=1e-12)
    assert influence_bound(0.15, 1.0) == pytest.approx(1.81 * 0.15, rel=1e-3)


def test_no_event_and_an_event_without_effect_leave_variance():
    assert variance_multiplier(horizon_s=3_600, event_s=0, kappa=9) == 1
    assert variance_multiplier(horizon_s=3_600, event_s=1_800, kappa=1) == 1


def test_an_event_beyond_the_horizon_counts_only_inside():
    assert variance_multiplier(horizon_s=3_600, event_s=1e9, kappa=4) == variance_multiplier(
        horizon_s=3_600, event_s=3_600, kappa=4
    )
    assert variance_multiplier(horizon_s=3_600, event_s=3_600, kappa=4) == 4


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Term(weight=-1.0, z=0.0), "weight"),
        (lambda: Term(weight=1.0, z=math.nan), "z must be finite"),
        (lambda: influence_bound(1.0, 0.0), "available"),
        (lambda: variance_multiplier(horizon_s=0, event_s=0, kappa=1), "horizon_s"),
        (lambda: variance_multiplier(horizon_s=1, event_s=-1, kappa=1), "event_s"),
        (lambda: variance_multiplier(horizon_s=1, event_s=1, kappa=-1), "kappa"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
