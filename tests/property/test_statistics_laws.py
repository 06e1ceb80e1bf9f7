"""What must hold of every statistic that judges a backtest, whatever the returns."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.core.quant.bootstrap import compare_mean, compare_paired
from keeper.core.quant.cash_flows import CashFlow, money_weighted_rates
from keeper.core.quant.folds import walk_forward
from keeper.core.quant.overfitting import backtest_overfitting
from keeper.core.quant.sharpe import (
    Track,
    deflated_sharpe,
    max_drawdown,
    minimum_track_length,
    probabilistic_sharpe,
    sharpe_ratio,
    track_of,
)
from keeper.core.quant.significance import holm, newey_west_test

moves = st.integers(-1_000, 1_000).map(lambda bps: bps / 10_000)
returns_lists = st.lists(moves, min_size=2, max_size=40).filter(lambda found: len(set(found)) > 1)
p_lists = st.lists(st.floats(0, 1), max_size=20)
tracks = st.builds(
    lambda ratio, skewness, extra, n: Track(observations=n, ratio=ratio, skewness=skewness, kurtosis=1 + skewness**2 + extra),
    st.floats(-1, 1),
    st.floats(-3, 3),
    st.floats(0.1, 20),
    st.integers(2, 5_000),
)
lengths = st.fixed_dictionaries(
    {
        "days": st.integers(0, 800),
        "train": st.integers(1, 200),
        "test": st.integers(1, 60),
        "embargo": st.integers(0, 30),
    }
)


# ---- ratios


@given(returns_lists, st.integers(-20, 20))
def test_ratio_and_shape_know_no_unit(returns, exponent):
    here, there = track_of(returns), track_of([math.ldexp(r, exponent) for r in returns])
    assert (there.ratio, there.skewness, there.kurtosis) == pytest.approx((here.ratio, here.skewness, here.kurtosis), rel=1e-9)


@given(returns_lists)
def test_a_record_turned_over_has_the_opposite_ratio_and_skewness(returns):
    here, there = track_of(returns), track_of([-r for r in returns])
    assert (there.ratio, there.skewness) == pytest.approx((-here.ratio, -here.skewness), abs=1e-12)
    assert here.ratio == sharpe_ratio(returns)


@given(tracks, st.floats(-1, 1), st.integers(1, 10_000), st.floats(0, 1))
def test_belief_is_a_probability_that_trials_only_lower(track, benchmark, trials, variance):
    assert 0 <= probabilistic_sharpe(track, benchmark=benchmark) <= 1
    assert 0 <= deflated_sharpe(track, trials=trials, variance=variance) <= probabilistic_sharpe(track)


@given(tracks, st.floats(-1, 1), st.floats(0.51, 0.999))
def test_the_minimum_length_is_where_belief_reaches_the_confidence(track, benchmark, confidence):
    needed = minimum_track_length(track, benchmark=benchmark, confidence=confidence)
    assume(needed < 1e9 and abs(track.observations - needed) > 1e-6 * needed)
    assert (probabilistic_sharpe(track, benchmark=benchmark) >= confidence) == (track.observations >= needed)


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=40), st.integers(-20, 20))
def test_drawdown_is_a_loss_that_was_really_made(values, exponent):
    found = max_drawdown(values)
    assert -1 <= found <= 0
    assert found == min(later / earlier - 1 for at, earlier in enumerate(values) for later in values[at:])
    assert max_drawdown([math.ldexp(value, exponent) for value in values]) == found


# ---- tests of a mean


@given(st.lists(moves, min_size=2, max_size=30), st.floats(1, 30), st.integers(0, 2**32))
def test_a_resampled_mean_lies_within_the_values(values, block, seed):
    found = compare_mean(values, seed=seed, block=min(block, len(values)), resamples=100)
    interval = found.interval
    assert min(values) - 1e-12 <= interval.lower <= interval.upper <= max(values) + 1e-12
    assert 1 / 101 <= found.p_value <= 1


@given(st.lists(st.tuples(moves, moves), min_size=2, max_size=30), moves, st.integers(0, 2**32))
def test_what_both_of_a_pair_got_changes_nothing(pairs, gift, seed):
    ours, theirs = zip(*pairs, strict=True)
    here = compare_paired(ours, theirs, seed=seed, block=1, resamples=100).interval
    there = compare_paired([x + gift for x in ours], [x + gift for x in theirs], seed=seed, block=1, resamples=100).interval
    assert (there.mean, there.lower, there.upper) == pytest.approx((here.mean, here.lower, here.upper), abs=1e-12)


@given(returns_lists, st.integers(-20, 20), st.integers(0, 5))
def test_the_test_of_a_mean_knows_no_unit(values, exponent, lags):
    lags = min(lags, len(values) - 1)
    here = newey_west_test(values, lags=lags)
    there = newey_west_test([math.ldexp(value, exponent) for value in values], lags=lags)
    assert there.t == pytest.approx(here.t, rel=1e-12)
    assert 0 <= here.p_value <= 1


@given(p_lists)
def test_holm_never_lowers_a_p_value_nor_changes_their_order(p_values):
    found = holm(p_values)
    assert all(p <= adjusted <= 1 for p, adjusted in zip(p_values, found, strict=True))
    in_order = [adjusted for _, adjusted in sorted(zip(p_values, found, strict=True))]
    assert in_order == sorted(in_order)


@given(p_lists, st.floats(0, 1))
def test_holm_rejects_what_its_steps_reject(p_values, level):
    rejected = 0
    for left, p in zip(range(len(p_values), 0, -1), sorted(p_values), strict=True):
        if p * left > level:
            break
        rejected += 1
    assert sum(adjusted <= level for adjusted in holm(p_values)) == rejected or level >= 1


# ---- folds and trials


@given(lengths)
def test_no_day_to_learn_from_lies_within_the_embargo_of_a_day_that_judges(given_lengths):
    for fold in walk_forward(**given_lengths):
        assert len(fold.train) == given_lengths["train"]
        assert len(fold.test) == given_lengths["test"]
        assert fold.test[0] - fold.train[-1] == given_lengths["embargo"] + 1
        assert fold.train[0] >= 0


@given(lengths)
def test_days_that_judge_follow_one_another_to_the_end(given_lengths):
    judged = [day for fold in walk_forward(**given_lengths) for day in fold.test]
    assert judged == list(range(given_lengths["days"] - len(judged), given_lengths["days"]))
    left = given_lengths["days"] - len(judged) - given_lengths["train"] - given_lengths["embargo"]
    assert left < given_lengths["test"]


@given(st.lists(st.lists(moves, min_size=16, max_size=16), min_size=2, max_size=6), st.integers(-20, 20))
def test_overfitting_knows_no_unit_and_no_trial_names(trials, exponent):
    found = backtest_overfitting(trials, blocks=4)
    assert found.splits == 6
    assert 0 <= found.probability <= 1
    scaled = [[math.ldexp(r, exponent) for r in trial] for trial in trials]
    assert backtest_overfitting(scaled, blocks=4) == found


# ---- rates


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(-10_000, 10_000)), min_size=1, max_size=8))
def test_at_every_rate_told_the_flows_are_worth_nothing(rest):
    first = date(2024, 1, 1)
    flows = [CashFlow(day=first, amount=-10_000.0)]
    flows += [CashFlow(day=first + timedelta(days=days), amount=float(amount)) for days, amount in rest]
    for rate in money_weighted_rates(flows):
        worths = [flow.amount * math.pow(1 + rate, -(flow.day - first).days / 365) for flow in flows]
        assert math.fsum(worths) == pytest.approx(0, abs=1e-6 * math.fsum(map(abs, worths)))
