"""Edges of the pool: every refusal by its code, ticks at the bounds, words without ticks, the protocol's share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PositionInfo
from keeper.core.v3math.pool_swap import SwapState, TickMap, swap
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import RecordedSwap, SwapKind, UnexplainedSwapError, infer_kind, swap_request
from keeper.core.v3math.swap_math import compute_swap_step
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MAX_UINT128,
    MIN_SQRT_RATIO,
    MIN_TICK,
    Q96,
    Q128,
)

DOWN, UP = MIN_SQRT_RATIO + 1, MAX_SQRT_RATIO - 1
L = 10**18


def pool_at(tick: int = 0, *, fee_pips: int = 3_000, spacing: int = 60) -> ExactPool:
    pool = ExactPool(fee_pips=fee_pips, tick_spacing=spacing)
    pool.initialize(get_sqrt_ratio_at_tick(tick))
    return pool


def deep_pool(tick: int = 0) -> ExactPool:
    pool = pool_at(tick)
    pool.mint("ann", -6_000, 6_000, L)
    return pool


REFUSALS: list[tuple[str, str, Callable[[ExactPool], object]]] = [
    ("a second price", "AI", lambda pool: pool.initialize(Q96)),
    ("bounds in the wrong order", "TLU", lambda pool: pool.mint("ann", 60, 60, 1)),
    ("a lower bound below all prices", "TLM", lambda pool: pool.mint("ann", -887_280, 60, 1)),
    ("an upper bound above all prices", "TUM", lambda pool: pool.mint("ann", 60, 887_280, 1)),
    ("more than a tick may hold", "LO", lambda pool: pool.mint("ann", -60, 60, pool.max_liquidity_per_tick + 1)),
    ("more than the position holds", "LS", lambda pool: pool.burn("ann", -6_000, 6_000, L + 1)),
    ("what another owner holds", "LS", lambda pool: pool.burn("bob", -6_000, 6_000, 1)),
    ("a range nobody holds", "LS", lambda pool: pool.burn("ann", -120, 120, 1)),
    ("a poke of nothing", "NP", lambda pool: pool.burn("bob", -6_000, 6_000, 0)),
    ("a range off the spacing", "", lambda pool: pool.mint("ann", -61, 60, 1)),
    ("a mint of nothing", "", lambda pool: pool.mint("ann", -60, 60, 0)),
    ("a mint beyond 127 bits", "", lambda pool: pool.mint("ann", -60, 60, 1 << 127)),
    ("a burn beyond 127 bits", "", lambda pool: pool.burn("ann", -6_000, 6_000, 1 << 127)),
    ("a swap of nothing", "AS", lambda pool: pool.swap(zero_for_one=True, amount_specified=0, sqrt_price_limit_x96=0)),
    ("a limit at the price", "SPL", lambda pool: pool.swap(zero_for_one=True, amount_specified=1, sqrt_price_limit_x96=Q96)),
    ("a limit above a fall", "SPL", lambda pool: pool.swap(zero_for_one=True, amount_specified=1, sqrt_price_limit_x96=UP)),
    ("a limit below a rise", "SPL", lambda pool: pool.swap(zero_for_one=False, amount_specified=1, sqrt_price_limit_x96=DOWN)),
    (
        "a limit at the lowest price",
        "SPL",
        lambda pool: pool.swap(zero_for_one=True, amount_specified=1, sqrt_price_limit_x96=MIN_SQRT_RATIO),
    ),
    (
        "a limit at the highest price",
        "SPL",
        lambda pool: pool.swap(zero_for_one=False, amount_specified=1, sqrt_price_limit_x96=MAX_SQRT_RATIO),
    ),
    ("a protocol share of a third", "", lambda pool: pool.set_fee_protocol(3, 4)),
    ("a protocol share of an eleventh", "", lambda pool: pool.set_fee_protocol(0, 11)),
]


@pytest.mark.parametrize(("code", "act"), [pytest.param(code, act, id=name) for name, code, act in REFUSALS])
def test_a_refusal_names_the_contracts_code_and_changes_nothing(code: str, act: Callable[[ExactPool], object]) -> None:
    pool = deep_pool()
    before = pool.snapshot()
    with pytest.raises(RevertError) as refusal:
        act(pool)
    assert refusal.value.code == code
    assert str(refusal.value).startswith(f"{code}: " if code else "")
    assert pool.snapshot() == before


@pytest.mark.parametrize(
    "act",
    [
        lambda pool: pool.mint("ann", -60, 60, 1),
        lambda pool: pool.burn("ann", -60, 60, 0),
        lambda pool: pool.collect("ann", -60, 60),
        lambda pool: pool.swap(zero_for_one=False, amount_specified=1, sqrt_price_limit_x96=UP),
        lambda pool: pool.set_fee_protocol(4, 4),
        lambda pool: pool.collect_protocol(),
        lambda pool: pool.snapshot(),
    ],
)
def test_a_pool_without_a_price_is_locked(act: Callable[[ExactPool], object]) -> None:
    with pytest.raises(RevertError) as refusal:
        act(ExactPool(fee_pips=500, tick_spacing=10))
    assert refusal.value.code == "LOK"


@pytest.mark.parametrize("price", [0, MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO])
def test_a_first_price_out_of_range_is_refused(price: int) -> None:
    with pytest.raises(RevertError) as refusal:
        ExactPool(fee_pips=500, tick_spacing=10).initialize(price)
    assert refusal.value.code == "R"


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1])
def test_a_tick_out_of_range_is_refused(tick: int) -> None:
    with pytest.raises(RevertError) as refusal:
        get_sqrt_ratio_at_tick(tick)
    assert refusal.value.code == "T"


@pytest.mark.parametrize(("fee_pips", "spacing"), [(1_000_000, 10), (-1, 10), (500, 0), (500, 16_384)])
def test_a_pool_that_the_factory_would_not_make_is_refused(fee_pips: int, spacing: int) -> None:
    with pytest.raises(ValueError, match="lies outside"):
        ExactPool(fee_pips=fee_pips, tick_spacing=spacing)


def test_a_tick_born_below_the_price_inherits_all_growth_and_one_above_none() -> None:
    pool = deep_pool()
    pool.swap(zero_for_one=True, amount_specified=10**15, sqrt_price_limit_x96=DOWN)
    pool.mint("bob", -120, 120, 5)
    growth = pool.fee_growth_global0_x128
    assert growth > 0
    assert pool.tick_info(-120).fee_growth_outside0_x128 == growth
    assert pool.tick_info(120).fee_growth_outside0_x128 == 0
    assert pool.fee_growth_inside(-120, 120) == (0, 0)


def test_a_range_that_begins_at_the_current_tick_is_in_range_and_inherits_its_growth() -> None:
    pool = deep_pool()
    pool.swap(zero_for_one=False, amount_specified=10**30, sqrt_price_limit_x96=get_sqrt_ratio_at_tick(60))
    pool.mint("bob", 60, 120, 5)
    assert pool.tick == 60
    assert pool.liquidity == L + 5
    assert pool.tick_info(60).fee_growth_outside1_x128 == pool.fee_growth_global1_x128 > 0


def test_a_range_that_ends_at_the_current_tick_is_out_of_range() -> None:
    pool = deep_pool(60)
    pool.mint("bob", 0, 60, 5)
    assert pool.liquidity == L


def test_a_tick_nobody_needs_is_forgotten() -> None:
    pool = deep_pool()
    before = pool.snapshot().ticks
    pool.mint("bob", -120, 6_000, 5)
    assert pool.tick_info(6_000).liquidity_gross == L + 5
    pool.burn("bob", -120, 6_000, 5)
    assert pool.tick_info(-120) == TickInfo()
    assert pool.snapshot().ticks == before


def test_a_new_provider_gets_nothing_of_old_fees_and_his_share_of_new_ones() -> None:
    pool = deep_pool()
    trade = {"zero_for_one": True, "amount_specified": 10**15, "sqrt_price_limit_x96": DOWN}
    pool.swap(**trade)
    pool.mint("bob", -6_000, 6_000, 3 * L)
    pool.burn("bob", -6_000, 6_000, 0)
    assert pool.position("bob", -6_000, 6_000).tokens_owed0 == 0
    pool.swap(**trade)
    for owner in ("ann", "bob"):
        pool.burn(owner, -6_000, 6_000, 0)
    assert pool.position("ann", -6_000, 6_000).tokens_owed0 == 3 * 10**12 + 3 * 10**12 // 4 - 1
    assert pool.position("bob", -6_000, 6_000).tokens_owed0 == 3 * 10**12 * 3 // 4 - 1


def test_collecting_pays_what_is_owed_up_to_what_is_asked() -> None:
    pool = deep_pool()
    amount0, amount1 = pool.burn("ann", -6_000, 6_000, L // 2)
    assert pool.collect("ann", -6_000, 6_000, 7, 0) == (7, 0)
    assert pool.collect("ann", -6_000, 6_000) == (amount0 - 7, amount1)
    assert pool.collect("ann", -6_000, 6_000) == (0, 0)
    assert pool.collect("nobody", 1, 0) == (0, 0)
    assert len(pool.snapshot().positions) == 1


def test_a_mint_and_its_burn_differ_by_the_rounding() -> None:
    pool = pool_at(7)
    paid = pool.mint("ann", -60, 120, 123_456_789)
    back = pool.burn("ann", -60, 120, 123_456_789)
    assert [cost - gain for cost, gain in zip(paid, back, strict=True)] == [1, 1]


@pytest.mark.parametrize(("zero_for_one", "owed"), [(True, "protocol_fees0"), (False, "protocol_fees1")])
def test_the_protocol_takes_its_share_of_the_input_tokens_fee(zero_for_one: bool, owed: str) -> None:
    """Slot0 packs token0's share into the low half; a swap reads the half of its input."""
    pool = deep_pool()
    pool.set_fee_protocol(4, 10)
    assert pool.fee_protocol == 4 + 160
    result = pool.preview_swap(
        zero_for_one=zero_for_one, amount_specified=10**15, sqrt_price_limit_x96=DOWN if zero_for_one else UP
    )
    pool.swap(zero_for_one=zero_for_one, amount_specified=10**15, sqrt_price_limit_x96=DOWN if zero_for_one else UP)
    assert result.fee_amount == 3 * 10**12
    assert result.protocol_fee == getattr(pool, owed) == 3 * 10**12 // (4 if zero_for_one else 10)
    growth = pool.fee_growth_global0_x128 if zero_for_one else pool.fee_growth_global1_x128
    assert growth == (result.fee_amount - result.protocol_fee) * Q128 // L


def test_the_protocol_leaves_one_unit_behind() -> None:
    pool = deep_pool()
    pool.set_fee_protocol(4, 4)
    pool.swap(zero_for_one=True, amount_specified=10**15, sqrt_price_limit_x96=DOWN)
    assert pool.collect_protocol(5, 5) == (5, 0)
    assert pool.collect_protocol() == (3 * 10**12 // 4 - 5 - 1, 0)
    assert pool.collect_protocol() == (0, 0)
    assert pool.protocol_fees0 == 1


def test_a_word_without_ticks_is_a_step_and_rounds_once_more() -> None:
    """The chain stops after 256 spacings; the same move in one step would cost a unit less."""
    pool = pool_at(0, fee_pips=3_000, spacing=1)
    pool.mint("ann", -2_000, 2_000, 10**9 + 7)
    limit = get_sqrt_ratio_at_tick(1_000)
    paid = pool.preview_swap(zero_for_one=False, amount_specified=10**30, sqrt_price_limit_x96=limit)
    _, amount_in, amount_out, fee = compute_swap_step(Q96, limit, 10**9 + 7, 10**30, 3_000)
    assert paid.crossed == ()
    assert paid.amount1 > amount_in + fee
    assert -paid.amount0 < amount_out
    assert paid.amount1 - amount_in - fee <= 2 * 4
    assert paid.tick == 1_000


def test_a_fall_onto_a_tick_crosses_it_and_stands_one_below() -> None:
    pool = deep_pool()
    pool.mint("bob", -60, 60, L)
    limit = get_sqrt_ratio_at_tick(-60)
    pool.swap(zero_for_one=True, amount_specified=10**30, sqrt_price_limit_x96=limit)
    assert pool.sqrt_price_x96 == limit
    assert pool.tick == -61
    assert pool.liquidity == L
    assert ExactPool.restore(pool.snapshot()).tick == -61
    pool.swap(zero_for_one=False, amount_specified=1, sqrt_price_limit_x96=UP)
    assert pool.tick == -60
    assert pool.liquidity == 2 * L


def test_a_rise_onto_a_tick_crosses_it_and_stands_on_it() -> None:
    pool = deep_pool()
    pool.mint("bob", -60, 60, L)
    pool.swap(zero_for_one=False, amount_specified=10**30, sqrt_price_limit_x96=get_sqrt_ratio_at_tick(60))
    assert pool.tick == 60
    assert pool.liquidity == L


def test_liquidity_minted_on_a_price_just_crossed_downwards_is_out_of_range() -> None:
    """The pool asks its tick, not its price: at tick -61 the range [-60, 60) is above, and costs token0 alone."""
    pool = deep_pool()
    pool.mint("bob", -60, 60, L)
    pool.swap(zero_for_one=True, amount_specified=10**30, sqrt_price_limit_x96=get_sqrt_ratio_at_tick(-60))
    paid = pool.mint("cas", -60, 60, L)
    assert paid[0] > 0
    assert paid[1] == 0
    assert pool.liquidity == L


def test_an_empty_pool_moves_to_its_limit_for_nothing() -> None:
    pool = pool_at()
    assert pool.swap(zero_for_one=True, amount_specified=10**18, sqrt_price_limit_x96=DOWN) == (0, 0)
    assert (pool.sqrt_price_x96, pool.tick) == (DOWN, MIN_TICK)
    assert pool.swap(zero_for_one=False, amount_specified=-1, sqrt_price_limit_x96=UP) == (0, 0)
    assert (pool.sqrt_price_x96, pool.tick) == (UP, MAX_TICK - 1)


def test_a_whole_range_position_can_be_swept_from_end_to_end() -> None:
    pool = pool_at(0, fee_pips=10_000, spacing=200)
    pool.mint("ann", -887_200, 887_200, L)
    out0 = -pool.swap(zero_for_one=False, amount_specified=1 << 254, sqrt_price_limit_x96=UP)[0]
    assert pool.liquidity == 0
    assert out0 < L
    out1 = -pool.swap(zero_for_one=True, amount_specified=1 << 254, sqrt_price_limit_x96=DOWN)[1]
    assert pool.liquidity == 0
    assert out1 > L
    assert pool.tick_info(887_200).fee_growth_outside1_x128 == 0
    assert pool.tick_info(-887_200).fee_growth_outside0_x128 == pool.fee_growth_global0_x128 > 0


def test_fee_growth_wraps_without_losing_a_fee() -> None:
    start = dataclasses.replace(deep_pool().snapshot(), fee_growth_global0_x128=(1 << 256) - 5, positions={})
    pool = ExactPool.restore(start)
    pool.mint("bob", -120, 120, L)
    pool.swap(zero_for_one=True, amount_specified=10**15, sqrt_price_limit_x96=DOWN)
    assert pool.fee_growth_global0_x128 < (1 << 255)
    pool.burn("bob", -120, 120, 0)
    assert pool.position("bob", -120, 120).tokens_owed0 == 3 * 10**12 // 2 - 1


def test_what_is_owed_wraps_at_128_bits_as_the_contract_does() -> None:
    start = deep_pool().snapshot()
    rich = {key: PositionInfo(liquidity=held.liquidity, tokens_owed0=MAX_UINT128) for key, held in start.positions.items()}
    pool = ExactPool.restore(dataclasses.replace(start, positions=rich))
    amount0, _ = pool.burn("ann", -6_000, 6_000, L // 2)
    assert pool.position("ann", -6_000, 6_000).tokens_owed0 == amount0 - 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tick": 1}, "does not stand at tick 1"),
        ({"liquidity": L + 1}, "sum to"),
        ({"ticks": {-6_000: TickInfo(liquidity_gross=L, liquidity_net=L)}}, "differ by"),
    ],
)
def test_a_snapshot_that_contradicts_itself_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(deep_pool().snapshot(), **change)


def test_a_tick_map_keeps_ticks_whose_net_is_zero() -> None:
    """They split a step in two and turn fee growth over, so leaving them out would change the result."""
    ticks = TickMap.of({-60: 5, 60: 0, 120: -5}, 60)
    state = SwapState(sqrt_price_x96=Q96, tick=0, liquidity=5, fee_pips=500, ticks=ticks)
    result = swap(state, zero_for_one=False, amount_specified=10**6, sqrt_price_limit_x96=UP)
    assert [tick for tick, _ in result.crossed] == [60, 120]
    assert result.liquidity == 0


def test_a_tick_map_off_its_spacing_is_refused() -> None:
    with pytest.raises(RevertError, match="spacing 60"):
        TickMap.of({-61: 5}, 60)


@pytest.mark.parametrize("limit", [None, 2_000])
@pytest.mark.parametrize("zero_for_one", [True, False])
@pytest.mark.parametrize("amount", [987_654_321_987, -987_654_321_987])
def test_the_kind_of_a_swap_is_told_from_its_record(limit: int | None, zero_for_one: bool, amount: int) -> None:
    pool, twin = deep_pool(), deep_pool()
    end = get_sqrt_ratio_at_tick(-7 if zero_for_one else 7) if limit else DOWN if zero_for_one else UP
    moved = pool.swap(zero_for_one=zero_for_one, amount_specified=amount * (limit or 1), sqrt_price_limit_x96=end)
    recorded = RecordedSwap(
        amount0=moved[0], amount1=moved[1], sqrt_price_x96=pool.sqrt_price_x96, liquidity=pool.liquidity, tick=pool.tick
    )
    expected = SwapKind.PRICE_LIMIT if limit else SwapKind.EXACT_IN if amount > 0 else SwapKind.EXACT_OUT
    before = twin.snapshot()
    assert infer_kind(twin, recorded) is expected
    assert twin.snapshot() == before


def test_a_swap_of_no_tokens_is_told_by_its_price() -> None:
    pool, twin = pool_at(), pool_at()
    pool.swap(zero_for_one=True, amount_specified=1, sqrt_price_limit_x96=Q96 - 9)
    recorded = RecordedSwap(amount0=0, amount1=0, sqrt_price_x96=pool.sqrt_price_x96, liquidity=0, tick=pool.tick)
    assert infer_kind(twin, recorded) is SwapKind.PRICE_LIMIT
    assert swap_request(SwapKind.PRICE_LIMIT, recorded, twin.sqrt_price_x96).zero_for_one


def test_a_swap_of_another_pool_is_unexplained() -> None:
    recorded = RecordedSwap(amount0=10**15, amount1=-(10**15), sqrt_price_x96=Q96 - 10**20, liquidity=L, tick=-1)
    with pytest.raises(UnexplainedSwapError, match="no request"):
        infer_kind(deep_pool(), recorded)
