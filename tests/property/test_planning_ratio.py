"""The closed form against the exact pool: across ticks, both ways, whatever several ranges want."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.pool import PoolKey, PoolView, TickNet
from keeper.core.planning.bounds import Interval
from keeper.core.planning.depth import depth, reach_x96, swap_in
from keeper.core.planning.price import root_of
from keeper.core.planning.ratio import Demand, RatioSwap, swap_to_ratio
from keeper.core.v3math.pool_swap import SwapState, TickMap, swap
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.builders import USDC, WETH, pool_state

SPACING = 10
KEY = PoolKey(address="0xPool", token0=WETH, token1=USDC, fee_pips=3_000, tick_spacing=SPACING)
UNIT = 10**24
"""Amounts large enough that whole units are no matter."""

offsets = st.integers(-80, 80).map(lambda n: n * SPACING)


@st.composite
def pools(draw: st.DrawFn) -> tuple[PoolView, Interval]:
    """Overlapping positions around a tick, on which the price may stand from either side."""
    tick = draw(st.integers(-2_000, 2_000)) * SPACING
    nets: dict[int, int] = {}
    for number in range(draw(st.integers(1, 6))):
        # The first begins or ends where the price may stand.
        low, high = sorted((draw(offsets), draw(offsets) if number else draw(st.sampled_from([0, -SPACING]))))
        liquidity = draw(st.integers(1, 400)) * UNIT
        nets[tick + low] = nets.get(tick + low, 0) + liquidity
        nets[tick + high + SPACING] = nets.get(tick + high + SPACING, 0) - liquidity
    stands = tick - 1 if draw(st.booleans()) else tick
    inside = 0 if stands < tick else draw(st.sampled_from([0, 0, 0, 1, 5, 9]))
    state = replace(
        pool_state(tick, key=KEY),
        sqrt_price_x96=get_sqrt_ratio_at_tick(tick + inside),
        tick=stands + inside,
        liquidity=sum(net for at, net in nets.items() if at <= stands),
    )
    pool = PoolView(
        state=state,
        ticks=tuple(TickNet(tick=at, liquidity_net=net) for at, net in sorted(nets.items())),
        map_lower=tick - 1_000,
        map_upper=tick + 1_000,
        twap_tick=tick,
        twap_window_s=1_800,
    )
    reach = draw(st.integers(20, 1_200))
    interval = Interval(
        lower_x96=get_sqrt_ratio_at_tick(tick - reach), upper_x96=get_sqrt_ratio_at_tick(tick + reach), width_ticks=2 * reach
    )
    return pool, interval


@st.composite
def demands(draw: st.DrawFn, tick: int) -> tuple[Demand, ...]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        low, high = sorted((draw(offsets), draw(offsets)))
        lower, upper = (root_of(get_sqrt_ratio_at_tick(tick + at)) for at in (low, high + SPACING))
        found.append(Demand(lower=lower, upper=upper, liquidity=Decimal(draw(st.integers(1, 100_000)) * UNIT // 100)))
    return tuple(found)


def wanted_at(root: Decimal, wishes: tuple[Demand, ...]) -> tuple[Decimal, Decimal]:
    want0 = want1 = Decimal(0)
    for each in wishes:
        inside = min(max(root, each.lower), each.upper)
        want0 += each.liquidity * (1 / inside - 1 / each.upper)
        want1 += each.liquidity * (inside - each.lower)
    return want0, want1


money = st.one_of(st.just(0), st.integers(1, 10_000).map(lambda n: n * UNIT // 10))


@settings(max_examples=300, deadline=None)
@given(st.data(), pools(), money, money)
def test_the_swap_leaves_no_token_scarcer_than_it_must_be(
    data: st.DataObject, where: tuple[PoolView, Interval], amount0: int, amount1: int
) -> None:
    pool, interval = where
    wishes = data.draw(demands(pool.state.tick // SPACING * SPACING))
    with localcontext(prec=60):
        curve = depth(pool, interval)
        found = swap_to_ratio(amount0=amount0, amount1=amount1, depth=curve, demands=wishes)
        before = wanted_at(curve.sqrt_price, wishes)
        if found is None:
            short0, short1 = amount0 < before[0], amount1 < before[1]
            stuck = curve.sqrt_price in {curve.lowest, curve.highest}
            assert stuck or not (short0 or short1) or abs(amount0 * before[1] - amount1 * before[0]) <= 0
            return
        assert curve.lowest <= found.sqrt_price <= curve.highest
        moved0, moved1 = (-found.amount_in, found.amount_out) if found.zero_for_one else (found.amount_out, -found.amount_in)
        left0, left1 = amount0 + moved0, amount1 + moved1
        assert min(left0, left1) > Decimal("-1e-20")
        if found.sqrt_price in {curve.lowest, curve.highest} or not found.amount_in:
            return
        want0, want1 = wanted_at(found.sqrt_price, wishes)
        covers = covered(left0, want0), covered(left1, want1)
        scarce, other = (covers[1], covers[0]) if found.zero_for_one else covers
        tight = Decimal("1e-20")
        assert scarce <= 1 + tight
        spent = abs(left0 if found.zero_for_one else left1) < tight
        assert spent or abs(scarce - 1) < tight or abs(scarce - other) < tight
        assert other >= scarce - tight


def covered(held: Decimal, wanted: Decimal) -> Decimal:
    return held / wanted if wanted else Decimal("Infinity")


@settings(max_examples=300, deadline=None)
@given(st.data(), pools(), money, money)
def test_the_exact_pool_agrees(data: st.DataObject, where: tuple[PoolView, Interval], amount0: int, amount1: int) -> None:
    pool, interval = where
    wishes = data.draw(demands(pool.state.tick // SPACING * SPACING))
    with localcontext(prec=60):
        found = swap_to_ratio(amount0=amount0, amount1=amount1, depth=depth(pool, interval), demands=wishes)
    if found is None or found.amount_in < 10**9:
        return
    lowest, highest = reach_x96(pool, interval)
    result = swap_in(
        pool,
        zero_for_one=found.zero_for_one,
        amount_specified=int(found.amount_in.to_integral_value(ROUND_DOWN)),
        sqrt_price_limit_x96=lowest if found.zero_for_one else highest,
    )
    paid, got = (result.amount0, -result.amount1) if found.zero_for_one else (result.amount1, -result.amount0)
    assert paid == pytest.approx(float(found.amount_in), rel=1e-12)
    assert got == pytest.approx(float(found.amount_out), rel=1e-9, abs=1e4)
    # Where the pool is empty the price runs ahead of the trade.
    if pool_is_deep_at(pool, found):
        assert float(root_of(result.sqrt_price_x96)) == pytest.approx(float(found.sqrt_price), rel=1e-12)


@settings(max_examples=300, deadline=None)
@given(pools(), money, st.integers(1, 1_200), st.booleans(), st.booleans())
def test_ticks_beyond_the_limit_are_no_matter(
    where: tuple[PoolView, Interval], amount: int, reach: int, fall: bool, exact_in: bool
) -> None:
    pool, _ = where
    state = pool.state
    asked = {
        "zero_for_one": fall,
        "amount_specified": amount + 1 if exact_in else -amount - 1,
        "sqrt_price_limit_x96": get_sqrt_ratio_at_tick(state.tick - reach if fall else state.tick + 1 + reach),
    }
    whole = SwapState(
        sqrt_price_x96=state.sqrt_price_x96,
        tick=state.tick,
        liquidity=state.liquidity,
        fee_pips=KEY.fee_pips,
        ticks=TickMap.of({net.tick: net.liquidity_net for net in pool.ticks}, SPACING),
        fee_protocol=state.fee_protocol,
    )
    assert swap_in(pool, **asked) == swap(whole, **asked)


def pool_is_deep_at(pool: PoolView, found: RatioSwap) -> bool:
    spots = [net.tick for net in pool.ticks]
    return (
        all(
            sum(net.liquidity_net for net in pool.ticks if net.tick <= at) > 0
            for at in (*spots, pool.state.tick)
            if min(spots) <= at < max(spots)
        )
        and min(spots) < _tick(found) < max(spots)
        and min(spots) <= pool.state.tick < max(spots)
    )


def _tick(found: RatioSwap) -> int:
    import math

    return math.floor(2 * math.log(float(found.sqrt_price)) / math.log(1.0001))


def test_a_deeper_pool_moves_less() -> None:
    tick = 0
    pool = PoolView(
        state=pool_state(tick, key=KEY, liquidity=100 * UNIT),
        ticks=(TickNet(tick=-800, liquidity_net=100 * UNIT), TickNet(tick=800, liquidity_net=-100 * UNIT)),
        map_lower=-1_000,
        map_upper=1_000,
        twap_tick=tick,
        twap_window_s=1_800,
    )
    deep = replace(pool, state=replace(pool.state, liquidity=1_000 * UNIT))
    interval = Interval(lower_x96=get_sqrt_ratio_at_tick(-500), upper_x96=get_sqrt_ratio_at_tick(500), width_ticks=1_000)
    wish = Demand(lower=Decimal("0.95"), upper=Decimal("1.05"), liquidity=Decimal(10**4 * UNIT))
    shallow_swap, deep_swap = (
        swap_to_ratio(amount0=0, amount1=UNIT, depth=depth(each, interval), demands=(wish,)) for each in (pool, deep)
    )
    assert shallow_swap is not None
    assert deep_swap is not None
    assert 1 < deep_swap.sqrt_price < shallow_swap.sqrt_price
    assert deep_swap.amount_in > shallow_swap.amount_in
    assert deep_swap.amount_out > shallow_swap.amount_out
