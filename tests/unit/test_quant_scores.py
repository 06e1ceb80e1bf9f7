from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.core.quant.scores import mean_interval, qlike


def test_a_perfect_forecast_loses_nothing():
    assert qlike(0.3, 0.3) == 0


def test_too_low_costs_more_than_too_high():
    assert qlike(2.0, 1.0) == pytest.approx(1 - math.log(2))
    assert qlike(2.0, 1.0) > qlike(1.0, 2.0) == pytest.approx(math.log(2) - 0.5)


def test_the_loss_is_least_in_the_mean_for_the_true_variance_although_only_squares_are_seen():
    draw = np.random.default_rng(1)
    squares = (draw.standard_normal(20_000) ** 2).tolist()
    losses = [sum(qlike(square, forecast) for square in squares) for forecast in (0.8, 1.0, 1.25)]
    assert losses[1] == min(losses)


def test_the_interval_of_independent_values_is_the_textbooks():
    values = np.random.default_rng(2).standard_normal(2_000).tolist()
    found = mean_interval(values, block=1, seed=3, resamples=10_000)
    deviation = np.std(values) / math.sqrt(2_000)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx(
        (found.mean - 1.96 * deviation, found.mean + 1.96 * deviation), abs=0.1 * deviation
    )


def test_blocks_see_what_hangs_together():
    shocks = np.random.default_rng(4).standard_normal(4_000)
    values = [0.0]
    for shock in shocks.tolist():
        values.append(0.9 * values[-1] + shock)
    width = [found.upper - found.lower for found in (mean_interval(values, block=block, seed=5) for block in (1, 100))]
    # of an autoregression of 0.9 the mean spreads sqrt(1.9 / 0.1) times as far as of independent values
    assert width[1] / width[0] == pytest.approx(math.sqrt(19), rel=0.2)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(6)
    held = 0
    for seed in range(300):
        found = mean_interval(draw.standard_normal(120).tolist(), block=5, seed=seed, resamples=300)
        held += found.lower <= 0 <= found.upper
    assert 0.88 <= held / 300 <= 0.98


def test_the_seed_alone_decides_the_draw():
    values = np.random.default_rng(7).standard_normal(50).tolist()
    assert mean_interval(values, block=7, seed=1) == mean_interval(values, block=7, seed=1)
    assert mean_interval(values, block=7, seed=1) != mean_interval(values, block=7, seed=2)


def test_more_confidence_takes_a_wider_interval():
    values = np.random.default_rng(8).standard_normal(100).tolist()
    wide, narrow = (mean_interval(values, block=4, seed=1, confidence=c) for c in (0.99, 0.5))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


@pytest.mark.parametrize("block", [1, 3, 10])
def test_a_constant_has_an_interval_without_width(block):
    found = mean_interval([2.0] * 10, block=block, seed=1)
    assert (found.lower, found.mean, found.upper) == (2, 2, 2)


def test_a_block_as_long_as_the_series_is_the_series():
    found = mean_interval([1.0, 2.0, 6.0], block=3, seed=1)
    assert (found.lower, found.upper) == pytest.approx((3, 3))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: qlike(0.0, 1.0), "realised"),
        (lambda: qlike(1.0, 0.0), "forecast"),
        (lambda: qlike(math.nan, 1.0), "realised"),
        (lambda: mean_interval([1.0], block=1, seed=1), "two values"),
        (lambda: mean_interval([1.0, 2.0], block=3, seed=1), "block"),
        (lambda: mean_interval([1.0, 2.0], block=0, seed=1), "block"),
        (lambda: mean_interval([1.0, math.nan], block=1, seed=1), "finite"),
        (lambda: mean_interval([1.0, 2.0], block=1, seed=1, resamples=10), "resamples"),
        (lambda: mean_interval([1.0, 2.0], block=1, seed=1, confidence=1.0), "confidence"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
