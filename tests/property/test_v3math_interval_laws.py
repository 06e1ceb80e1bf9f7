"""The short way of a swap is the long way: step by step against the readable step, pool by pool against the readable swap."""

from __future__ import annotations

import dataclasses
import operator
from typing import NamedTuple

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.interval_swap import fall_within, rise_within
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.pool_swap import SwapState, TickMap, swap
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_book import TickBook
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio
from keeper.core.v3math.units import (
    FEE_PIPS_ONE,
    MAX_INT256,
    MAX_SQRT_RATIO,
    MAX_TICK,
    MAX_UINT128,
    MAX_UINT256,
    MIN_SQRT_RATIO,
    MIN_TICK,
)

pytestmark = pytest.mark.long


def scaled(bits: int) -> st.SearchStrategy[int]:
    """Integers of every length up to ``bits`` alike."""
    return st.integers(0, bits).flatmap(lambda length: st.integers(0, (1 << length) - 1))


prices = st.one_of(
    st.integers(MIN_TICK, MAX_TICK).map(get_sqrt_ratio_at_tick), st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO), scaled(160)
).filter(lambda price: MIN_SQRT_RATIO <= price < MAX_SQRT_RATIO)
amounts = st.one_of(scaled(100), scaled(255), st.just(MAX_INT256)).filter(bool)
signed = st.builds(lambda amount, sign: sign * amount, amounts, st.sampled_from([1, -1]))
fees = st.one_of(st.integers(0, 999_999), st.sampled_from([100, 500, 3_000, 10_000]))


class Step(NamedTuple):
    """A swap within one interval."""

    price: int
    stop: int
    limit: int
    liquidity: int
    amount: int
    fee: int

    @property
    def target(self) -> int:
        return max(self.stop, self.limit) if self.limit < self.price else min(self.stop, self.limit)

    @property
    def readable(self) -> tuple[int, int, int, int]:
        return compute_swap_step(self.price, self.target, self.liquidity, self.amount, self.fee)

    @property
    def coarse(self) -> bool:
        """Whether the contract rounds more coarsely, because amount times price passes 256 bits."""
        less_fee = self.amount * (FEE_PIPS_ONE - self.fee) // FEE_PIPS_ONE
        return self.limit < self.price and (self.liquidity << 96) + less_fee * self.price > MAX_UINT256


@st.composite
def steps(draw: st.DrawFn, *, down: bool) -> Step:
    """Of any amount, or of just about what it takes to come to the target."""
    price, liquidity, fee, stop, limit = (draw(each) for each in (prices, scaled(128), fees, prices, prices))
    stop, limit = (min(stop, price), min(limit, price)) if down else (max(stop, price), max(limit, price))
    assume(limit != price)
    step = Step(price, stop, limit, liquidity, draw(signed), fee)
    if draw(st.booleans()):
        return step
    _, amount_in, amount_out, fee_amount = step._replace(amount=step.amount // abs(step.amount) * MAX_INT256).readable
    enough = amount_in + fee_amount if step.amount > 0 else -amount_out
    return step._replace(amount=(enough + draw(st.integers(-2, 2))) or 1)


def check(step: Step, found: tuple[int, int, int, int] | None) -> None:
    """Whatever is answered is the readable step, short of the stop; nothing is answered only where that is not so simple."""
    if step.liquidity == 0:
        assert found is None
        return
    readable = step.readable
    if found is not None:
        assert found == readable
        assert found[0] != step.stop
    elif readable[0] != step.target:
        assert step.amount > 0
        assert step.coarse


@settings(max_examples=400, deadline=None)
@given(steps(down=True))
@example(Step(MAX_SQRT_RATIO - 1, MIN_SQRT_RATIO, MIN_SQRT_RATIO + 1, (1 << 127) + 12_345, 1 << 98, 0))
def test_a_fall_above_the_stop_is_the_readable_step(step: Step) -> None:
    check(step, fall_within(step.price, step.stop, step.liquidity, step.amount, step.limit, step.fee))


@settings(max_examples=400, deadline=None)
@given(steps(down=False))
def test_a_rise_below_the_stop_is_the_readable_step(step: Step) -> None:
    check(step, rise_within(step.price, step.stop, step.liquidity, step.amount, step.limit, step.fee))


@settings(max_examples=150, deadline=None)
@given(prices, st.integers(1, 10**12), scaled(128).filter(bool), fees, st.booleans())
def test_a_limit_short_of_the_stop_is_reached_the_short_way(price: int, far: int, liquidity: int, fee: int, down: bool) -> None:
    """Replays that keep the recorded prices are made of such swaps."""
    limit = price - far if down else price + far
    assume(MIN_SQRT_RATIO < limit < MAX_SQRT_RATIO)
    within, stop = (fall_within, MIN_SQRT_RATIO) if down else (rise_within, MAX_SQRT_RATIO)
    found = within(price, stop, liquidity, MAX_INT256, limit, fee)
    readable = compute_swap_step(price, limit, liquidity, MAX_INT256, fee)
    assume(readable[0] == limit)
    assert found == readable


@st.composite
def maps(draw: st.DrawFn) -> tuple[TickBook, int]:
    """Ticks about the end of a word, and a tick among them."""
    spacing = draw(st.sampled_from([1, 10, 60, 200, 16_383]))
    border = draw(st.sampled_from([-1, 0, 1])) * 256 * spacing
    near = st.one_of(st.integers(-3, 3), st.integers(-300, 300)).map(lambda steps: border + steps * spacing)
    usable = near.filter(lambda tick: MIN_TICK <= tick <= MAX_TICK)
    infos = {tick: TickInfo(liquidity_gross=1) for tick in draw(st.sets(usable, max_size=12))}
    tick = draw(st.builds(operator.add, near, st.integers(0, spacing - 1)))
    return TickBook(infos, spacing), min(max(tick, MIN_TICK), MAX_TICK - 1)


@settings(max_examples=250, deadline=None)
@given(maps(), st.data())
def test_stops_are_the_same_wherever_between_them_one_asks(found: tuple[TickBook, int], data: st.DataObject) -> None:
    book, tick = found
    floor, ceiling = book.stops(tick)
    lower, upper = get_tick_at_sqrt_ratio(floor), get_tick_at_sqrt_ratio(min(ceiling, MAX_SQRT_RATIO - 1))
    assert lower <= tick < upper or ceiling == MAX_SQRT_RATIO
    other = data.draw(st.integers(lower, upper - 1))
    assert book.stops(other) == (floor, ceiling)
    assert not any(lower < initialized < upper for initialized in book.gross)


@st.composite
def pools(draw: st.DrawFn) -> ExactPool:
    """A pool in the middle of its life, about the end of a word as often as not."""
    fee, spacing = draw(st.sampled_from([(100, 1), (500, 10), (3_000, 60), (10_000, 200), (0, 10), (999_999, 10)]))
    word = 256 * spacing
    home = draw(st.one_of(st.sampled_from([0, word, -word, 800_000 // word * word]), st.integers(-880_000, 880_000)))
    home += draw(st.integers(-2 * spacing, 2 * spacing))
    pool = ExactPool(fee_pips=fee, tick_spacing=spacing)
    pool.initialize(get_sqrt_ratio_at_tick(home) + draw(st.sampled_from([0, 0, 1, 12_345])))
    edge = home // spacing
    reach = st.one_of(st.integers(-3, 3), st.integers(-400, 400))
    for bits in draw(st.lists(st.integers(0, 90), max_size=5)):
        lower, upper = sorted(((edge + draw(reach)) * spacing, (edge + draw(reach)) * spacing))
        if MIN_TICK <= lower < upper <= MAX_TICK:
            pool.mint("ann", lower, upper, min(draw(st.integers(1, 1 << bits)), pool.max_liquidity_per_tick >> 4))
    pool.set_fee_protocol(draw(st.sampled_from([0, 4, 7])), draw(st.sampled_from([0, 5, 10])))
    growths = {"fee_growth_global0_x128": MAX_UINT256 - 9, "protocol_fees0": MAX_UINT128 - 3} if draw(st.booleans()) else {}
    return ExactPool.restore(dataclasses.replace(pool.snapshot(), **growths))


@st.composite
def requests(draw: st.DrawFn, pool: ExactPool) -> SwapRequest:
    """To the far end, near the price, exactly onto a tick, or beside one; on the wrong side now and then."""
    down = draw(st.booleans())
    spacing = pool.tick_spacing
    end = MIN_SQRT_RATIO + 1 if down else MAX_SQRT_RATIO - 1
    kind = draw(st.sampled_from(["end", "tick", "stop", "price"]))
    reach = draw(st.integers(0, 300))
    tick = pool.tick + (-reach if down else reach)
    if kind == "stop":
        tick = (pool.tick // spacing + draw(st.integers(-5, 5))) * spacing
    limit = get_sqrt_ratio_at_tick(min(max(tick, MIN_TICK), MAX_TICK)) + draw(st.sampled_from([0, 0, -1, 1]))
    if kind == "price":
        limit = pool.sqrt_price_x96 + (-1 if down else 1) * draw(scaled(90))
    return SwapRequest(zero_for_one=down, amount_specified=draw(signed), sqrt_price_limit_x96=end if kind == "end" else limit)


def by_the_readable_swap(before: PoolSnapshot, request: SwapRequest) -> tuple[tuple[int, int], PoolSnapshot]:
    """Amounts, and the pool afterwards."""
    state = SwapState(
        sqrt_price_x96=before.sqrt_price_x96,
        tick=before.tick,
        liquidity=before.liquidity,
        fee_pips=before.fee_pips,
        ticks=TickMap.of({tick: info.liquidity_net for tick, info in before.ticks.items()}, before.tick_spacing),
        fee_protocol=before.fee_protocol,
        fee_growth_global0_x128=before.fee_growth_global0_x128,
        fee_growth_global1_x128=before.fee_growth_global1_x128,
    )
    down = request.zero_for_one
    result = swap(
        state,
        zero_for_one=down,
        amount_specified=request.amount_specified,
        sqrt_price_limit_x96=request.sqrt_price_limit_x96,
    )
    ticks = dict(before.ticks)
    for tick, growth in result.crossed:
        growths = (growth, before.fee_growth_global1_x128) if down else (before.fee_growth_global0_x128, growth)
        ticks[tick] = dataclasses.replace(
            ticks[tick],
            fee_growth_outside0_x128=(growths[0] - ticks[tick].fee_growth_outside0_x128) & MAX_UINT256,
            fee_growth_outside1_x128=(growths[1] - ticks[tick].fee_growth_outside1_x128) & MAX_UINT256,
        )
    taken = (result.protocol_fee, 0) if down else (0, result.protocol_fee)
    after = dataclasses.replace(
        before,
        sqrt_price_x96=result.sqrt_price_x96,
        tick=result.tick,
        liquidity=result.liquidity,
        fee_growth_global0_x128=result.fee_growth_global0_x128,
        fee_growth_global1_x128=result.fee_growth_global1_x128,
        protocol_fees0=(before.protocol_fees0 + taken[0]) & MAX_UINT128,
        protocol_fees1=(before.protocol_fees1 + taken[1]) & MAX_UINT128,
        ticks=ticks,
    )
    return (result.amount0, result.amount1), after


@settings(max_examples=250, deadline=None)
@given(pools(), st.data())
def test_a_pool_swaps_as_the_readable_swap_says(pool: ExactPool, data: st.DataObject) -> None:
    """Swap after swap, so that what a pool keeps between swaps is tried too, with ticks that come and go between them."""
    expected = pool.snapshot()
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            lower = (pool.copy().tick // pool.tick_spacing + data.draw(st.integers(-4, 3))) * pool.tick_spacing
            assume(MIN_TICK <= lower < MAX_TICK - pool.tick_spacing)
            pool.provide(lower, lower + pool.tick_spacing, data.draw(st.integers(1, 1 << 60)))
            expected = pool.copy().snapshot()
        request = data.draw(requests(pool.copy()))
        arguments = {name: getattr(request, name) for name in ("zero_for_one", "amount_specified", "sqrt_price_limit_x96")}
        try:
            moved, after = by_the_readable_swap(expected, request)
        except RevertError as refusal:
            moved, after = refusal.code, expected
        try:
            found = pool.swap(**arguments)
        except RevertError as refusal:
            found = refusal.code
        assert found == moved
        expected = after
        # Of a copy, because a pool that is asked for its tick remembers it.
        assert pool.copy().snapshot() == expected


@settings(max_examples=250, deadline=None)
@given(pools(), st.data())
def test_a_pool_goes_to_a_price_as_the_readable_swap_with_the_greatest_input(pool: ExactPool, data: st.DataObject) -> None:
    expected = pool.snapshot()
    for _ in range(data.draw(st.integers(1, 6))):
        price = data.draw(requests(pool.copy())).sqrt_price_limit_x96
        down = price < expected.sqrt_price_x96
        request = SwapRequest(zero_for_one=down, amount_specified=MAX_INT256, sqrt_price_limit_x96=price)
        moved: object = (0, 0)
        if price != expected.sqrt_price_x96:
            try:
                moved, expected = by_the_readable_swap(expected, request)
            except RevertError as refusal:
                moved = refusal.code
        try:
            found: object = pool.swap_to(price)
        except RevertError as refusal:
            found = refusal.code
        assert found == moved
        assert pool.copy().snapshot() == expected
