from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from keeper.core.model.bar import DAY_S, HOUR_S, PoolSample, Sample
from keeper.core.model.policy import OutsidePolicy, UniversePool
from keeper.core.model.pool import PoolKey
from keeper.core.model.view import Quality
from keeper.core.quant.markets import effective_rate
from keeper.core.signals import names
from tests.markets import LEVEL, fee_growth, hours_of, known, pool_x96, read_at, token, universe_liquidity, walk, wide_policy
from tests.pairs import NOW_S, USDC, WETH

RULES = wide_policy()
ALL = (names.BREADTH, names.BREADTH_DIVERGENCE, names.EFFECTIVE_RATE_BASE, names.EFFECTIVE_RATE_QUOTE)
AVERAGE_S = 7 * DAY_S


def universe(count):
    """So many pools, each against USDC; the first has the smallest address."""
    pools = []
    for n in range(count):
        base = token(f"T{n:03}")
        key = PoolKey(address=f"0xpool{n:03}", token0=base, token1=USDC, fee_pips=3_000, tick_spacing=60)
        pools.append(UniversePool(key=key, base=base))
    return replace(RULES, outside=OutsidePolicy(universe=tuple(pools), basket_cap=1.0))


def seen(pool, log_price, growth=(0, 0)):
    return PoolSample(
        address=pool.key.address,
        sqrt_price_x96=pool_x96(pool.key, pool.base, log_price),
        liquidity=universe_liquidity(pool, log_price),
        fee_growth_global0_x128=growth[0],
        fee_growth_global1_x128=growth[1],
    )


def sampled(at_s, pools):
    return Sample(
        timestamp_s=at_s,
        block=at_s // 12,
        fee_growth_global0_x128=0,
        fee_growth_global1_x128=0,
        balance0=1,
        balance1=1,
        pools=tuple(pools),
    )


def read(rules, samples, *, closes=None, now_s=NOW_S):
    hours = hours_of(rules, [LEVEL] * 800 if closes is None else closes)
    first = samples[0].timestamp_s - HOUR_S if samples else NOW_S - 2 * HOUR_S
    hours = tuple(hour for hour in hours if hour.start_s >= first)
    return read_at(rules, known(rules, hours=hours, samples=tuple(samples)), now_s)


def over(rules, days, path, *, every_s=HOUR_S):
    """Samples until now in which pool n stands at ``path(n, part of the time that has passed)``."""
    begin_s = NOW_S - days * DAY_S
    return [
        sampled(at_s, [seen(pool, path(n, (at_s - begin_s) / (days * DAY_S))) for n, pool in enumerate(rules.outside.universe)])
        for at_s in range(begin_s, NOW_S + 1, every_s)
    ]


def test_breadth_is_what_rises_less_what_falls_over_what_moved():
    rules = universe(20)
    # twelve rise, five fall, three stand still
    found = read(rules, over(rules, 2, lambda n, part: part * (0.01 if n < 12 else -0.01 if n < 17 else 0.0)))
    assert found[names.BREADTH].value == pytest.approx(7 / 17, rel=1e-12)
    assert found[names.BREADTH].quality is Quality.GOOD


def test_it_is_over_the_last_24_hours_alone():
    rules = universe(20)
    # all fall on the first day, and then nine in ten rise
    found = read(rules, over(rules, 2, lambda n, part: -4 * part if part <= 0.5 else -2 + part * (1 if n < 18 else -1)))
    assert found[names.BREADTH].value == pytest.approx(0.8, rel=1e-12)


def test_a_pool_quoted_in_the_base_token_is_followed_in_the_quote_token():
    rules = replace(RULES, outside=replace(RULES.outside, universe=RULES.outside.universe[:3]))
    falling = [
        LEVEL - 0.01 * n for n in range(51)
    ]  # WETH loses half; the one pool that is quoted in it stands still against it
    found = read(rules, over(rules, 2, lambda n, part: 0.0 if n == 1 else part), closes=falling)
    assert rules.outside.universe[1].other == WETH
    assert found[names.BREADTH].value == pytest.approx(1 / 3)


def test_few_pools_are_short_and_fewer_than_three_say_nothing():
    assert read(universe(4), over(universe(4), 2, lambda _n, part: part))[names.BREADTH].note == "4 pools, 20 wanted"
    two = read(universe(2), over(universe(2), 2, lambda _n, part: part))
    assert {two[name].quality for name in ALL} == {Quality.MISSING}


def test_a_pool_that_is_not_read_any_more_has_no_say():
    rules = universe(20)
    samples = over(rules, 4, lambda n, part: part * (-1 if n < 10 else 1))
    lost = [replace(one, pools=one.pools if one.timestamp_s <= NOW_S - 2 * DAY_S else one.pools[10:]) for one in samples]
    found = read(rules, lost)[names.BREADTH]
    assert (found.value, found.note) == (1.0, "10 pools, 20 wanted")


def test_a_change_over_a_gap_of_days_is_not_one_of_a_day():
    rules = universe(20)
    samples = over(rules, 6, lambda _n, part: part)
    gap = [one for one in samples if not NOW_S - 5 * DAY_S < one.timestamp_s < NOW_S - HOUR_S]
    assert read(rules, gap)[names.BREADTH].quality is Quality.MISSING


def test_qualities_follow_the_samples():
    rules = universe(20)
    young = read(rules, over(rules, 2, lambda _n, part: part)[-12:])
    assert young[names.BREADTH].note == f"sampled for {11 * HOUR_S} s, {DAY_S} wanted"
    stale_s = RULES.signals.stale_after_s + RULES.outside.sample_every_s + 1
    assert read(rules, over(rules, 2, lambda _n, part: part), now_s=NOW_S + stale_s)[names.BREADTH].quality is Quality.STALE
    assert {read(rules, [])[name].note for name in ALL} == {"not sampled yet"}
    nothing = replace(RULES, outside=OutsidePolicy())
    assert {read(nothing, [])[name].note for name in ALL} == {"no universe is configured: outside.universe"}


def rate(moves, elapsed_s):
    """An effective rate's deviation from its average, step by step."""
    log, average = 0.0, 0.0
    for move in moves:
        log += move
        kept = 0.5 ** (elapsed_s / AVERAGE_S)
        average = kept * average + (1 - kept) * log
    return log - average


def test_rates_are_chained_moves_against_the_basket_less_their_average():
    rules = universe(3)
    closes = walk(24 * 10, seed=2, deviation=0.01)
    paths = [walk(24 * 10, seed=3 + n, deviation=0.02, start=0.0) for n in range(3)]
    samples = over(rules, 10, lambda n, part: paths[n][round(part * 240)])
    found = read(rules, samples, closes=[LEVEL, *closes])
    of_tokens = [[b - a for a, b in itertools.pairwise(path)] for path in paths]
    # a sample of an hour's end comes after its close
    of_base = [b - a for a, b in itertools.pairwise(closes)]
    # no volume is known: every other token weighs the same, the pair's own included
    base = [own - (sum(others) + 0.0) / 4 for own, *others in zip(of_base, *of_tokens, strict=True)]
    quote = [-(sum(others) + own) / 4 for own, *others in zip(of_base, *of_tokens, strict=True)]
    assert found[names.EFFECTIVE_RATE_BASE].value == pytest.approx(rate(base, HOUR_S), rel=1e-9)
    assert found[names.EFFECTIVE_RATE_QUOTE].value == pytest.approx(rate(quote, HOUR_S), rel=1e-9)
    assert found[names.EFFECTIVE_RATE_BASE].note == "no whole day of volume yet: every token weighs the same"
    chained = math.exp(sum(base))
    relatives = [math.exp(closes[-1] - closes[0] - (path[-1] - path[0])) for path in (*paths, [0.0, 0.0])]
    assert chained == pytest.approx(effective_rate(relatives, [0.25] * 4), rel=1e-9)


def traded(rules, days, path, volumes, *, every_s=HOUR_S):
    """Samples as :func:`over`, of pools that were traded in proportion to ``volumes(n, at_s)``."""
    samples, growth = [], [[1, 1] for _ in rules.outside.universe]
    for one in over(rules, days, path, every_s=every_s):
        pools = []
        for n, (pool, was) in enumerate(zip(rules.outside.universe, one.pools, strict=True)):
            grown = fee_growth(pool.key, pool.base, path(n, 1 - (NOW_S - one.timestamp_s) / (days * DAY_S)), 1.0, every_s)
            growth[n] = [
                before + int(more * volumes(n, one.timestamp_s)) for before, more in zip(growth[n], grown, strict=True)
            ]
            pools.append(replace(was, fee_growth_global0_x128=growth[n][0], fee_growth_global1_x128=growth[n][1]))
        samples.append(replace(one, pools=tuple(pools)))
    return samples


def test_the_basket_weighs_tokens_by_their_volume_of_the_days_before():
    rules = universe(3)
    # three quarters of all volume in the first pool, a quarter in the second; only the last half day moves
    samples = traded(rules, 10, lambda n, part: (0.1, 0.2, 0.4)[n] * max(part - 0.95, 0) * 20, lambda n, _at: (3, 1, 0)[n])
    found = read(rules, samples)[names.EFFECTIVE_RATE_BASE]
    basket = 0.75 * 0.1 + 0.25 * 0.2
    assert found.value == pytest.approx(rate([-basket / 12] * 12, HOUR_S), rel=0.02)
    assert found.quality is Quality.GOOD


def test_no_token_weighs_more_than_the_cap():
    rules = universe(3)
    capped = replace(rules, outside=replace(rules.outside, basket_cap=0.5))
    samples = traded(rules, 10, lambda n, part: (0.1, 0.2, 0.4)[n] * max(part - 0.95, 0) * 20, lambda n, _at: (9, 1, 0)[n])
    found = read(capped, samples)[names.EFFECTIVE_RATE_BASE]
    assert found.value == pytest.approx(rate([-(0.5 * 0.1 + 0.5 * 0.2) / 12] * 12, HOUR_S), rel=0.02)


def test_a_change_of_weights_moves_no_rate():
    rules = universe(3)
    midnight_s = NOW_S // DAY_S * DAY_S

    def path(n, part):  # every price stands apart, and none moves on the days on which the weights change
        return (0.3, -0.5, 1.5)[n] if part > 0.5 else 0.0

    steady = traded(rules, 10, path, lambda n, _at: (3, 1, 1)[n])
    turning = traded(rules, 10, path, lambda n, at: ((3, 1, 1) if at < midnight_s - 3 * DAY_S else (1, 50, 900))[n])
    one, other = read(rules, steady), read(rules, turning)
    assert one[names.EFFECTIVE_RATE_BASE].value == pytest.approx(other[names.EFFECTIVE_RATE_BASE].value, abs=1e-9)


def test_todays_volume_moves_no_weight():
    rules = universe(3)
    midnight_s = NOW_S // DAY_S * DAY_S

    def path(n, part):  # moves in the last hours, while the wash trading runs
        return (0.1, 0.2, 0.4)[n] * max(part - 0.97, 0) * 33

    honest = traded(rules, 10, path, lambda n, _at: (3, 1, 0)[n])
    washed = traded(rules, 10, path, lambda n, at: 1_000 if n == 2 and at > midnight_s + HOUR_S else (3, 1, 0)[n])
    assert read(rules, washed)[names.EFFECTIVE_RATE_BASE] == read(rules, honest)[names.EFFECTIVE_RATE_BASE]


def test_growth_that_ran_backwards_is_no_volume():
    rules = universe(3)
    samples = traded(rules, 10, lambda _n, part: part, lambda _n, _at: 1)
    broken = [
        replace(one, pools=tuple(replace(pool, fee_growth_global1_x128=7) for pool in one.pools)) if at == 100 else one
        for at, one in enumerate(samples)
    ]
    found, whole = read(rules, broken), read(rules, samples)
    assert found[names.EFFECTIVE_RATE_BASE].value == pytest.approx(whole[names.EFFECTIVE_RATE_BASE].value, rel=0.05)


def test_divergence_is_high_where_the_price_is_dear_and_the_breadth_is_not():
    rules = universe(20)
    closes = [LEVEL + 0.001 * math.sin(n) for n in range(200)] + [LEVEL + 0.05]
    found = read(rules, over(rules, 8, lambda n, part: part * (1 if n % 2 else -1)), closes=closes)
    assert found[names.BREADTH].value == 0
    assert found[names.BREADTH_DIVERGENCE].value == pytest.approx(3.0)
    assert found[names.BREADTH_DIVERGENCE].quality is Quality.GOOD
    short = read(rules, over(rules, 2, lambda _n, part: part)[-10:])[names.BREADTH_DIVERGENCE]
    assert (short.quality, short.note) == (Quality.MISSING, "9 hours are known, too few")
