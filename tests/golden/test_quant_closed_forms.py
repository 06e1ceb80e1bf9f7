"""Formulas held against simulated prices and exact amounts: neither side was made from the other.

Draws are seeded, and tolerances are four standard errors of the draw at hand: one in sixteen thousand fails by chance, once.
"""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest

from keeper.core.quant.barrier import expected_exit_years, expected_years_inside, stay_probability
from keeper.core.quant.lvr import (
    arbitrage_rate,
    concentration,
    full_range_loss,
    implied_volatility_from_volume,
    lvr_rate,
    trade_probability,
)
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity

SIGMA = 0.8
WEEK = 7 / 365
LOWER, UPPER = math.log(1600 / 2000), math.log(2500 / 2000)
Q96 = 2**96
RAW = 10**18
"""Both tokens have 18 decimals here."""
G1 = 1059.01699437495
"""Liquidity of 10,000 token1 at 2000 over [1600, 2500]."""
FULL = (1e-38, 1e38)


def root_x96(price: float) -> int:
    return math.isqrt(int(price * 2.0**192))


def amounts(liquidity: float, price: float, bounds: tuple[float, float]) -> tuple[float, float]:
    at, lower, upper = (root_x96(p) for p in (price, *bounds))
    raw0, raw1 = get_amounts_for_liquidity(at, lower, upper, round(liquidity * RAW))
    return raw0 / RAW, raw1 / RAW


def worth(liquidity: float, price: float, bounds: tuple[float, float]) -> float:
    amount0, amount1 = amounts(liquidity, price, bounds)
    return amount0 * price + amount1


# ---- loss versus rebalancing


def rebalanced_and_held(liquidity: int, roots: list[int], bounds: tuple[int, int]) -> list[int]:
    """What rebalancing gained over the position at each step, exactly, times 2**192."""
    lost = []
    here = get_amounts_for_liquidity(roots[0], *bounds, liquidity)
    for root, following in pairwise(roots):
        there = get_amounts_for_liquidity(following, *bounds, liquidity)
        rebalanced = here[0] * (following**2 - root**2)
        gained = there[0] * following**2 - here[0] * root**2 + (there[1] - here[1]) * Q96**2
        lost.append(rebalanced - gained)
        here = there
    return lost


@pytest.mark.parametrize("half_width", [0.15, 0.5, 13.0])
def test_loss_versus_rebalancing_of_simulated_paths_is_the_closed_form(half_width):
    draw, paths, steps, years = np.random.default_rng(1), 20, 1_500, 2 / 365
    step_years = years / steps
    bounds = (root_x96(2000 * math.exp(-half_width)), root_x96(2000 * math.exp(half_width)))
    value = 10_000.0
    liquidity = value / 2 / math.sqrt(2000) * concentration(half_width)
    assert worth(liquidity, 2000.0, (2000 * math.exp(-half_width), 2000 * math.exp(half_width))) == pytest.approx(
        value, rel=1e-9
    )
    rate = lvr_rate(liquidity, math.sqrt(2000), SIGMA)
    assert rate == pytest.approx(value * SIGMA**2 / 8 * concentration(half_width), rel=1e-12)
    lost = expected = 0.0
    for _ in range(paths):
        shocks = draw.standard_normal(steps) * SIGMA * math.sqrt(step_years) - SIGMA**2 / 2 * step_years
        prices = 2000 * np.exp(np.concatenate(([0.0], np.cumsum(shocks))))
        roots = [root_x96(price) for price in prices.tolist()]
        each = rebalanced_and_held(round(liquidity * RAW), roots, bounds)
        assert min(each) > -(2**192) * 10_000  # a wei of token0 is worth 2,000 wei of token1
        lost += sum(each) / 2**192 / RAW
        inside = [root for root in roots[:-1] if bounds[0] < root < bounds[1]]
        expected += math.fsum(lvr_rate(liquidity, root / Q96, SIGMA) for root in inside) * step_years
    # a step's loss is a squared normal: its deviation is the root of two of its mean
    assert lost / expected == pytest.approx(1, abs=4 * math.sqrt(2 / (paths * steps)))


def test_expected_loss_of_a_full_range_against_holding():
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    deviation = SIGMA * math.sqrt(30 / 365)
    prices = 2000 * np.exp(deviation * nodes - deviation**2 / 2)
    liquidity = 1e5 / 2 / math.sqrt(2000)
    mean = math.fsum(w * worth(liquidity, p, FULL) for p, w in zip(prices.tolist(), weights.tolist(), strict=True))
    mean /= math.sqrt(2 * math.pi)
    assert 1e5 - mean == pytest.approx(full_range_loss(value=1e5, volatility=SIGMA, years=30 / 365), rel=1e-9)


# ---- time in range


def steps_within(drift: float, years: float, steps: int, paths: int, seed: int) -> np.ndarray:
    """Chance that each path has touched no bound after each step, between whose ends it is a Brownian bridge."""
    draw, step_years = np.random.default_rng(seed), years / steps
    at = np.zeros(paths)
    found = [np.ones(paths)]
    for _ in range(steps):
        following = at + drift * step_years + SIGMA * math.sqrt(step_years) * draw.standard_normal(paths)
        spread = SIGMA**2 * step_years
        above = np.exp(-2 * np.clip(UPPER - at, 0, None) * np.clip(UPPER - following, 0, None) / spread)
        below = np.exp(-2 * np.clip(at - LOWER, 0, None) * np.clip(following - LOWER, 0, None) / spread)
        found.append(found[-1] * np.clip(1 - above - below, 0, 1))
        at = following
    return np.array(found)


@pytest.mark.parametrize("years", [WEEK, 10 * WEEK])
@pytest.mark.parametrize("drift", [-0.32, 0.0, 4.0])
def test_probability_to_stay_is_that_of_simulated_paths(drift, years):
    alive = steps_within(drift, years, 100, 20_000, 2)[-1]
    found = stay_probability(lower=LOWER, upper=UPPER, volatility=SIGMA, years=years, drift=drift)
    assert found == pytest.approx(alive.mean(), abs=4 * alive.std() / math.sqrt(len(alive)))


@pytest.mark.parametrize("drift", [-0.32, 0.0, 4.0])
def test_expected_exit_is_that_of_simulated_paths(drift):
    steps, years = 600, 0.9
    alive = steps_within(drift, years, steps, 10_000, 3)
    times = (alive.sum(axis=0) - (alive[0] + alive[-1]) / 2) * years / steps
    assert alive[-1].mean() < 1e-4
    found = expected_exit_years(lower=LOWER, upper=UPPER, volatility=SIGMA, drift=drift)
    assert found == pytest.approx(times.mean(), abs=4 * times.std() / math.sqrt(len(times)))


@pytest.mark.parametrize(("lower", "upper"), [(-0.05, 0.05), (-0.02, 0.1), (0.03, 0.1)])
def test_time_inside_is_that_of_simulated_paths(lower, upper):
    steps, paths = 1_000, 8_000
    draw, at, inside = np.random.default_rng(4), np.zeros(paths), np.zeros(paths)
    for _ in range(steps):
        half = SIGMA * math.sqrt(WEEK / steps / 2)
        at += half * draw.standard_normal(paths)
        inside += (at > lower) & (at < upper)
        at += half * draw.standard_normal(paths)
    found = expected_years_inside(lower=lower, upper=upper, volatility=SIGMA, years=WEEK) / WEEK
    assert found == pytest.approx(inside.mean() / steps, abs=4 * inside.std() / steps / math.sqrt(paths))


# ---- arbitrage


@pytest.mark.parametrize(("fee_bps", "block_s"), [(5, 12), (30, 120)])
def test_trades_and_take_of_a_simulated_arbitrageur(fee_bps, block_s):
    chains, steps, forgotten = 4_000, 400, 200
    draw, daily, gamma = np.random.default_rng(5), 0.05, fee_bps / 10_000
    gap, traded, taken = np.zeros(chains), np.zeros(chains), np.zeros(chains)
    for step in range(steps + forgotten):
        days = draw.exponential(block_s / 86_400, chains)
        gap += daily * np.sqrt(days) * draw.standard_normal(chains)
        beyond = np.maximum(np.abs(gap), gamma)
        if step >= forgotten:
            traded += np.abs(gap) > gamma
            # token0 bought (or sold) from the gap to the fee's edge, at the pool's price and the fee, over the pool's value
            taken += (np.exp(beyond / 2) + np.exp(gamma - beyond / 2) - 2 * math.exp(gamma / 2)) / 2
        gap = np.clip(gap, -gamma, gamma)
    volatility = daily * math.sqrt(365)
    share, take = traded / steps, taken / steps * 86_400 / block_s
    found = trade_probability(gamma=gamma, volatility=volatility, block_s=block_s)
    assert found == pytest.approx(share.mean(), abs=4 * share.std() / math.sqrt(chains))
    found = arbitrage_rate(gamma=gamma, volatility=volatility, block_s=block_s) / 365
    assert found == pytest.approx(take.mean(), abs=4 * take.std() / math.sqrt(chains))


# ---- fees, width


def test_fees_of_a_day_by_share_of_volume():
    both = 5e6 + G1
    implied = implied_volatility_from_volume(fees=0.0005 * 50e6, liquidity=both, sqrt_price=math.sqrt(2000), seconds=86_400)
    yearly = lvr_rate(G1, math.sqrt(2000), implied)
    assert yearly / 365 == pytest.approx(5.29396369237117, rel=1e-13)
    assert yearly / 10_000 == pytest.approx(0.193229674771548, rel=1e-13)


def test_best_width_against_costs_of_rebalancing():
    sigma, implied, cost = 0.6, 0.75, 5.5e-4

    def net(half_width: float) -> float:
        exit_years = expected_exit_years(lower=-half_width, upper=half_width, volatility=sigma)
        return (implied**2 - sigma**2) / 8 * concentration(half_width) - cost / exit_years

    low, high = 0.001, 0.1
    while high - low > 1e-12:
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if net(left) < net(right) else (low, right)
    assert low == pytest.approx(0.00782223239, abs=2e-9)
    assert net(low) == pytest.approx(3.24863751136388, rel=1e-11)
    edge = implied**2 - sigma**2
    first_order = 8 * cost * sigma**2 / edge
    assert first_order == pytest.approx(0.00782222222222222, rel=1e-13)
    assert edge**2 / (64 * cost * sigma**2) == pytest.approx(3.23597301136364, rel=1e-13)
    exit_years = expected_exit_years(lower=-first_order, upper=first_order, volatility=sigma)
    assert exit_years * 8_760 == pytest.approx(1.489, abs=5e-4)


# ---- options that replicate a position


def strikes(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(40)
    return (high - low) / 2 * nodes + (high + low) / 2, (high - low) / 2 * weights


@pytest.mark.parametrize("price", [1_200.0, 1_500.0, 1_650.0, 2_000.0, 2_400.0, 3_000.0])
def test_options_replicate_the_loss_of_a_position_to_a_billionth(price):
    bounds, (held0, held1) = (1_600.0, 2_500.0), amounts(G1, 2_000.0, (1_600.0, 2_500.0))
    loss = worth(G1, price, bounds) - held0 * price - held1
    paid = 0.0
    if price < 2_000:
        at, weight = strikes(max(price, bounds[0]), 2_000.0)
        paid = float(weight @ (G1 / 2 * at**-1.5 * (at - price)))
    elif price > 2_000:
        at, weight = strikes(2_000.0, min(price, bounds[1]))
        paid = float(weight @ (G1 / 2 * at**-1.5 * (price - at)))
    assert -loss == pytest.approx(paid, abs=1e-9 * 10_000)


def test_quantities_of_the_replicating_options_are_what_the_range_buys():
    bought = [
        amounts(G1, low, (low, low + 100.0))[0] - amounts(G1, low + 100.0, (low, low + 100.0))[0]
        for low in (1_600.0, 1_700.0, 1_800.0, 1_900.0)
    ]
    assert bought == pytest.approx([0.7904899939, 0.7236649283, 0.6657538426, 0.6151762071], abs=1e-10)
    assert math.fsum(bought) == pytest.approx(2.79508497187474, rel=1e-12)
    assert amounts(G1, 2_000.0, (2_000.0, 2_500.0))[0] == pytest.approx(2.5, rel=1e-12)


def test_price_of_insuring_the_whole_loss_of_a_week():
    normal, deviation = NormalDist(), SIGMA * math.sqrt(WEEK)

    def put(strike: float) -> float:
        high = (math.log(2_000 / strike) + deviation**2 / 2) / deviation
        return strike * normal.cdf(deviation - high) - 2_000 * normal.cdf(-high)

    at, weight = strikes(1_600.0, 2_000.0)
    price = math.fsum(w * G1 / 2 * k**-1.5 * put(k) for k, w in zip(at.tolist(), weight.tolist(), strict=True))
    at, weight = strikes(2_000.0, 2_500.0)
    price += math.fsum(w * G1 / 2 * k**-1.5 * (put(k) + 2_000 - k) for k, w in zip(at.tolist(), weight.tolist(), strict=True))
    assert price == pytest.approx(143.608345543, abs=1e-8)
    assert price / 10_000 / WEEK == pytest.approx(0.748814944619, abs=1e-11)
    # the same from the exact value of the position at each price, and how likely that price is
    z = np.linspace(-9, 9, 6_001)
    prices = 2_000 * np.exp(deviation * z - deviation**2 / 2)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    mean = math.fsum(d * worth(G1, p, (1_600.0, 2_500.0)) for p, d in zip(prices.tolist(), density.tolist(), strict=True))
    assert 10_000 - mean == pytest.approx(price, abs=2e-3)
