from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.quant.volatility import (
    Bar,
    annualised,
    bipower,
    close_to_close,
    decay_of,
    ewma,
    garman_klass,
    garman_klass_full,
    jump,
    parkinson,
    rogers_satchell,
    sample_variance,
    subsampled,
    two_scale,
    yang_zhang,
    yang_zhang_weight,
)

returns_lists = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=40)


def walk(steps: int, sigma: float, noise: float, seed: int) -> list[float]:
    chance = random.Random(seed)
    price, seen = 0.0, []
    for _ in range(steps + 1):
        seen.append(price + chance.gauss(0, noise))
        price += chance.gauss(0, sigma / math.sqrt(steps))
    return seen


def test_annualising_inverts_the_share_of_the_year():
    assert annualised(0.8**2 / 365, 86_400) == pytest.approx(0.8, rel=1e-14)


@settings(deadline=None)
@given(returns_lists, st.floats(0, 0.99))
def test_ewma_is_a_weighted_mean_of_the_squares(returns, decay):
    squares = [r * r for r in returns]
    assert min(squares) - 1e-15 <= ewma(returns, decay) <= max(squares) + 1e-15


@settings(deadline=None)
@given(returns_lists, st.floats(0.1, 0.99), st.floats(0, 1))
def test_a_seed_is_forgotten_by_one_decay_a_return(returns, decay, seed):
    moved = ewma(returns, decay, seed=seed) - ewma(returns, decay, seed=0.0)
    assert moved == pytest.approx(seed * decay ** len(returns), abs=1e-12)


def test_decay_halves_in_a_half_life():
    assert decay_of(3_600, 300) ** 12 == pytest.approx(0.5, rel=1e-12)


def test_two_scale_sees_through_noise_that_fools_plain_realised_variance():
    found = [walk(20_000, 0.05, 0.0005, seed) for seed in range(6)]
    plain = sum(subsampled(prices, 1) for prices in found) / 6
    corrected = sum(two_scale(prices, 100) for prices in found) / 6
    assert plain > 4 * 0.05**2
    assert corrected == pytest.approx(0.05**2, rel=0.08)


def test_two_scale_can_fall_below_zero_on_noise_alone():
    assert any(two_scale(walk(30, 0.0, 0.01, seed), 5) < 0 for seed in range(10))


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=60), st.integers(2, 5))
def test_two_scale_is_what_its_formula_says(prices, stride):
    n = len(prices) - 1
    grids = [sum((b - a) ** 2 for a, b in itertools.pairwise(prices[k::stride])) for k in range(stride)]
    slow, fast = sum(grids) / stride, sum((b - a) ** 2 for a, b in itertools.pairwise(prices))
    share = (n - stride + 1) / stride / n
    assert two_scale(prices, stride) == pytest.approx((slow - share * fast) / (1 - share), abs=1e-9)


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_garman_klass_is_never_negative(opened, close, above, below):
    bar = Bar(open=opened, close=close, high=max(opened, close) + above, low=min(opened, close) - below)
    assert garman_klass([bar]) >= 0


def test_garman_klass_agrees_with_returns_on_a_finely_seen_walk():
    prices = walk(40_000, 0.2, 0.0, 3)
    chunks = [prices[i : i + 401] for i in range(0, 40_000, 400)]
    made = [Bar(open=c[0], high=max(c), low=min(c), close=c[-1]) for c in chunks]
    assert garman_klass(made) * 100 == pytest.approx(0.2**2, rel=0.2)


def test_gaps_between_bars_are_seen_by_yang_and_zhang_alone():
    chance = random.Random(4)
    made, price = [], 0.0
    for _ in range(4_000):
        price += chance.gauss(0, 0.1)  # while nobody trades
        path = [price]
        for _ in range(100):
            path.append(path[-1] + chance.gauss(0, 0.01))
        made.append(Bar(open=path[0], high=max(path), low=min(path), close=path[-1]))
        price = path[-1]
    assert yang_zhang(made) == pytest.approx(0.1**2 + 0.1**2, rel=0.1)
    assert rogers_satchell(made) < 0.011


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: close_to_close([]), "returns are needed"),
        (lambda: close_to_close([math.nan]), "finite"),
        (lambda: ewma([0.1], 1.0), "decay"),
        (lambda: ewma([0.1], 0.9, seed=-1.0), "seed"),
        (lambda: decay_of(0, 1), "half_life_s"),
        (lambda: garman_klass([]), "bar"),
        (lambda: Bar(open=0, high=0.1, low=-0.1, close=0.2), "between"),
        (lambda: Bar(open=0, high=math.inf, low=0, close=0), "finite"),
        (lambda: subsampled([0, 1], 2), "3 log prices"),
        (lambda: subsampled([0, 1], 0), "stride"),
        (lambda: two_scale([0, 1, 2], 1), "stride"),
        (lambda: sample_variance([0.1]), "2 returns"),
        (lambda: parkinson([]), "bar"),
        (lambda: garman_klass_full([]), "bar"),
        (lambda: rogers_satchell([]), "bar"),
        (lambda: yang_zhang([Bar(open=0, high=0, low=0, close=0)] * 2), "3 bars"),
        (lambda: yang_zhang_weight(1), "two bars"),
        (lambda: bipower([0.1]), "2 returns"),
        (lambda: bipower([0.1, math.nan]), "finite"),
        (lambda: jump(-1.0, 0.0), "realised"),
        (lambda: jump(0.0, math.nan), "continuous"),
        (lambda: annualised(-1.0, 60), "variance"),
        (lambda: annualised(1.0, 0), "interval_s"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
