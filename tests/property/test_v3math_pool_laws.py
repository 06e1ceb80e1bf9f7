"""Laws of a whole pool: it never pays out more than came in, it forgets nothing, and what it refuses leaves no trace."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_swap import SwapState, TickMap, swap
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import RecordedSwap, SwapKind, SwapRequest, infer_kind, swap_request
from keeper.core.v3math.tick_bitmap import words_of
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_INT256, MAX_SQRT_RATIO, MAX_TICK, MAX_UINT256, MIN_SQRT_RATIO

TIERS = [(100, 1), (500, 10), (3_000, 60), (10_000, 200)]
OWNERS = ["ann", "bob"]

amounts = st.integers(1, 100).flatmap(lambda bits: st.integers(1, 1 << bits))
signs = st.sampled_from([1, -1])


def limit_of(zero_for_one: bool) -> int:
    return MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1


class PoolMachine(RuleBasedStateMachine):
    """Random lives of a pool, with a purse that must never run dry."""

    def __init__(self) -> None:
        super().__init__()
        self.purse = [0, 0]

    @initialize(tier=st.sampled_from(TIERS), tick=st.one_of(st.integers(-600, 600), st.integers(-880_000, 880_000)))
    def open_pool(self, tier: tuple[int, int], tick: int) -> None:
        self.pool = ExactPool(fee_pips=tier[0], tick_spacing=tier[1])
        self.pool.initialize(get_sqrt_ratio_at_tick(tick))
        self.home = tick

    def ticks_at(self, offset: int, width: int) -> tuple[int, int]:
        spacing = self.pool.tick_spacing
        lower = (self.home // spacing + offset) * spacing
        return lower, lower + width * spacing

    def move(self, amount0: int, amount1: int) -> None:
        self.purse[0] += amount0
        self.purse[1] += amount1
        assert min(self.purse) >= 0

    @rule(owner=st.sampled_from(OWNERS), offset=st.integers(-300, 300), width=st.integers(1, 400), amount=amounts)
    def mint(self, owner: str, offset: int, width: int, amount: int) -> None:
        lower, upper = self.ticks_at(offset, width)
        before = self.pool.snapshot()
        try:
            paid = self.pool.mint(owner, lower, upper, amount)
        except RevertError:
            assert self.pool.snapshot() == before
            return
        assert min(paid) >= 0
        self.move(*paid)

    @rule(owner=st.sampled_from(OWNERS), share=st.integers(0, 4), index=st.integers(0, 50))
    @precondition(lambda self: self.pool.snapshot().positions)
    def burn(self, owner: str, share: int, index: int) -> None:
        keys = sorted(self.pool.snapshot().positions)
        _, lower, upper = keys[index % len(keys)]
        before = self.pool.snapshot()
        held = self.pool.position(owner, lower, upper)
        try:
            principal = self.pool.burn(owner, lower, upper, held.liquidity * share // 3)
        except RevertError:
            assert self.pool.snapshot() == before
            assert held.liquidity == 0 or share == 4
            return
        after = self.pool.position(owner, lower, upper)
        assert after.tokens_owed0 - held.tokens_owed0 >= principal[0] >= 0
        assert after.tokens_owed1 - held.tokens_owed1 >= principal[1] >= 0

    @rule(index=st.integers(0, 50), asked=st.sampled_from([(1, 1), (10**6, 10**6), (2**128 - 1, 2**128 - 1)]))
    @precondition(lambda self: self.pool.snapshot().positions)
    def collect(self, index: int, asked: tuple[int, int]) -> None:
        keys = sorted(self.pool.snapshot().positions)
        paid = self.pool.collect(*keys[index % len(keys)], *asked)
        assert paid[0] <= asked[0]
        assert paid[1] <= asked[1]
        self.move(-paid[0], -paid[1])

    @rule(zero_for_one=st.booleans(), amount=amounts, sign=signs, reach=st.one_of(st.none(), st.integers(1, 3_000)))
    def swap(self, zero_for_one: bool, amount: int, sign: int, reach: int | None) -> None:
        limit = limit_of(zero_for_one)
        if reach is not None:
            target = self.pool.tick + (-reach if zero_for_one else reach)
            limit = get_sqrt_ratio_at_tick(min(max(target, -MAX_TICK), MAX_TICK))
        request = {"zero_for_one": zero_for_one, "amount_specified": sign * amount, "sqrt_price_limit_x96": limit}
        before = self.pool.snapshot()
        try:
            foreseen = self.pool.preview_swap(**request)
        except RevertError as refusal:
            with pytest.raises(type(refusal)):
                self.pool.swap(**request)
            assert self.pool.snapshot() == before
            return
        assert self.pool.snapshot() == before
        amount0, amount1 = self.pool.swap(**request)
        assert (amount0, amount1) == (foreseen.amount0, foreseen.amount1)
        self.check_foreseen(foreseen)
        paid, received = (amount0, -amount1) if zero_for_one else (amount1, -amount0)
        assert paid >= 0
        assert received >= 0
        assert (paid if sign > 0 else received) <= amount
        if self.pool.sqrt_price_x96 != limit:
            assert (paid if sign > 0 else received) == amount
        lower, upper = sorted((self.pool.sqrt_price_x96, before.sqrt_price_x96))
        assert (lower if zero_for_one else upper) == self.pool.sqrt_price_x96
        self.move(amount0, amount1)

    def check_foreseen(self, foreseen) -> None:
        pool = self.pool
        assert (pool.sqrt_price_x96, pool.tick, pool.liquidity) == (
            foreseen.sqrt_price_x96,
            foreseen.tick,
            foreseen.liquidity,
        )
        assert (pool.fee_growth_global0_x128, pool.fee_growth_global1_x128) == (
            foreseen.fee_growth_global0_x128,
            foreseen.fee_growth_global1_x128,
        )

    @rule(shares=st.tuples(*2 * [st.sampled_from([0, 4, 5, 10])]))
    def set_fee_protocol(self, shares: tuple[int, int]) -> None:
        self.pool.set_fee_protocol(*shares)

    @rule()
    def collect_protocol(self) -> None:
        paid = self.pool.collect_protocol()
        self.move(-paid[0], -paid[1])

    @invariant()
    def the_state_is_whole(self) -> None:
        """The snapshot itself checks price against tick, and liquidity in range against the ticks."""
        snapshot = self.pool.snapshot()
        gross: dict[int, int] = {}
        for key, held in snapshot.positions.items():
            for tick in key[1:]:
                gross[tick] = gross.get(tick, 0) + held.liquidity
        assert {tick: info.liquidity_gross for tick, info in snapshot.ticks.items()} == {t: g for t, g in gross.items() if g}
        assert self.pool._ticks.words == words_of(snapshot.ticks, snapshot.tick_spacing)
        assert (self.pool._floor_x96, self.pool._ceiling_x96) == self.pool._ticks.stops(self.pool.tick)

    @invariant()
    def fee_growth_inside_adjacent_ranges_adds_up(self) -> None:
        ticks = sorted(self.pool.snapshot().ticks)
        if len(ticks) < 3:
            return
        first, middle, last = ticks[0], ticks[len(ticks) // 2], ticks[-1]
        below = self.pool.fee_growth_inside(first, middle)
        above = self.pool.fee_growth_inside(middle, last)
        both = self.pool.fee_growth_inside(first, last)
        for part, other, whole in zip(below, above, both, strict=True):
            assert (part + other) & MAX_UINT256 == whole

    @invariant()
    def a_restored_pool_is_the_same_pool(self) -> None:
        snapshot = self.pool.snapshot()
        assert ExactPool.restore(snapshot).snapshot() == snapshot

    def teardown(self) -> None:
        """Everybody leaves: the purse covers them all, and nothing but dust remains of the principal."""
        if not hasattr(self, "pool"):
            return
        for key, held in self.pool.snapshot().positions.items():
            if held.liquidity:
                self.pool.burn(*key, held.liquidity)
            paid = self.pool.collect(*key)
            self.move(-paid[0], -paid[1])
        self.collect_protocol()
        assert self.pool.liquidity == 0
        assert not self.pool.snapshot().ticks


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPoolMachine = PoolMachine.TestCase


def two_layers(fee_pips: int = 3_000, spacing: int = 60, tick: int = 17) -> ExactPool:
    pool = ExactPool(fee_pips=fee_pips, tick_spacing=spacing)
    pool.initialize(get_sqrt_ratio_at_tick(tick) + 12_345)
    pool.mint("ann", -100 * spacing, 100 * spacing, 10**20)
    pool.mint("bob", -3 * spacing, 2 * spacing, 7 * 10**20)
    return pool


@settings(max_examples=150, deadline=None)
@given(st.booleans(), amounts, st.integers(0, 999_999))
def test_a_swap_there_and_back_never_profits(zero_for_one: bool, amount: int, fee_pips: int) -> None:
    pool = two_layers(fee_pips)
    there = pool.swap(zero_for_one=zero_for_one, amount_specified=amount, sqrt_price_limit_x96=limit_of(zero_for_one))
    received = -there[1] if zero_for_one else -there[0]
    assume(received > 0)
    back = pool.swap(zero_for_one=not zero_for_one, amount_specified=received, sqrt_price_limit_x96=limit_of(not zero_for_one))
    assert (-back[0] if zero_for_one else -back[1]) <= amount


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10**18)), min_size=1, max_size=12), st.sampled_from([0, 4, 7, 10]))
def test_a_lone_provider_earns_all_fees_but_a_unit_a_step(swaps: list[tuple[bool, int]], share: int) -> None:
    """One position over the whole path: fees paid, less the protocol's, less at most one raw unit a step, are its fees."""
    pool = ExactPool(fee_pips=500, tick_spacing=10)
    pool.initialize(get_sqrt_ratio_at_tick(3))
    pool.mint("ann", -20_000, 20_000, 10**19)
    pool.set_fee_protocol(share, share)
    fees, protocol, steps = [0, 0], [0, 0], 0
    for zero_for_one, amount in swaps:
        before = pool.tick
        request = {"zero_for_one": zero_for_one, "amount_specified": amount, "sqrt_price_limit_x96": limit_of(zero_for_one)}
        result = pool.preview_swap(**request)
        pool.swap(**request)
        fees[not zero_for_one] += result.fee_amount
        protocol[not zero_for_one] += result.protocol_fee
        steps += abs(before - pool.tick) // 2_560 + 2
    assert (pool.protocol_fees0, pool.protocol_fees1) == tuple(protocol)
    pool.burn("ann", -20_000, 20_000, 0)
    held = pool.position("ann", -20_000, 20_000)
    for paid, taken, earned in zip(fees, protocol, (held.tokens_owed0, held.tokens_owed1), strict=True):
        assert paid - taken - steps <= earned <= paid - taken
        assert taken == 0 if share == 0 else paid - share * steps <= taken * share <= paid


@settings(max_examples=100, deadline=None)
@given(st.booleans(), amounts, signs, st.one_of(st.none(), st.integers(1, 900)))
def test_a_swap_is_explained_by_a_request_that_repeats_it(
    zero_for_one: bool, amount: int, sign: int, reach: int | None
) -> None:
    pool, twin = two_layers(), two_layers()
    limit = limit_of(zero_for_one) if reach is None else get_sqrt_ratio_at_tick(17 + (-reach if zero_for_one else reach))
    moved = pool.swap(zero_for_one=zero_for_one, amount_specified=sign * amount, sqrt_price_limit_x96=limit)
    recorded = RecordedSwap(
        amount0=moved[0], amount1=moved[1], sqrt_price_x96=pool.sqrt_price_x96, liquidity=pool.liquidity, tick=pool.tick
    )
    assume(moved != (0, 0))
    kind = infer_kind(twin, recorded)
    request: SwapRequest = swap_request(kind, recorded, twin.sqrt_price_x96)
    again = twin.swap(
        zero_for_one=request.zero_for_one,
        amount_specified=request.amount_specified,
        sqrt_price_limit_x96=request.sqrt_price_limit_x96,
    )
    assert again == moved
    assert twin.snapshot() == pool.snapshot()
    if reach is None and sign > 0 and pool.sqrt_price_x96 != limit:
        assert kind is SwapKind.EXACT_IN


@settings(max_examples=100, deadline=None)
@given(st.booleans(), amounts, signs)
def test_a_tick_map_and_a_pool_swap_alike(zero_for_one: bool, amount: int, sign: int) -> None:
    pool = two_layers()
    snapshot = pool.snapshot()
    state = SwapState(
        sqrt_price_x96=snapshot.sqrt_price_x96,
        tick=snapshot.tick,
        liquidity=snapshot.liquidity,
        fee_pips=snapshot.fee_pips,
        ticks=TickMap.of({tick: info.liquidity_net for tick, info in snapshot.ticks.items()}, snapshot.tick_spacing),
    )
    request = {
        "zero_for_one": zero_for_one,
        "amount_specified": sign * amount,
        "sqrt_price_limit_x96": limit_of(zero_for_one),
    }
    result = swap(state, **request)
    assert result == pool.preview_swap(**request)
    assert result.crossed == tuple(sorted(result.crossed, reverse=zero_for_one))


@settings(max_examples=50, deadline=None)
@given(st.booleans(), st.integers(1, 40_000))
def test_a_limit_swap_stops_on_its_limit(zero_for_one: bool, reach: int) -> None:
    pool = two_layers()
    limit = get_sqrt_ratio_at_tick(17 + (-reach if zero_for_one else reach))
    pool.swap(zero_for_one=zero_for_one, amount_specified=MAX_INT256, sqrt_price_limit_x96=limit)
    assert pool.sqrt_price_x96 == limit
