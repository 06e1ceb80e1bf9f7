from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.core.quant.sharpe import (
    Track,
    annualised,
    deflated_sharpe,
    expected_best_ratio,
    max_drawdown,
    minimum_track_length,
    probabilistic_sharpe,
    sharpe_ratio,
    sortino_ratio,
    track_of,
)


def test_the_ratio_is_the_mean_over_the_sample_deviation():
    assert sharpe_ratio([1.0, 3.0]) == pytest.approx(2 / math.sqrt(2))
    assert sharpe_ratio([1.0, 3.0], target=2.0) == 0


def test_only_what_falls_short_counts_as_risk_for_sortino():
    assert sortino_ratio([4.0, -2.0]) == pytest.approx(1 / math.sqrt(4 / 2))
    assert sortino_ratio([400.0, -2.0]) > sortino_ratio([4.0, -2.0])


def test_drawdown_is_from_the_highest_value_so_far():
    assert max_drawdown([100.0, 80.0, 200.0, 150.0, 170.0]) == pytest.approx(-0.25)
    assert max_drawdown([1.0, 2.0, 3.0]) == 0
    assert max_drawdown([1.0, 0.0]) == -1


def test_shape_of_a_record_is_that_of_its_moments():
    returns = np.random.default_rng(1).exponential(size=200_000) + 0.5
    found = track_of(returns.tolist())
    assert found.observations == 200_000
    assert (found.ratio, found.skewness, found.kurtosis) == pytest.approx((1.5, 2, 9), rel=0.05)


def test_a_record_no_better_than_its_benchmark_is_a_coin_toss():
    track = Track(observations=250, ratio=0.1, skewness=-1.0, kurtosis=6.0)
    assert probabilistic_sharpe(track, benchmark=0.1) == pytest.approx(0.5)
    assert probabilistic_sharpe(track, benchmark=0.2) < 0.5 < probabilistic_sharpe(track)


def test_longer_and_less_skewed_records_are_surer():
    surer = [
        probabilistic_sharpe(Track(observations=n, ratio=0.1, skewness=s, kurtosis=10.0))
        for n, s in ((50, -2.0), (100, -2.0), (100, 0.0), (100, 2.0))
    ]
    assert surer == sorted(surer)


def test_the_probability_is_the_one_that_many_records_show():
    draw = np.random.default_rng(2)
    records = draw.standard_normal((4_000, 120)) + 0.1
    ratios = records.mean(axis=1) / records.std(axis=1, ddof=1)
    exceeded = [probabilistic_sharpe(Track(observations=120, ratio=float(ratio)), benchmark=0.1) for ratio in ratios]
    # of a true benchmark the probabilities are evenly spread: 4 standard errors of a share of 4,000
    for level in (0.05, 0.5, 0.95):
        assert np.mean([p <= level for p in exceeded]) == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 4_000))


def test_the_best_of_many_worthless_trials_is_what_the_formula_expects():
    best = np.random.default_rng(3).standard_normal((4_000, 100)).max(axis=1)
    # the formula is that of the limit of many trials: of a hundred it asks 1 % too much
    assert expected_best_ratio(trials=100, variance=1.0) == pytest.approx(1.01 * best.mean(), rel=0.01)
    assert expected_best_ratio(trials=100, variance=0.25) == pytest.approx(1.01 * best.mean() / 2, rel=0.01)


def test_of_one_trial_nothing_was_chosen():
    track = Track(observations=100, ratio=0.2)
    assert deflated_sharpe(track, trials=1, variance=1.0) == probabilistic_sharpe(track)


def test_every_further_trial_costs_belief():
    track = Track(observations=1_000, ratio=0.1)
    believed = [deflated_sharpe(track, trials=n, variance=0.001) for n in (1, 2, 10, 1_000)]
    assert believed == sorted(believed, reverse=True)


def test_at_the_minimum_length_the_record_is_just_as_sure_as_wanted():
    shape = Track(observations=2, ratio=0.2, skewness=-0.5, kurtosis=5.0)
    needed = minimum_track_length(shape, benchmark=0.05, confidence=0.9)
    for length, enough in ((math.floor(needed), False), (math.ceil(needed), True)):
        track = Track(observations=length, ratio=0.2, skewness=-0.5, kurtosis=5.0)
        assert (probabilistic_sharpe(track, benchmark=0.05) >= 0.9) is enough


def test_no_length_tells_a_record_from_a_benchmark_that_it_does_not_beat():
    assert minimum_track_length(Track(observations=2, ratio=0.1), benchmark=0.1) == math.inf


def test_a_record_whose_ratio_has_no_error_is_judged_by_the_ratio_alone():
    certain = track_of([1.0, 1.0, -1.0, 1.0])
    certain = Track(observations=4, ratio=2 / certain.skewness, skewness=certain.skewness, kurtosis=1 + certain.skewness**2)
    assert certain.uncertainty == pytest.approx(0, abs=1e-12)
    exact = Track(observations=4, ratio=2.0, skewness=1.0, kurtosis=2.0)
    assert [probabilistic_sharpe(exact, benchmark=b) for b in (3.0, 2.0, 1.0)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sharpe_ratio([1.0]), "two returns"),
        (lambda: sharpe_ratio([0.1, 0.1, 0.1]), "all equal"),
        (lambda: sharpe_ratio([1.0, math.nan]), "finite"),
        (lambda: sortino_ratio([1.0, 2.0]), "below the target"),
        (lambda: max_drawdown([]), "one value"),
        (lambda: max_drawdown([0.0, 1.0]), "first_value"),
        (lambda: max_drawdown([1.0, -0.1]), "value"),
        (lambda: annualised(1.0, periods_a_year=0.0), "periods_a_year"),
        (lambda: Track(observations=1, ratio=1.0), "observations"),
        (lambda: Track(observations=9, ratio=1.0, kurtosis=0.0), "kurtosis"),
        (lambda: Track(observations=9, ratio=1.0, skewness=-3.0, kurtosis=7.0), "not excess"),
        (lambda: expected_best_ratio(trials=0, variance=1.0), "trials"),
        (lambda: expected_best_ratio(trials=2, variance=-1.0), "variance"),
        (lambda: minimum_track_length(Track(observations=9, ratio=1.0), confidence=0.4), "confidence"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
