"""The numbers of the local chain's market: prices, fees, pools, arbitrage, statistics, storage words."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.localchain.arbitrage import closing_swap
from keeper.localchain.pools import ETH_POOLS, USDC_WETH_500, EthPool, crowded
from keeper.localchain.statistics import day_statistics
from keeper.localchain.storage import field, mapping_slot, packed, padded_address, padded_int, word
from keeper.localchain.transplant import PoolReading, history_writes, tokens_needed
from keeper.simulation.weather import SLOTS_PER_DAY, WEATHERS, Scenario, Weather, base_fees_wei, external_prices, weather_of

pools = st.sampled_from(ETH_POOLS)
usd_prices = st.floats(200, 20_000)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_a_seed_is_a_day(scenario: Scenario) -> None:
    days = [external_prices(WEATHERS[scenario], 0.5, random.Random(seed)) for seed in (1, 1, 2)]
    assert days[0] == days[1]
    assert days[0] != days[2]
    assert len(days[0]) == SLOTS_PER_DAY // 2 + 1
    assert all(price > 0 for price in days[0])


@pytest.mark.parametrize("seed", range(3))
def test_the_crash_is_the_real_one(seed: int) -> None:
    """From 4,391 to 3,337 dollars, most of it within the hour after 21 h, and half of it back by midnight."""
    prices = external_prices(WEATHERS[Scenario.CRASH], 1, random.Random(seed))

    def at(hour: float) -> float:
        return prices[round(hour * 300)]

    assert max(prices) == pytest.approx(4391, rel=0.02)
    assert min(prices) == pytest.approx(3337, rel=0.02)
    assert 21 < prices.index(min(prices)) / 300 < 22
    assert at(20.8) - at(21.4) > 500
    assert at(23) > 3750


def test_volatility_is_what_was_asked_for() -> None:
    weather = Weather(points=((0.0, 4000.0),), volatility=0.5, jumps_a_day=0)
    prices = external_prices(weather, 20, random.Random(5))
    variance = sum(math.log(b / a) ** 2 for a, b in pairwise(prices)) / 20 * 365
    assert math.sqrt(variance) == pytest.approx(0.5, rel=0.1)


@given(st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_base_fees_move_by_an_eighth_at_most(seed: int) -> None:
    fees = base_fees_wei(WEATHERS[Scenario.GAS_SPIKE], 0.5, random.Random(seed))
    assert all(abs(after - before) <= before / 8 + 1 for before, after in pairwise(fees))
    assert max(fees) > 100 * 10**9


@pytest.mark.parametrize(
    "points", [(), ((1.0, 4000.0),), ((0.0, 4000.0), (0.0, 1.0)), ((0.0, 1.0), (2.0, 1.0), (1.0, 1.0)), ((0.0, 0.0),)]
)
def test_unusable_price_points_are_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="price points"):
        weather_of(Scenario.CALM, points)


@given(pools, usd_prices)
def test_a_pools_price_and_dollars_are_inverse(pool: EthPool, usd: float) -> None:
    assert pool.usd(pool.sqrt_price_x96(usd)) == pytest.approx(usd, rel=1e-9)


@given(pools, usd_prices)
def test_dearer_ether_moves_the_tick_the_way_of_its_token(pool: EthPool, usd: float) -> None:
    assert (pool.tick(usd * 1.01) > pool.tick(usd)) == pool.eth_is_token0


def reading(pool: ExactPool) -> PoolReading:
    return PoolReading(sqrt_price_x96=pool.sqrt_price_x96, tick=pool.tick, liquidity=pool.liquidity)


@given(pools, st.floats(-0.02, 0.02), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_arbitrage_ends_at_the_edge_of_the_fee_and_never_loses(venue: EthPool, gap: float, seed: int) -> None:
    usd = 4000.0 * (1 + gap)
    pool = ExactPool.restore(crowded(venue, 4000.0, "crowd", random.Random(seed)))
    request = closing_swap(venue, reading(pool), usd, base_fee_wei=10**9)
    fee = venue.fee_pips / 1e6
    if request is None:
        # Inside the fee, or so little outside that the gas is dearer.
        assert abs(gap) < fee + 0.003
        return
    amount0, amount1 = pool.swap(
        zero_for_one=request.zero_for_one,
        amount_specified=request.amount_specified,
        sqrt_price_limit_x96=request.sqrt_price_limit_x96,
    )
    assert abs(venue.usd(pool.sqrt_price_x96) / usd - 1) == pytest.approx(fee, rel=0.02)
    assert venue.usd_of(amount0, amount1, usd) < 0
    assert closing_swap(venue, reading(pool), usd, base_fee_wei=10**9) is None


def test_dear_gas_keeps_the_arbitrageur_at_home() -> None:
    pool = ExactPool.restore(crowded(USDC_WETH_500, 4000.0, "crowd", random.Random(0)))
    assert closing_swap(USDC_WETH_500, reading(pool), 4006.0, base_fee_wei=10**8) is not None
    assert closing_swap(USDC_WETH_500, reading(pool), 4006.0, base_fee_wei=10**13) is None


@given(pools, usd_prices, st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_a_pool_needs_what_all_its_positions_would_be_paid(venue: EthPool, usd: float, seed: int) -> None:
    snapshot = crowded(venue, usd, "crowd", random.Random(seed))
    need0, need1 = tokens_needed(snapshot)
    pool = ExactPool.restore(snapshot)
    paid0 = paid1 = 0
    for key, position in snapshot.positions.items():
        amount0, amount1 = pool.burn(*key, position.liquidity)
        paid0, paid1 = paid0 + amount0, paid1 + amount1
    slack = len(snapshot.ticks) + len(snapshot.positions) + 1
    assert 0 <= need0 - paid0 <= slack
    assert 0 <= need1 - paid1 <= slack


def test_statistics_of_a_made_up_day() -> None:
    """A swap an hour, a thousand dollars in each, the price up and down by one in a hundred."""
    prices = [4000.0 * (1.01 if hour % 2 else 1.0) for hour in range(25)]
    swaps = [
        (
            hour * 3600,
            RecordedSwap(amount0=10**9, amount1=-1, sqrt_price_x96=USDC_WETH_500.sqrt_price_x96(price), liquidity=1, tick=0),
        )
        for hour, price in enumerate(prices)
    ]
    found = day_statistics(swaps, USDC_WETH_500)
    assert found.swaps == 25
    assert found.volume_usd == pytest.approx(25_000)
    assert found.fees_usd == pytest.approx(25_000 * 500e-6)
    # The last swap's own move falls into a sample that has not ended.
    assert found.realised_volatility == pytest.approx(math.sqrt(23 * math.log(1.01) ** 2 * 365), rel=0.01)


def test_a_day_without_swaps_is_refused() -> None:
    with pytest.raises(ValueError, match="no statistics"):
        day_statistics([], USDC_WETH_500)


@given(st.lists(st.tuples(st.integers(-(2**23), 2**23 - 1), st.just(24)), min_size=1, max_size=10))
def test_packed_fields_come_back(fields: list[tuple[int, int]]) -> None:
    total = packed(*fields)
    assert [field(total, 24 * place, 24, signed=True) for place in range(len(fields))] == [value for value, _ in fields]


def test_a_mapping_slot_as_solidity_has_it() -> None:
    """Ref: WETH9's balance of the zero address, ``keccak256(bytes32(0) . bytes32(3))``."""
    assert (
        word(mapping_slot(padded_address("0x" + "00" * 20), 3))
        == "0x3617319a054d772f909f7c479a2cebe5066e836a939412e32403c99029b92eff"
    )
    assert padded_int(-1) == b"\xff" * 32


def test_history_is_an_hour_at_one_tick() -> None:
    (_, first), (_, last) = history_writes(-200, 10**18, 1_000_000)
    assert field(last, 0, 32) - field(first, 0, 32) == 3600
    assert (field(last, 32, 56, signed=True) - field(first, 32, 56, signed=True)) == -200 * 3600
