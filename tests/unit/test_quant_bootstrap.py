from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.core.quant.bootstrap import compare_mean, compare_paired, optimal_block


def remembering(count: int, memory: float, seed: int) -> list[float]:
    """Autoregression about zero, its start forgotten."""
    shocks = np.random.default_rng(seed).standard_normal(count + 200)
    values = [0.0]
    for shock in shocks.tolist():
        values.append(memory * values[-1] + shock)
    return values[-count:]


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.3, 0.7, 0.9])
@pytest.mark.parametrize("count", [500, 2_000])
def test_the_block_is_the_one_of_another_implementation(memory, count):
    from arch.bootstrap import optimal_block_length

    for seed in range(4):
        values = remembering(count, memory, seed)
        theirs = float(optimal_block_length(np.asarray(values))["stationary"].iloc[0])
        assert optimal_block(values) == pytest.approx(max(theirs, 1.0), rel=1e-9)


def test_longer_memory_takes_longer_blocks():
    blocks = [optimal_block(remembering(2_000, memory, 1)) for memory in (0.0, 0.5, 0.8, 0.95)]
    assert blocks == sorted(blocks)
    assert blocks[0] < 4


def test_a_series_that_never_moves_needs_no_blocks():
    assert optimal_block([0.1] * 50) == 1
    found = compare_mean([0.1] * 50, seed=1)
    assert (found.interval.lower, found.interval.upper) == pytest.approx((0.1, 0.1), rel=1e-14)


def test_draws_are_those_of_the_stationary_bootstrap():
    # with blocks of a mean of b the mean of n values spreads as sum over lags of (1 - lag/n) (1 - 1/b)^lag and its mirror
    values, block = remembering(60, 0.8, 2), 5.0
    apart = np.asarray(values) - np.mean(values)
    kept = 1 - 1 / block
    spread = 0.0
    for lag in range(60):
        circular = float(apart @ np.roll(apart, lag)) / 60
        weight = (1 - lag / 60) * kept**lag + lag / 60 * kept ** (60 - lag)
        spread += circular * weight / 60
    found = compare_mean(values, seed=3, block=block, resamples=40_000, confidence=0.6826894921370859)
    width = (found.interval.upper - found.interval.lower) / 2
    assert width == pytest.approx(math.sqrt(spread), rel=0.02)


def test_the_interval_holds_the_truth_about_as_often_as_it_says_where_days_hang_together():
    held = alone = 0
    for seed in range(200):
        values = remembering(300, 0.5, seed)
        found = compare_mean(values, seed=seed, resamples=300).interval
        held += found.lower <= 0 <= found.upper
        found = compare_mean(values, seed=seed, resamples=300, block=1).interval
        alone += found.lower <= 0 <= found.upper
    assert 0.87 <= held / 200 <= 0.99
    assert alone / 200 < 0.80  # single days see too little


def test_p_values_of_a_true_zero_are_evenly_spread():
    draw = np.random.default_rng(4)
    found = [compare_mean(draw.standard_normal(100).tolist(), seed=seed, block=1, resamples=300).p_value for seed in range(300)]
    for level in (0.1, 0.5, 0.9):
        assert np.mean([p <= level for p in found]) == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 300))


def test_the_p_value_is_small_where_the_interval_leaves_zero_out():
    values = [x + 0.3 for x in remembering(400, 0.2, 5)]
    found = compare_mean(values, seed=1)
    assert found.interval.lower > 0
    assert found.p_value < 0.05
    assert compare_mean([-x for x in values], seed=1).p_value == pytest.approx(found.p_value, abs=0.01)


def test_pairs_cancel_what_both_suffered():
    market = [10 * x for x in remembering(365, 0.3, 6)]
    ours = [m + 0.1 + 0.2 * x for m, x in zip(market, remembering(365, 0.0, 7), strict=True)]
    paired = compare_paired(ours, market, seed=1).interval
    alone = compare_mean(ours, seed=1).interval
    assert paired.lower > 0
    assert paired.upper - paired.lower < (alone.upper - alone.lower) / 10


def test_the_seed_alone_decides_the_draw():
    values = remembering(100, 0.4, 8)
    assert compare_mean(values, seed=1) == compare_mean(values, seed=1)
    assert compare_mean(values, seed=1) != compare_mean(values, seed=2)


def test_many_resamples_of_a_long_series_are_drawn_in_parts(monkeypatch):
    from keeper.core.quant import bootstrap

    monkeypatch.setattr(bootstrap, "_BLOCKS_AT_ONCE", 1)
    found = compare_mean(remembering(100, 0.4, 9), seed=1, block=4.0, resamples=500)
    assert found.interval.lower < found.interval.mean < found.interval.upper


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: optimal_block([1.0] * 15), "16 values"),
        (lambda: optimal_block([1.0] * 15 + [math.nan]), "finite"),
        (lambda: compare_mean([1.0], seed=1, block=1), "two values"),
        (lambda: compare_mean([1.0, 2.0], seed=1, block=0.5), "block"),
        (lambda: compare_mean([1.0, 2.0], seed=1, block=3), "block"),
        (lambda: compare_mean([1.0, 2.0], seed=1), "16 values"),
        (lambda: compare_mean([1.0, math.inf], seed=1, block=1), "finite"),
        (lambda: compare_mean([1.0, 2.0], seed=1, block=1, resamples=99), "resamples"),
        (lambda: compare_mean([1.0, 2.0], seed=1, block=1, confidence=0.0), "confidence"),
        (lambda: compare_paired([1.0], [1.0, 2.0], seed=1), "same days, not 1 and 2"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
